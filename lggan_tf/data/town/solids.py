"""The two shapes everything is built of, convex solids and ellipsoids, and where rays meet them.

A bundle of rays is six arrays (ox, oy, oz, dx, dy, dz) that broadcast together. A street camera has
one origin, and directions that split into a row and a column part; a plan has one direction; shadow
rays are flat lists. The same few lines serve all three, and cost no more than the bundle needs.
"""

from typing import NamedTuple

import numpy as np

from lggan_tf.data.town import noise

_TINY = np.float32(1e-9)
_FAR = np.float32(1e6)


class Rays(NamedTuple):
    """Origins and directions, float32, broadcastable to one shape."""

    ox: np.ndarray
    oy: np.ndarray
    oz: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    dz: np.ndarray


class Solid:
    """A convex solid: the points p with `normals @ p <= offsets`, inside the box `low`..`high`."""

    def __init__(self, planes: list[tuple[float, ...]], low: tuple, high: tuple):
        """Planes are (nx, ny, nz, offset) with outward normals of any length."""
        table = np.array(planes, np.float64)
        table /= np.linalg.norm(table[:, :3], axis=1, keepdims=True)
        self.normals = table[:, :3].astype(np.float32)
        self.offsets = table[:, 3].astype(np.float32)
        self.low, self.high = np.array(low, np.float32), np.array(high, np.float32)

    def _span(self, rays: Rays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        entry, leave, face = -_FAR, _FAR, np.int8(0)
        for k, (normal, offset) in enumerate(zip(self.normals, self.offsets, strict=True)):
            slope, gap = np.float32(0.0), offset
            for axis in range(3):
                if normal[axis]:
                    slope = slope + normal[axis] * rays[3 + axis]
                    gap = gap - normal[axis] * rays[axis]
            slope = np.where(np.abs(slope) < _TINY, _TINY, slope)
            distance = gap / slope
            inwards = slope < 0
            enters = np.where(inwards, distance, -_FAR)
            face = np.where(enters > entry, np.int8(k), face)
            entry = np.maximum(entry, enters)
            leave = np.minimum(leave, np.where(inwards, _FAR, distance))
        return entry, leave, face

    def hit(self, rays: Rays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entry distance, index of the plane entered, and whether the line of the ray meets it."""
        entry, leave, face = self._span(rays)
        return entry, face, entry < leave

    def shades(self, rays: Rays) -> np.ndarray:
        """Whether rays towards the sun are stopped."""
        entry, leave, _ = self._span(rays)
        return (entry < leave) & (leave > 0.02)


class Box(Solid):
    """A solid with six upright or level sides: answers like `Solid`, in half the arithmetic."""

    def __init__(self, low: tuple, high: tuple):
        """Two opposite corners."""
        planes = []
        for axis in range(3):
            unit = [0.0, 0.0, 0.0]
            unit[axis] = 1.0
            planes += [(-unit[0], -unit[1], -unit[2], -low[axis]), (*unit, high[axis])]
        super().__init__(planes, low, high)

    def _span(self, rays: Rays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        entry, leave, face = -_FAR, _FAR, np.int8(0)
        for axis in range(3):
            step = rays[3 + axis]
            step = np.where(np.abs(step) < _TINY, _TINY, step)
            upwards = step > 0
            first = (self.low[axis] - rays[axis]) / step
            second = (self.high[axis] - rays[axis]) / step
            enters = np.minimum(first, second)
            leave = np.minimum(leave, np.maximum(first, second))
            face = np.where(
                enters > entry, np.where(upwards, np.int8(2 * axis), np.int8(2 * axis + 1)), face
            )
            entry = np.maximum(entry, enters)
        return entry, leave, face


class Ball:
    """An ellipsoid with upright axes; a `ragged` one is a clump of leaves with a torn rim."""

    def __init__(self, centre: tuple, radii: tuple, ragged: bool = False):
        """Centre and half axes in metres."""
        self.centre, self.radii = np.array(centre, np.float32), np.array(radii, np.float32)
        self.low, self.high = self.centre - self.radii, self.centre + self.radii
        self.ragged = ragged

    def _solve(self, rays: Rays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        a, b, c = np.float32(0), np.float32(0), np.float32(-1)
        for axis in range(3):
            start = (rays[axis] - self.centre[axis]) / self.radii[axis]
            step = rays[3 + axis] / self.radii[axis]
            a, b, c = a + step * step, b + start * step, c + start * start
        return a, b, b * b - a * c

    def hit(self, rays: Rays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entry distance, 0, and whether the line of the ray meets the ellipsoid."""
        a, b, root = self._solve(rays)
        met = root > 0
        height = np.sqrt(
            np.maximum(root, 0)
        )  # 0 at the rim, 1 (over the length of the ray) in front
        distance = (-b - height) / a
        if self.ragged:
            x = rays.ox + distance * rays.dx
            y = rays.oy + distance * rays.dy
            z = rays.oz + distance * rays.dz
            leaf = noise.grain(x + 0.7 * z, y + 1.3 * z, 0.09, 0.8, 5)
            met = met & (height / np.sqrt(a) > 0.28 + 0.22 * leaf)
        return distance, np.int8(0), met

    def shades(self, rays: Rays) -> np.ndarray:
        """Whether rays towards the sun are stopped; a ragged clump lets some light through."""
        _, b, root = self._solve(rays)
        met = (root > 0) & (b < 0)
        if self.ragged:
            reach = rays.oz / rays.dz
            x, y = rays.ox - reach * rays.dx, rays.oy - reach * rays.dy
            met &= noise.grain(x, y, 0.16, 0.7, 6) < 0.9
        return met


def box(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> Box:
    """A box from its bounds."""
    return Box((x0, y0, z0), (x1, y1, z1))


def line(low: tuple[float, float], high: tuple[float, float], forward: bool) -> tuple:
    """The line of a profile through two points (along, z), the solid behind (or before) it."""
    rise, run = high[1] - low[1], high[0] - low[0]
    n_along, n_z = (rise, -run) if forward else (-rise, run)
    return n_along, n_z, n_along * low[0] + n_z * low[1]


def prism(
    profile: list[tuple],
    along: tuple[float, float],
    centre: tuple[float, float],
    half: float,
    reach: tuple[float, float, float],
    lean: float = 0.0,
) -> Solid:
    """A convex profile in the plane of `along` (a unit vector on the ground) and z, swept sideways.

    `profile` holds lines (n_along, n_z, offset) from `centre`; `reach` is (half
    length, z low, z high).
    The width is `half` to both sides at z low; `lean` narrows it by that much per metre of height.
    """
    (fx, fy), (cx, cy) = along, centre
    half_length, low, high = reach
    planes = [(a * fx, a * fy, b, offset + a * (fx * cx + fy * cy)) for a, b, offset in profile]
    for turn in (-1, 1):
        sx, sy = turn * fy, -turn * fx
        planes.append((sx, sy, lean, half + lean * low + sx * cx + sy * cy))
    reach_x = abs(fx) * half_length + abs(fy) * half
    reach_y = abs(fy) * half_length + abs(fx) * half
    return Solid(planes, (cx - reach_x, cy - reach_y, low), (cx + reach_x, cy + reach_y, high))
