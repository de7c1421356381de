"""The authors' cross-view files: six square panels side by side in one picture.

| panel | letter | content |
|---|---|---|
| 0 | A | aerial photo |
| 1 | B | street photo |
| 2 | C | aerial semantic map as a colour picture |
| 3 | D | street semantic map as a colour picture |
| 4 | E | aerial groups, grey value 10 * (group + 1) |
| 5 | F | street groups, likewise |

Grey values are rounded to the nearest ten, since some sets are JPEG: group g is 10 g + 5 .. 10 g +
14. All other values are void. The authors resize them bicubically and then take exact multiples of
ten alone (spec, section 7, 7); for that a sample can carry the grey values themselves.
"""

from pathlib import Path

import numpy as np

from lggan_tf.data.classes import ClassTable, builtin_classes
from lggan_tf.data.images import read_photo
from lggan_tf.data.layouts import list_files
from lggan_tf.data.sample import Sample
from lggan_tf.errors import UserError

_PANELS = 6
_PANEL_OF = {
    "a2g": {"source": 0, "image": 1, "colours": 3, "labels": 5},
    "g2a": {"source": 1, "image": 0, "colours": 2, "labels": 4},
}


class PanelSource:
    """A split of a six-panel data set: `DATA_DIR/SPLIT/*.png` or `.jpg`."""

    def __init__(
        self, data_dir: str | Path, split: str, direction: str = "a2g", with_grey: bool = False
    ):
        """Lists the files of a split.

        Args:
            data_dir: folder of the splits.
            split: "train" or "val"; where there is no folder `val`, `test` is taken, as the authors
                call it.
            direction: "a2g" generates the street view from the aerial one, "g2a" the reverse.
            with_grey: add `grey` `[h, w]` uint8, the label panel's own values.

        Raises:
            UserError: the folder is missing or empty.
        """
        folder = Path(data_dir) / split
        if split == "val" and not folder.is_dir():
            folder = Path(data_dir) / "test"
        self.classes: ClassTable = builtin_classes("groups")
        self.panel_of, self.with_grey = _PANEL_OF[direction], with_grey
        self.keys = frozenset(self.panel_of) | ({"grey"} if with_grey else set())
        self.files = list_files(folder, (".png", ".jpg", ".jpeg"))
        self.names = tuple(self.files)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.names)

    def load(self, index: int) -> Sample:
        """Sample `index`, its maps of the size of a panel: see `lggan_tf.data.sample.Source`.

        Raises:
            UserError: the file is broken or its width is no multiple of six.
        """
        path = self.files[self.names[index]]
        picture = read_photo(path)
        height, width = picture.shape[:2]
        if width % _PANELS:
            raise UserError(
                f"{path} is {width} pixels wide, which is not a multiple of {_PANELS}; "
                "a file holds six panels of equal width side by side"
            )
        panels = picture.reshape(height, _PANELS, width // _PANELS, 3)
        sample = {key: panels[:, panel].copy() for key, panel in self.panel_of.items()}
        grey = sample["labels"][..., 0]
        sample["labels"] = groups_of(grey, self.classes)
        return sample | ({"grey": grey} if self.with_grey else {})


def groups_of(grey: np.ndarray, classes: ClassTable) -> np.ndarray:
    """Group ids, uint8 of the shape of `grey`, of the grey values of a label panel (uint8)."""
    tens = (np.arange(256) + 5) // 10
    is_group = (tens >= 1) & (tens <= classes.num_local)
    table = np.where(is_group, tens - 1, classes.void_ids[0]).astype(np.uint8)
    return table[grey]


def exact_groups(classes: ClassTable) -> np.ndarray:
    """Grey value -> group id, uint8 `[256]`: 10 (g + 1) is group g, everything else void."""
    table = np.full(256, classes.void_ids[0], np.uint8)
    table[10 * (1 + np.arange(classes.num_local))] = np.arange(classes.num_local)
    return table
