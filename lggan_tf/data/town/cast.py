"""Which part each pixel shows, and which of the points shown the sun reaches."""

import numpy as np

from lggan_tf.data.town.scene import Part
from lggan_tf.data.town.solids import Ball, Rays
from lggan_tf.data.town.surface import dot, unit
from lggan_tf.data.town.views import View

NOTHING = -1
_NEAR = 0.3


def bounds(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corners `[parts, 3]`."""
    return np.array([part.shape.low for part in parts]), np.array(
        [part.shape.high for part in parts]
    )


def first_hits(view: View, parts: list[Part]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance (or inf), part (or `NOTHING`) and face of first hits, each `[height, width]`."""
    shape = (view.height, view.width)
    depth = np.full(shape, np.inf, np.float32)
    part_of = np.full(shape, NOTHING, np.int16)
    face_of = np.zeros(shape, np.int8)
    low, high = bounds(parts)
    windows, nearest = view.windows(low, high), view.nearest(low, high)
    # The ground and what is near go first: most of what comes later is then known to be hidden.
    order = np.argsort(nearest, kind="stable")
    visible = (windows[:, 0] < windows[:, 1]) & (windows[:, 2] < windows[:, 3])
    for number in order[visible[order]]:
        r0, r1, c0, c1 = windows[number]
        window = (slice(r0, r1), slice(c0, c1))
        behind = depth[window]
        if nearest[number] > behind.max():
            continue
        distance, face, met = parts[number].shape.hit(view.crop(*window))
        seen = met & (distance > _NEAR) & (distance < behind)
        np.copyto(behind, distance, where=seen)
        np.copyto(part_of[window], np.int16(number), where=seen)
        np.copyto(face_of[window], face, where=seen)
    return depth, part_of, face_of


def normals_at(
    parts: list[Part], points: np.ndarray, part_of: np.ndarray, face_of: np.ndarray
) -> np.ndarray:
    """Outward unit normals `[3, n]` at points `[3, n]` of the given parts and faces."""
    faces = max(len(part.shape.normals) for part in parts if not isinstance(part.shape, Ball))
    table = np.zeros((3, len(parts), faces), np.float32)
    centres, radii = np.zeros((3, len(parts)), np.float32), np.ones((3, len(parts)), np.float32)
    round_part = np.zeros(len(parts), bool)
    for number, part in enumerate(parts):
        if isinstance(part.shape, Ball):
            round_part[number] = True
            centres[:, number], radii[:, number] = part.shape.centre, part.shape.radii
        else:
            table[:, number, : len(part.shape.normals)] = part.shape.normals.T
    normals = table.reshape(3, -1)[:, part_of.astype(np.int32) * faces + face_of]
    round_points = np.flatnonzero(round_part[part_of])
    owner = part_of[round_points]
    normals[:, round_points] = unit(
        (points[:, round_points] - centres[:, owner]) / radii[:, owner] ** 2
    )
    return normals


def sunlit(
    parts: list[Part], points: np.ndarray, normals: np.ndarray, sun: np.ndarray
) -> np.ndarray:
    """Whether the sun in direction `sun` reaches the points `[3, n]`; bool `[n]`.

    A point and all that can shade it fall on one spot of the ground when projected along the sun.
    The points are sorted by that spot once, so that each part looks at a narrow strip of them only.
    """
    lit = dot(normals, sun) > 0.0
    facing = np.flatnonzero(lit)
    if not len(facing):
        return lit
    start = points[:, facing] + normals[:, facing] * np.float32(0.04)
    slant_x, slant_y = sun[0] / sun[2], sun[1] / sun[2]
    across, along = start[0] - start[2] * slant_x, start[1] - start[2] * slant_y
    low = along.min()
    step = np.float32(65000.0) / max(along.max() - low, np.float32(1e-3))
    key = ((along - low) * step).astype(np.uint16)
    order = np.argsort(key, kind="stable")  # a radix sort for 16-bit keys
    key, across, start, facing = key[order], across[order], start[:, order], facing[order]
    shaded = np.zeros(len(facing), bool)
    low_corner, high_corner = bounds(parts)
    spot_x, spot_y = _spots(low_corner, high_corner, slant_x, slant_y)
    keys = ((spot_y - low) * step).clip(-1, 65534)
    firsts = np.searchsorted(key, np.maximum(keys[0], 0).astype(np.uint16), "left")
    lasts = np.searchsorted(key, (keys[1] + 1).astype(np.uint16), "right")
    lasts[keys[1] < 0] = 0
    for number in np.flatnonzero(lasts > firsts):
        if number == 0:  # the ground
            continue
        strip = slice(firsts[number], lasts[number])
        inside = (across[strip] > spot_x[0, number]) & (across[strip] < spot_x[1, number])
        inside &= ~shaded[strip]
        chosen = np.flatnonzero(inside)
        if not len(chosen):
            continue
        chosen += firsts[number]
        stopped = parts[number].shape.shades(Rays(*start[:, chosen], *sun))
        shaded[chosen[stopped]] = True
    lit[facing[shaded]] = False
    return lit


def _spots(
    low: np.ndarray, high: np.ndarray, slant_x: float, slant_y: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds `[2, parts]` in x and in y of boxes projected on the ground along the sun."""
    spots = []
    for axis, slant in ((0, slant_x), (1, slant_y)):
        shift = low[:, 2] * slant, high[:, 2] * slant
        spots.append(
            np.stack((low[:, axis] - np.maximum(*shift), high[:, axis] - np.minimum(*shift)))
        )
    return spots[0], spots[1]
