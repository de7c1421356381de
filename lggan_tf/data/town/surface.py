"""What a texture is asked and what it answers."""

from typing import NamedTuple

import numpy as np

from lggan_tf.data.town.palette import linear


class Hits(NamedTuple):
    """Points to be painted: `points`, `normals` and unit view `rays` `[3, n]`, the rest `[n]`.

    `owner` is the position of the thing in its tuple of the layout, `footprint` the metres a pixel
    covers.
    """

    points: np.ndarray
    normals: np.ndarray
    rays: np.ndarray
    owner: np.ndarray
    footprint: np.ndarray


class Surface(NamedTuple):
    """Paint of points: linear `albedo` and `glow` `[3, n]`, share of reflected sky `mirror` `[n]`.

    `labels` `[n]` replaces the class of the part and `normals` `[3, n]` bends the light; or None.
    """

    albedo: np.ndarray
    mirror: np.ndarray | None = None
    glow: np.ndarray | None = None
    labels: np.ndarray | None = None
    normals: np.ndarray | None = None


def fade(period: float, footprint: np.ndarray) -> np.ndarray:
    """How much of a pattern of that period in metres to show: 1 near, 0 where it would flicker."""
    return np.clip((period / footprint - 1.0) * 0.5, 0.0, 1.0)


def paints(things: tuple, name: str, owner: np.ndarray) -> np.ndarray:
    """The linear colour `name` of each point's owner, `[3, n]`; black where a thing has none."""
    table = linear(np.array([getattr(thing, name) or (0, 0, 0) for thing in things], np.float32))
    return table[:, owner]


def numbers(things: tuple, name: str, owner: np.ndarray) -> np.ndarray:
    """The number `name` of each point's owner, float32 `[n]`."""
    return np.array([getattr(thing, name) for thing in things], np.float32)[owner]


def mix(albedo: np.ndarray, colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Lays a linear colour over the albedo with an opacity of `share` `[n]`."""
    share = share.astype(np.float32)
    return albedo * (1 - share) + colour * share


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products of vectors `[3, n]`; spelt out, as a BLAS may sum otherwise elsewhere."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors `[3, n]` at length 1."""
    return vectors / np.sqrt(dot(vectors, vectors))
