"""Cheap repeatable randomness over the plane: periodic noise tiles and a per-cell hash."""

from functools import cache

import numpy as np

_SIZE = 256  # texels on a side; a power of two, so that wrapping is one bit mask


@cache
def tile(slope: float, salt: int) -> np.ndarray:
    """Periodic noise of spectrum 1/f**slope, float32 `[256, 256]`, mean 0, deviation 1."""
    rng = np.random.Generator(np.random.PCG64([salt, 7919]))
    frequency = np.hypot(np.fft.fftfreq(_SIZE)[:, None], np.fft.rfftfreq(_SIZE)[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((_SIZE, _SIZE))) / frequency**slope
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, s=(_SIZE, _SIZE))
    return (noise / noise.std()).astype(np.float32)


def grain(
    x: np.ndarray, y: np.ndarray, texel: float, slope: float = 0.3, salt: int = 1
) -> np.ndarray:
    """Noise at (x, y) in metres without interpolation: for what is finer than a pixel anyway."""
    scale = np.float32(1.0 / texel)
    column = np.floor(x * scale).astype(np.int32) & (_SIZE - 1)
    row = np.floor(y * scale).astype(np.int32) & (_SIZE - 1)
    return tile(slope, salt).ravel()[row * _SIZE + column]


def smooth(
    x: np.ndarray, y: np.ndarray, texel: float, slope: float = 1.6, salt: int = 2
) -> np.ndarray:
    """Noise at (x, y) in metres, bilinear between texels: for stains, patches and clouds."""
    scale = np.float32(1.0 / texel)
    x, y = x * scale, y * scale
    left, top = np.floor(x), np.floor(y)
    right_share, low_share = x - left, y - top
    column, row = left.astype(np.int32) & (_SIZE - 1), top.astype(np.int32) & (_SIZE - 1)
    next_column, row, next_row = (
        (column + 1) & (_SIZE - 1),
        row * _SIZE,
        ((row + 1) & (_SIZE - 1)) * _SIZE,
    )
    values = tile(slope, salt).ravel()
    upper = values[row + column] * (1 - right_share) + values[row + next_column] * right_share
    lower = (
        values[next_row + column] * (1 - right_share) + values[next_row + next_column] * right_share
    )
    return upper * (1 - low_share) + lower * low_share


def cell(i: np.ndarray, j: np.ndarray, salt: np.ndarray | int = 0) -> np.ndarray:
    """One float32 in [0, 1) per integer cell (i, j): the brightness of a brick, a lit pane."""
    salt = np.asarray(salt, np.int64).astype(np.uint32)
    mixed = np.asarray(i, np.int32).astype(np.uint32) * np.uint32(374761393)
    mixed = mixed + np.asarray(j, np.int32).astype(np.uint32) * np.uint32(668265263)
    mixed = mixed + salt * np.uint32(2246822519)
    mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(1274126177)
    mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(2654435761)
    return ((mixed ^ (mixed >> np.uint32(16))) >> np.uint32(8)).astype(np.float32) * np.float32(
        2.0**-24
    )
