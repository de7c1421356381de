"""The two cameras: along the street, and straight down on the same ground."""

from typing import NamedTuple

import numpy as np

from lggan_tf.data.town.solids import Rays
from lggan_tf.data.town.things import Camera

AERIAL_SPAN = 44.0  # metres along the shorter side of the aerial view
AERIAL_CENTRE = (0.0, 1.0 + AERIAL_SPAN / 2)  # its lower edge lies a metre before the street camera
_AERIAL_HEIGHT = 80.0
_NEAR = 0.3


class View(NamedTuple):
    """Rays of a pixel grid: row quantities `[height, 1]`, column quantities `[1, width]`.

    `pixel` is the size of a pixel at distance 1 (street) or anywhere (aerial), in metres.
    """

    rays: Rays
    height: int
    width: int
    pixel: float
    perspective: bool
    origin_column: float
    origin_row: float

    def windows(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Row and column ranges `[n, 4]` in which boxes `low`..`high` `[n, 3]` can appear."""
        rays = self.rays
        if self.perspective:
            near, far = np.maximum(low[:, 1], _NEAR), np.maximum(high[:, 1], _NEAR)
            x0, x1 = low[:, 0] - rays.ox[0, 0], high[:, 0] - rays.ox[0, 0]
            z0, z1 = low[:, 2] - rays.oz[0, 0], high[:, 2] - rays.oz[0, 0]
            left, right = np.minimum(x0 / near, x0 / far), np.maximum(x1 / near, x1 / far)
            bottom, top = np.minimum(z0 / near, z0 / far), np.maximum(z1 / near, z1 / far)
            hidden = high[:, 1] < _NEAR
        else:
            left, right, bottom, top = low[:, 0], high[:, 0], low[:, 1], high[:, 1]
            hidden = np.zeros(len(low), bool)
        # One pixel of margin stands for the rounding.
        columns = np.stack((left, right), axis=1) / self.pixel + self.origin_column
        rows = self.origin_row - np.stack((top, bottom), axis=1) / self.pixel
        columns = (np.floor(columns) + (-1, 2)).clip(0, self.width).astype(int)
        rows = (np.floor(rows) + (-1, 2)).clip(0, self.height).astype(int)
        rows[hidden] = 0
        return np.concatenate((rows, columns), axis=1)

    def nearest(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Lower bound of the distance to boxes `low`..`high` `[n, 3]`."""
        return low[:, 1] if self.perspective else self.rays.oz[0, 0] - high[:, 2]

    def crop(self, rows: slice, columns: slice) -> Rays:
        """The rays of a window."""
        return Rays(*(_part(value, rows, columns) for value in self.rays))


def _part(value: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    if value.shape[0] > 1:
        value = value[rows]
    return value[:, columns] if value.shape[1] > 1 else value


def _constant(value: float) -> np.ndarray:
    return np.full((1, 1), value, np.float32)


def street_view(camera: Camera, height: int, width: int) -> View:
    """A shift-lens camera along y: uprights stay upright, the vanishing point may be off-centre."""
    shorter = min(height, width)
    pixel = 1.0 / (camera.focal * shorter)
    column = width / 2 - camera.shift_x * shorter
    row = height / 2 - camera.shift_y * shorter
    dx = (np.arange(width, dtype=np.float64) + 0.5 - column) * pixel
    dz = (row - np.arange(height, dtype=np.float64) - 0.5) * pixel
    rays = Rays(
        _constant(camera.x),
        _constant(0.0),
        _constant(camera.height),
        dx[None].astype(np.float32),
        _constant(1.0),
        dz[:, None].astype(np.float32),
    )
    return View(rays, height, width, pixel, True, column, row)


def aerial_view(height: int, width: int) -> View:
    """A plan of the ground from the street camera onwards; the way it looks is up."""
    pixel = AERIAL_SPAN / min(height, width)
    column = width / 2 - AERIAL_CENTRE[0] / pixel
    row = height / 2 + AERIAL_CENTRE[1] / pixel
    x = (np.arange(width, dtype=np.float64) + 0.5 - column) * pixel
    y = (row - np.arange(height, dtype=np.float64) - 0.5) * pixel
    rays = Rays(
        x[None].astype(np.float32),
        y[:, None].astype(np.float32),
        _constant(_AERIAL_HEIGHT),
        _constant(0.0),
        _constant(0.0),
        _constant(-1.0),
    )
    return View(rays, height, width, pixel, False, column, row)
