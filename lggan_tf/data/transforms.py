"""From a full-size sample to what a batch holds: resize, crop, mirror, edges, colours.

All maps of a sample get the same crop window and are mirrored together. In cross-view that is a
convention, not geometry: the source view is another view, and a window of it is not the same piece
of the world. The authors crop all panels alike; mirroring both views alike keeps left and right
consistent.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from lggan_tf.data.classes import ClassTable
from lggan_tf.data.edges import instance_edges
from lggan_tf.data.sample import Sample
from lggan_tf.errors import UserError

_PICTURES = ("image", "source", "colours")
_MAPS = ("labels", "instances")


@dataclass(frozen=True, eq=False)
class Transform:
    """Makes the arrays of a batch of a sample (`lggan_tf.data.sample`).

    Attributes:
        height: of the result, pixels.
        width: of the result, pixels.
        load_height: resize to this height first and then crop to `height`; 0: resize straight to
            it.
        load_width: as `load_height`; both or neither.
        flip: mirror half of the samples, if there is a random generator.
        edges: add `edges` (needs instance maps).
        colours: add `colours`: the sample's own picture or, without one, the palette's.
        palette: uint8 `[num_labels, 3]`, for `colours`.
        grey_table: grey value -> label id, uint8 `[256]`: a sample's `grey` is resized bicubically
            and then looked up, in place of its `labels` (`panel_source.exact_groups`).
    """

    height: int
    width: int
    load_height: int = 0
    load_width: int = 0
    flip: bool = False
    edges: bool = False
    colours: bool = False
    palette: np.ndarray | None = None
    grey_table: np.ndarray | None = None

    def apply(self, sample: Sample, rng: np.random.Generator | None = None) -> Sample:
        """The arrays of a batch, without the batch dimension.

        Args:
            sample: see `lggan_tf.data.sample`; not written to.
            rng: for crop and mirroring; None crops the centre and never mirrors.

        Returns:
            `labels` `[height, width]` in the sample's dtype; where asked for, `edges` `[height,
            width]` uint8 0 or 1 and `colours` `[height, width, 3]` uint8; `source` and `image`,
            likewise `[.., 3]`, where the sample has them.

        Raises:
            UserError: edges are asked for and the sample has no instance map.
        """
        self._check(frozenset(sample))
        loaded = (self.load_height or self.height, self.load_width or self.width)
        top, left, is_mirrored = self._draw(loaded, rng)

        def fit(array: np.ndarray, kind: Image.Resampling) -> np.ndarray:
            window = _resize(array, *loaded, kind)[
                top : top + self.height, left : left + self.width
            ]
            return window[:, ::-1] if is_mirrored else window

        maps = {key: fit(sample[key], Image.Resampling.NEAREST) for key in _MAPS if key in sample}
        pictures = {
            key: fit(sample[key], Image.Resampling.BICUBIC) for key in _PICTURES if key in sample
        }
        if self.grey_table is not None and "grey" in sample:
            maps["labels"] = self.grey_table[fit(sample["grey"], Image.Resampling.BICUBIC)]
        result = {"labels": maps["labels"]}
        if self.edges:
            result["edges"] = instance_edges(maps["instances"])
        if self.colours and "colours" not in pictures:
            pictures["colours"] = self.palette[maps["labels"]]
        if not self.colours:
            pictures.pop("colours", None)
        return {key: np.ascontiguousarray(array) for key, array in (result | pictures).items()}

    def result_spec(
        self, keys: frozenset[str], classes: ClassTable
    ) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Key -> (shape, dtype) of what `apply` returns for samples with these keys.

        Raises:
            UserError: edges are asked for and samples have no instance map.
        """
        self._check(keys)
        byte, plane = np.dtype(np.uint8), (self.height, self.width)
        spec = {"labels": (plane, classes.label_dtype)}
        if self.edges:
            spec["edges"] = (plane, byte)
        for key in _PICTURES:
            if self.colours if key == "colours" else key in keys:
                spec[key] = ((*plane, 3), byte)
        return spec

    def _check(self, keys: frozenset[str]) -> None:
        if self.edges and "instances" not in keys:
            raise UserError(
                "--edges needs instance maps, which this data set does not have; leave it out"
            )
        if self.colours and "colours" not in keys and self.palette is None:
            raise ValueError("colours without colour pictures need a palette")

    def _draw(
        self, loaded: tuple[int, int], rng: np.random.Generator | None
    ) -> tuple[int, int, bool]:
        """Top and left of the crop window, and whether to mirror."""
        spare_rows, spare_columns = loaded[0] - self.height, loaded[1] - self.width
        if rng is None:
            return spare_rows // 2, spare_columns // 2, False
        top, left = int(rng.integers(spare_rows + 1)), int(rng.integers(spare_columns + 1))
        return top, left, self.flip and bool(rng.integers(2))


def _resize(array: np.ndarray, height: int, width: int, kind: Image.Resampling) -> np.ndarray:
    """`array` resized. Nearest takes the pixel under the centre: floor((i + 0.5) * old / new)."""
    if array.shape[:2] == (height, width):
        return array
    # Pillow resizes one channel of 8 or of signed 32 bits.
    carrier = array.astype(np.int32) if array.dtype == np.uint16 else array
    resized = Image.fromarray(carrier).resize((width, height), kind)
    return np.asarray(resized).astype(array.dtype, copy=False)
