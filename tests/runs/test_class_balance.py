"""Counts are made once, kept with the run, and made again when they are not of these samples."""

import numpy as np
import pytest
from PIL import Image

from lggan_tf.config import Config
from lggan_tf.data.class_counts import count_labels
from lggan_tf.errors import UserError
from lggan_tf.runs import class_balance
from lggan_tf.runs.build import build_objective, build_source
from lggan_tf.runs.class_balance import build_class_balance
from lggan_tf.runs.folder import RunFolder

CLASSES = """{"void_id": 1, "classes": [{"id": 0, "name": "sky", "color": [9, 9, 9]},
 {"id": 1, "name": "void", "color": [0, 0, 0]}, {"id": 2, "name": "sign", "color": [7, 0, 0]}]}"""


@pytest.fixture
def files(tmp_path):
    """Three maps of 4 pixels, the last of void; the photos are no pictures."""
    data = tmp_path / "data"
    for folder in ("labels", "images"):
        (data / folder / "train").mkdir(parents=True)
    (data / "classes.json").write_text(CLASSES)
    for name, ids in (("a", [[0, 0], [0, 0]]), ("b", [[0, 0], [2, 2]]), ("c", [[1, 1], [1, 1]])):
        Image.fromarray(np.array(ids, "uint8")).save(data / "labels/train" / f"{name}.png")
        (data / "images/train" / f"{name}.png").write_bytes(b"no picture")
    return Config.from_flat(
        {"dataset": "folder", "data_dir": str(data), "class_balance": 1.0, "lambda_perceptual": 0}
    ).check()


def test_counted_once_without_reading_photos(files, tmp_path, monkeypatch):
    folder, lines = RunFolder(tmp_path / "run"), []
    monkeypatch.setattr(class_balance, "SECONDS_BETWEEN_LINES", 0.0)
    source = build_source(files, "train")
    first = build_class_balance(files, folder, source, lines.append)
    assert first.probabilities == pytest.approx([1 / 4, 2 / 4, 1 / 4])
    assert first.weights == pytest.approx([2 / 3, 4 / 3])
    assert lines[-1] == "counting classes: 3 of 3 samples"
    assert [path.name for path in folder.path.iterdir()] == ["class_counts.npz"]

    def never(*_):
        raise AssertionError("counted again")

    monkeypatch.setattr(class_balance, "count_labels", never)
    again = build_class_balance(files, folder, source, lines.append)
    np.testing.assert_array_equal(again.probabilities, first.probabilities)
    assert again.weights == first.weights


def test_off_counts_nothing(files, tmp_path):
    off = Config.from_flat(files.to_flat() | {"class_balance": 0.0})
    assert build_class_balance(off, RunFolder(tmp_path / "run"), None, print) is None
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"PK\3\4 no archive", b"other samples", "cut"])
def test_a_file_of_other_samples_or_a_damaged_one(files, tmp_path, content):
    folder, lines = RunFolder(tmp_path / "run"), []
    source = build_source(files, "train")
    expected = build_class_balance(files, folder, source, lines.append)
    assert lines == []
    whole = folder.class_counts.read_bytes()
    folder.class_counts.write_bytes(whole[: len(whole) // 2] if content == "cut" else content)
    if content == b"other samples":
        np.savez(folder.class_counts, counts=np.ones((3, 3), int), samples="of another set")
    found = build_class_balance(files, folder, source, lines.append)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    is_other = content == b"other samples"
    words = "is of other samples; counting the classes" if is_other else "cannot be read"
    assert len(lines) == 1 and words in lines[0] and str(folder.class_counts) in lines[0]
    assert folder.class_counts.read_bytes() == whole or is_other
    np.testing.assert_array_equal(
        np.load(folder.class_counts)["counts"], [[4, 0, 0], [2, 0, 2], [0, 4, 0]]
    )


def test_what_is_in_memory_is_not_loaded_again():
    """The town: drawing a place takes a while, and training needs it anyway."""
    config = Config.from_flat({"town_places": 3, "image_height": 32, "image_width": 32})
    source = build_source(config, "train")
    counts = class_balance._count(config, source, print)
    assert sorted(source._kept) == [0, 1, 2]
    np.testing.assert_array_equal(counts, count_labels(source))


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_strength_that_is_none(value):
    with pytest.raises(UserError, match=f"--class_balance={value:g} is not between 0 and 1"):
        Config.from_flat({"class_balance": value, "lambda_perceptual": 0}).check()


def test_weights_reach_the_objective(files):
    classes = build_source(files, "train").classes
    assert build_objective(files, classes, (0.5, 1.5)).class_weights == (0.5, 1.5)
    assert build_objective(files, classes).class_weights is None
