"""Samples kept as one file per map: data sets for training, and label maps to generate from."""

from pathlib import Path

from lggan_tf.data.classes import ClassTable
from lggan_tf.data.images import read_ids, read_labels, read_photo
from lggan_tf.data.layouts import FOLDER, Files, Layout, list_files, require_partners
from lggan_tf.data.sample import Sample
from lggan_tf.errors import UserError

_KINDS = {
    "labels": "label map",
    "image": "photo",
    "instances": "instance map",
    "source": "source photo",
}


class _FileSource:
    """A source given by its files: for every key of the sample, sample name -> file."""

    def __init__(self, classes: ClassTable, files: dict[str, dict[str, Path]]):
        """All dicts of `files` hold the names of `files["labels"]`."""
        self.classes = classes
        self.files = files
        self.names = tuple(files["labels"])
        self.keys = frozenset(files)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.names)

    def load(self, index: int) -> Sample:
        """Sample `index`: see `lggan_tf.data.sample.Source`.

        Raises:
            UserError: a file is broken, holds ids outside the class table, or differs in size.
        """
        paths = {key: files[self.names[index]] for key, files in self.files.items()}
        sample = {"labels": read_labels(paths["labels"], self.classes)}
        for key in ("image", "source"):
            if key in paths:
                sample[key] = read_photo(paths[key])
        if "instances" in paths:
            sample["instances"] = read_ids(paths["instances"])
        for key in ("image", "instances"):
            if key in sample and sample[key].shape[:2] != sample["labels"].shape:
                raise UserError(
                    f"the {_KINDS[key]} {paths[key]} has {_size(sample[key])} pixels "
                    f"(width x height), but its label map {paths['labels']} has "
                    f"{_size(sample['labels'])}; they must agree"
                )
        return sample


class FolderSource(_FileSource):
    """A split of a data set with one file per photo and per label map."""

    def __init__(
        self,
        data_dir: str | Path,
        split: str,
        classes: ClassTable,
        layout: Layout = FOLDER,
        with_instances: bool = False,
        photos: bool = True,
    ):
        """Lists the files of a split and pairs them; photos of a source view only where they exist.

        Args:
            data_dir: the data set's folder.
            split: "train" or "val".
            classes: what the label ids mean.
            layout: `FOLDER`, `CITYSCAPES` or `ADE20K` of `lggan_tf.data.layouts`.
            with_instances: load instance maps too.
            photos: False leaves photos alone, which then need not exist.

        Raises:
            UserError: a folder is missing or empty, or a file has no partner.
        """
        root, split = Path(data_dir), layout.splits.get(split, split)
        labels_dir = layout.labels.below(root, split)
        labels = list_files(labels_dir, layout.labels.suffixes)
        files = {"labels": labels}
        if photos:
            photos_dir = layout.photos.below(root, split)
            files["image"] = list_files(photos_dir, layout.photos.suffixes)
            require_partners(files["image"], "photo", labels, "label map", labels_dir)
            require_partners(labels, "label map", files["image"], "photo", photos_dir)
        if with_instances and layout.instances is None:
            raise UserError(
                f"{data_dir}: this data set has no instance maps; train without --edges"
            )
        if with_instances:
            folder = layout.instances.below(root, split)
            files["instances"] = _partners(labels, "instances", layout.instances, folder)
        if layout.sources and layout.sources.below(root, split).is_dir():
            folder = layout.sources.below(root, split)
            files["source"] = _partners(labels, "source", layout.sources, folder)
        super().__init__(classes, files)


class LabelFolderSource(_FileSource):
    """Label maps to generate photos from: every PNG below a folder, without photos."""

    def __init__(
        self,
        labels_dir: str | Path,
        classes: ClassTable,
        sources_dir: str | Path = "",
        instances_dir: str | Path = "",
    ):
        """Lists the label maps and pairs the others with them.

        Args:
            labels_dir: folder of label maps.
            classes: what the label ids mean.
            sources_dir: folder of source photos under the same names; empty: none.
            instances_dir: folder of instance maps under the same names; empty: none.

        Raises:
            UserError: a folder is missing or empty, or a file has no partner.
        """
        labels = list_files(Path(labels_dir), FOLDER.labels.suffixes)
        files = {"labels": labels}
        if sources_dir:
            files["source"] = _partners(labels, "source", FOLDER.sources, Path(sources_dir))
        if instances_dir:
            files["instances"] = _partners(
                labels, "instances", FOLDER.instances, Path(instances_dir)
            )
        super().__init__(classes, files)


def _partners(labels: dict[str, Path], key: str, kind: Files, folder: Path) -> dict[str, Path]:
    """The files of a folder, one for every label map."""
    found = list_files(folder, kind.suffixes)
    require_partners(labels, "label map", found, _KINDS[key], folder)
    return found


def _size(array) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"
