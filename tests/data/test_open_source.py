import numpy as np
import pytest
from PIL import Image

from lggan_tf.data.classes import ClassTable, builtin_classes
from lggan_tf.data.sample import CachedSource
from lggan_tf.data.sources import open_classes, open_source
from lggan_tf.errors import UserError
from lggan_tf.settings import DATASETS

TWO = ClassTable(("a", "b"), ((0, 0, 0), (1, 1, 1)))
SIZE = {"height": 16, "width": 32}


@pytest.fixture
def folder(tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / kind / "train").mkdir(parents=True)
        Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / kind / "train/x.png")
    (tmp_path / "classes.json").write_text(TWO.to_json())
    return tmp_path


def test_a_folder_brings_its_class_table(folder):
    source = open_source("folder", folder, "train", **SIZE)
    assert source.classes == TWO
    assert (source.load(0)["labels"] == 1).all()
    assert not isinstance(source, CachedSource)
    assert isinstance(open_source("folder", folder, "train", cache=True, **SIZE), CachedSource)


def test_another_table_may_be_chosen(folder, tmp_path):
    other = ClassTable(("a", "b", "c"), ((0, 0, 0),) * 3)
    file = tmp_path / "other.json"
    file.write_text(other.to_json())
    assert open_classes("folder", folder, str(file)) == other
    assert open_classes("cityscapes", folder, str(file)) == other
    assert open_classes("cityscapes", folder) == builtin_classes("cityscapes")


def test_a_folder_without_table_says_so(folder):
    (folder / "classes.json").unlink()
    with pytest.raises(UserError, match="classes.json cannot be read"):
        open_source("folder", folder, "train", **SIZE)


@pytest.mark.parametrize("dataset", ["town_semantic", "town_cross_view", "panels"])
def test_fixed_ids_refuse_a_table(dataset):
    with pytest.raises(UserError, match="--classes_file=mine.json"):
        open_classes(dataset, "", "mine.json")


@pytest.mark.parametrize("dataset", ["folder", "cityscapes", "ade20k", "panels"])
def test_every_file_data_set_names_its_missing_folder(dataset, tmp_path):
    (tmp_path / "classes.json").write_text(TWO.to_json())
    with pytest.raises(UserError, match=f"{tmp_path}.* is missing"):
        open_source(dataset, tmp_path, "train", **SIZE)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_word_has_a_class_table(dataset, folder):
    assert open_classes(dataset, folder).num_local >= 2
