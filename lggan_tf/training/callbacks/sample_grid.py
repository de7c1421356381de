"""Grids of pictures that show what every branch draws for a fixed batch of held-out samples."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from lggan_tf.data.sample import Source
from lggan_tf.data.transforms import Transform
from lggan_tf.runs.folder import RunFolder, write_atomically

ROWS = 6
GAP = 2  # pixels between pictures


def to_pixels(image) -> np.ndarray:
    """[-1, 1] -> uint8, clipped."""
    return np.clip(np.rint((np.asarray(image, "float32") + 1.0) * 127.5), 0, 255).astype("uint8")


def picture_grid(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Pictures of one size, `[H,W,3]` uint8, in rows on white."""
    height, width, _ = rows[0][0].shape
    count = max(len(row) for row in rows)
    grid = np.full((len(rows) * (height + GAP) - GAP, count * (width + GAP) - GAP, 3), 255, "uint8")
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            top, left = r * (height + GAP), c * (width + GAP)
            grid[top : top + height, left : left + width] = picture
    return grid


class SampleGrid:
    """Draws the fixed batch: [source,] map, I_g, I_l, W_g, W_l, fused image, photo.

    Args:
        source: held-out samples; the rows are spread evenly over it.
        transform: without augmentation.
    """

    def __init__(self, source: Source, transform: Transform):
        count = min(ROWS, len(source))
        indices = [i * len(source) // count for i in range(count)]
        samples = [transform.apply(source.load(i)) for i in indices]
        self.batch = {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}
        self._maps = source.classes.palette[self.batch["labels"]]

    def draw(self, outputs: dict[str, tf.Tensor]) -> np.ndarray:
        """The grid for the generator's outputs on `batch`, uint8."""
        columns = [self.batch["source"]] if "source" in self.batch else []
        columns.append(self._maps)
        for name in ("image_global", "image_local", "weight_global", "weight_local", "image"):
            if name not in outputs:
                continue
            value = np.asarray(outputs[name], "float32")
            if name.startswith("weight"):
                value = np.repeat(value * 2.0 - 1.0, 3, axis=-1)
            columns.append(to_pixels(value))
        columns.append(self.batch["image"])
        return picture_grid([list(row) for row in zip(*columns, strict=True)])

    def save(self, folder: RunFolder, outputs: dict[str, tf.Tensor], step: int) -> np.ndarray:
        """Draws, writes `samples/step_NNNNNN.png` and returns the grid."""
        grid = self.draw(outputs)
        encoded = io.BytesIO()
        Image.fromarray(grid).save(encoded, "PNG")
        write_atomically(folder.samples / f"step_{step:06d}.png", encoded.getvalue())
        return grid
