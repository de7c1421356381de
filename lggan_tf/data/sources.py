"""From the settings of a data set to its source."""

from pathlib import Path

from lggan_tf.data.classes import ClassTable, builtin_classes, load_classes
from lggan_tf.data.folder_source import FolderSource
from lggan_tf.data.layouts import ADE20K, CITYSCAPES, FOLDER
from lggan_tf.data.panel_source import PanelSource
from lggan_tf.data.sample import CachedSource, Source
from lggan_tf.data.town_source import TownSource
from lggan_tf.errors import UserError

_LAYOUTS = {"folder": FOLDER, "cityscapes": CITYSCAPES, "ade20k": ADE20K}
_BUILTIN = {"town_semantic": "town", "town_cross_view": "town", "panels": "groups"}


def open_source(
    dataset: str,
    data_dir: str | Path,
    split: str,
    *,
    height: int,
    width: int,
    classes_file: str = "",
    direction: str = "a2g",
    town_places: int = 768,
    cache: bool = False,
    with_instances: bool = False,
    with_grey: bool = False,
    photos: bool = True,
) -> Source:
    """A split of a data set.

    Args:
        dataset: one of `lggan_tf.settings.DATASETS`.
        data_dir: folder of the data set; the town needs none.
        split: "train" or "val".
        height: pixels, the size at which the town is drawn; files come in their own size.
        width: as `height`.
        classes_file: see `open_classes`.
        direction: cross-view only, "a2g" or "g2a".
        town_places: number of training places of the town.
        cache: keep decoded samples in memory (the town does in any case).
        with_instances: load instance maps from files, which must then exist.
        with_grey: panels only, keep the grey values of label panels (`PanelSource`).
        photos: False leaves the photos of file data sets alone.

    Raises:
        UserError: folders, files or the class table are missing or do not fit together.
    """
    classes = open_classes(dataset, data_dir, classes_file)
    if dataset.startswith("town_"):
        view = dataset.removeprefix("town_")
        town = TownSource(view, split, town_places, height, width, direction)
        return CachedSource(town, is_slow=True)
    source: Source
    if dataset == "panels":
        source = PanelSource(data_dir, split, direction, with_grey)
    else:
        source = FolderSource(data_dir, split, classes, _LAYOUTS[dataset], with_instances, photos)
    return CachedSource(source) if cache else source


def open_classes(dataset: str, data_dir: str | Path, classes_file: str = "") -> ClassTable:
    """The class table of a data set: `classes_file`, its own table, or DATA_DIR/classes.json.

    Raises:
        UserError: the file is missing or wrong, or the data set's ids cannot be changed.
    """
    if dataset in _BUILTIN:
        if classes_file:
            raise UserError(
                f"--classes_file={classes_file} cannot be used with --dataset={dataset}, whose ids "
                "are fixed; leave it out"
            )
        return builtin_classes(_BUILTIN[dataset])
    if classes_file:
        return load_classes(classes_file)
    if dataset == "folder":
        return load_classes(Path(data_dir) / "classes.json")
    return builtin_classes(dataset)
