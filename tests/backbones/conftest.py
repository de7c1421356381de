"""The slow, obvious way to convolve."""

import numpy as np
import pytest


@pytest.fixture
def slow_conv():
    def convolve(x, kernel, stride=1):
        """x [height, width, in], kernel [kh, kw, in, out] -> float64, TensorFlow's "same"."""
        size = kernel.shape[0]
        height, width = (-(-n // stride) for n in x.shape[:2])
        pads = []
        for n, out in zip(x.shape[:2], (height, width), strict=True):
            total = max((out - 1) * stride + size - n, 0)
            pads.append((total // 2, total - total // 2))  # the odd one goes behind
        x = np.pad(x.astype(np.float64), [*pads, (0, 0)])
        y = np.zeros((height, width, kernel.shape[-1]))
        for i in range(height):
            for j in range(width):
                window = x[i * stride : i * stride + size, j * stride : j * stride + size]
                y[i, j] = np.tensordot(window, kernel.astype(np.float64), 3)
        return y

    return convolve
