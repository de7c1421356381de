"""The slow, obvious ways, in numpy and float64."""

import numpy as np
import pytest


def padded(x, pad, mode):
    sides = [(0, 0), (pad, pad), (pad, pad), (0, 0)]
    return np.pad(x.astype("float64"), sides, "reflect" if mode == "reflect" else "constant")


@pytest.fixture(scope="session")
def slow_convolution():
    def convolve(x, kernel, bias=0.0, stride=1, pad=0, mode="zeros"):
        """x [B,H,W,in], kernel [kh,kw,in,out] -> [B,H',W',out]."""
        x, size = padded(x, pad, mode), kernel.shape[0]
        rows, columns = ((n - size) // stride + 1 for n in x.shape[1:3])
        y = np.zeros((len(x), rows, columns, kernel.shape[-1]))
        for i in range(rows):
            for j in range(columns):
                window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
                y[:, i, j] = np.tensordot(window, kernel.astype("float64"), 3)
        return y + bias

    return convolve


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def randomize():
    """Gives every trainable variable of a layer, biases too, values that can be told apart."""

    def fill(layer, seed=1):
        rng = np.random.default_rng(seed)
        for variable in layer.trainable_variables:
            variable.assign(rng.normal(0, 0.3, variable.shape))

    return fill
