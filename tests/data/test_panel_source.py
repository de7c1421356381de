import numpy as np
import pytest
from PIL import Image

from lggan_tf.data.classes import builtin_classes
from lggan_tf.data.panel_source import PanelSource, exact_groups
from lggan_tf.errors import UserError


def save_panels(path, grey_e, grey_f, height=2):
    """Panels A to D are flat pictures of value 1 to 4; E and F hold the rows of grey values."""
    width = len(grey_e)
    flat = [np.full((height, width), value, np.uint8) for value in (1, 2, 3, 4)]
    maps = [np.tile(np.array(row, np.uint8), (height, 1)) for row in (grey_e, grey_f)]
    picture = np.repeat(np.hstack(flat + maps)[..., None], 3, axis=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture
def data_dir(tmp_path):
    save_panels(tmp_path / "train/one.png", [10, 20, 30], [40, 50, 60])
    return tmp_path


def test_a2g_makes_b_from_a_with_d_and_f(data_dir):
    source = PanelSource(data_dir, "train", "a2g")
    sample = source.load(0)
    assert source.names == ("one",)
    assert set(sample) == source.keys
    assert (sample["source"] == 1).all()
    assert (sample["image"] == 2).all()
    assert (sample["colours"] == 4).all()
    assert sample["image"].shape == (2, 3, 3)
    assert sample["labels"].tolist() == [[3, 4, 5]] * 2


def test_g2a_makes_a_from_b_with_c_and_e(data_dir):
    sample = PanelSource(data_dir, "train", "g2a").load(0)
    assert (sample["source"] == 2).all()
    assert (sample["image"] == 1).all()
    assert (sample["colours"] == 3).all()
    assert sample["labels"].tolist() == [[0, 1, 2]] * 2


def test_grey_values_go_to_the_nearest_ten_and_void_outside(tmp_path):
    grey = [0, 4, 5, 9, 10, 14, 15, 24, 25, 55, 64, 65, 70, 255]
    save_panels(tmp_path / "train/x.png", grey, grey)
    labels = PanelSource(tmp_path, "train").load(0)["labels"]
    assert labels.dtype == np.uint8
    assert labels[0].tolist() == [6, 6, 0, 0, 0, 0, 1, 1, 2, 5, 5, 6, 6, 6]


def test_grey_values_come_along_when_asked_for(tmp_path):
    save_panels(tmp_path / "train/x.png", [10, 20, 30], [9, 40, 255])
    source = PanelSource(tmp_path, "train", "a2g", with_grey=True)
    sample = source.load(0)
    assert set(sample) == source.keys == PanelSource(tmp_path, "train").keys | {"grey"}
    assert (sample["grey"].dtype, sample["grey"][0].tolist()) == (np.uint8, [9, 40, 255])
    assert sample["labels"][0].tolist() == [0, 3, 6]


def test_exact_groups_take_multiples_of_ten_alone():
    table = exact_groups(builtin_classes("groups"))
    assert {value: group for value, group in enumerate(table.tolist()) if group != 6} == {
        10: 0, 20: 1, 30: 2, 40: 3, 50: 4, 60: 5,
    }  # fmt: skip
    assert (table.dtype, table.shape) == (np.uint8, (256,))


def test_val_is_the_authors_test_folder(data_dir):
    save_panels(data_dir / "test/two.png", [10], [10])
    assert PanelSource(data_dir, "val").names == ("two",)
    save_panels(data_dir / "val/three.png", [10], [10])
    assert PanelSource(data_dir, "val").names == ("three",)


def test_wrong_width_is_named(data_dir):
    file = data_dir / "train/two.png"
    Image.new("RGB", (13, 2)).save(file)
    source = PanelSource(data_dir, "train")
    with pytest.raises(UserError, match="13 pixels wide") as caught:
        source.load(1)
    assert str(file) in str(caught.value)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="train is missing"):
        PanelSource(tmp_path, "train")
