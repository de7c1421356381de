"""The honest baseline: paint every pixel with the mean colour of its class."""

from __future__ import annotations

import numpy as np

from lggan_tf.errors import UserError


class ClassMeanColour:
    """Mean colour of every class over a training set, and images painted with them.

    Among all images that depend on the pixel's class alone, the painted one has the smallest
    squared error on the training set. A generator that does not beat it in PSNR has learnt nothing
    beyond the palette.
    """

    def __init__(self, num_labels: int):
        """Start without any image.

        Args:
            num_labels: labels are 0 .. num_labels - 1; void, if the data has it, is one of them.
        """
        self.num_labels = num_labels
        self._sums = np.zeros((num_labels, 3), np.float64)
        self._counts = np.zeros(num_labels, np.int64)

    def update(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Add a batch of the training set.

        Args:
            images: `[batch, height, width, 3]` uint8.
            labels: `[batch, height, width]` integers.

        Raises:
            ValueError: images are not uint8 or do not go with the labels.
            UserError: a label is outside 0 .. num_labels - 1.
        """
        images, labels = np.asarray(images), self._checked(labels)
        if images.dtype != np.uint8 or images.shape != (*labels.shape, 3):
            raise ValueError(
                f"uint8 images {(*labels.shape, 3)} expected, not {images.dtype} {images.shape}"
            )
        flat = labels.ravel()
        self._counts += np.bincount(flat, minlength=self.num_labels)
        for channel in range(3):
            values = images[..., channel].ravel()
            self._sums[:, channel] += np.bincount(flat, weights=values, minlength=self.num_labels)

    def colours(self) -> np.ndarray:
        """Mean colours `[num_labels, 3]`, float32 in [-1, 1].

        Classes never seen get the mean of all pixels.

        Raises:
            ValueError: there was no `update` yet.
        """
        if not self._counts.any():
            raise ValueError("no image yet: call update first")
        everywhere = self._sums.sum(axis=0) / self._counts.sum()
        seen = self._counts[:, np.newaxis] > 0
        means = np.where(seen, self._sums / np.maximum(self._counts, 1)[:, np.newaxis], everywhere)
        return (means / 127.5 - 1.0).astype(np.float32)

    def paint(self, labels: np.ndarray) -> np.ndarray:
        """Labels `[batch, height, width]` -> images `[batch, height, width, 3]`.

        Float32 in [-1, 1].

        Raises:
            ValueError: there was no `update` yet.
            UserError: a label is outside 0 .. num_labels - 1.
        """
        return self.colours()[self._checked(labels)]

    def _checked(self, labels) -> np.ndarray:
        labels = np.asarray(labels)
        low, high = labels.min(initial=0), labels.max(initial=0)
        if low < 0 or high >= self.num_labels:
            wrong = low if low < 0 else high
            raise UserError(
                f"A label map holds the label {wrong}, but the data set declares labels 0 to "
                f"{self.num_labels - 1}; correct the labels or the table of classes."
            )
        return labels
