"""The ground: which class lies where, and asphalt, paint, slabs and grass."""

import numpy as np

from lggan_tf.data.town import noise, palette
from lggan_tf.data.town.palette import linear
from lggan_tf.data.town.surface import Hits, Surface, fade, mix
from lggan_tf.data.town.things import Layout, Street

_CORNER = 2.6  # radius of the kerb at a street corner, metres
_KERB = 0.16
_SLABS = {"grey": (162, 160, 156), "warm": (188, 172, 148), "red": (172, 128, 112)}


def kerb_distance(street: Street, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance from the kerb in metres, negative on the road."""
    main = np.abs(x) - street.half_width
    if street.side_y is None:
        return main
    side = np.abs(y - street.side_y) - street.side_half
    closed = ((x > 0) & (not street.side_right)) | ((x < 0) & (not street.side_left))
    side = np.where(closed, np.float32(1e3), side)
    corner = (main > 0) & (side > 0) & (main < _CORNER) & (side < _CORNER)
    rounded = _CORNER - np.hypot(_CORNER - main, _CORNER - side)
    return np.where(corner, rounded, np.minimum(main, side))


def _markings(street: Street, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where paint lies on the road."""
    half, away = street.half_width, np.abs(x)
    dashes = np.mod(y, 6.0) < 3.0
    if street.centre_line == "double":
        main = np.abs(away - 0.16) < 0.07
    else:
        main = (away < 0.09) & (dashes | (street.centre_line == "solid"))
    if street.edge_line:
        main |= (np.abs(half - 0.35 - away) < 0.07) & (away < half)
    for side, parked in zip((-1, 1), street.parking, strict=True):
        if parked:
            line = half - 2.15
            bay = (np.mod(y, 6.0) < 0.14) & (away > line)
            main |= (x * side > 0) & (bay | ((np.abs(away - line) < 0.06) & dashes))
    main &= away < half - 0.15
    if street.side_y is not None:
        from_axis = np.abs(y - street.side_y)
        mouth = from_axis < street.side_half + _CORNER * 0.8
        main &= ~mouth
        side_lines = (from_axis < 0.08) & (np.mod(x, 6.0) < 3.0) & (away > half + 3.5)
        give_way = (np.abs(away - half - 0.5) < 0.2) & (np.mod(y, 0.9) < 0.5)
        main |= (side_lines | give_way) & (from_axis < street.side_half - 0.2) & (away > half)
    for zebra in street.zebra_y:
        from_zebra = np.abs(y - zebra)
        stripes = (np.mod(x + half, 1.1) < 0.55) & (from_zebra < 1.55) & (away < half - 0.2)
        main = np.where(from_zebra < 3.4, stripes, main)
        stop = (np.abs(y - zebra + 2.5) < 0.2) & (x > 0.3) & (x < half - 0.3)
        stop |= (np.abs(y - zebra - 2.5) < 0.2) & (x < -0.3) & (x > 0.3 - half)
        main |= stop
        lane = (half - (2.2 if street.parking[1] else 0.0)) * 0.5
        behind = zebra - 4.2 - y  # an arrow that points ahead, in the right lane
        head = (behind > 0) & (behind < 1.1) & (np.abs(x - lane) < behind * 0.36)
        main |= head | ((behind >= 1.1) & (behind < 3.2) & (np.abs(x - lane) < 0.11))
    return main


def classify(street: Street, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class ids (uint8) of the ground at (x, y), and the signed distance from the kerb."""
    kerb = kerb_distance(street, x, y)
    labels = np.full(x.shape, palette.PAVEMENT, np.uint8)
    inner, outer = street.verge, street.verge + street.pavement
    crossing = np.zeros(x.shape, bool)
    for zebra in street.zebra_y:
        crossing |= np.abs(y - zebra) < 1.9
    labels[(kerb > _KERB) & (kerb < inner) & ~crossing] = palette.GRASS
    path = (np.mod(y + 1.3, 8.7) < 1.4) & (kerb < outer + street.garden + 1.0)
    yard = (kerb > outer) & ~path
    paved_yards = street.garden == 0.0
    if paved_yards:  # the passages between town houses; their back yards are green all the same
        yard &= kerb > outer + 13.0
    labels[yard] = palette.GRASS
    labels[kerb < 0] = palette.ROAD
    labels[(kerb < 0) & _markings(street, x, y)] = palette.MARKING
    return labels, kerb


def _asphalt(street: Street, x: np.ndarray, y: np.ndarray, size: np.ndarray) -> np.ndarray:
    base = linear((104, 104, 108)) * np.float32(street.asphalt)
    tone = 1.0 + 0.20 * noise.grain(x, y, 0.035, 0.2, 21) * fade(0.1, size)
    tone += 0.09 * noise.smooth(x, y, 0.35, 1.4, 22)
    lane = street.half_width * 0.5
    track = np.abs(np.abs(np.abs(x) - lane) - 0.75)
    tone -= 0.12 * np.clip(1.0 - track / 0.4, 0.0, 1.0) * (np.abs(x) < street.half_width)
    patch = noise.cell(np.floor(x / 2.3), np.floor(y / 5.1), 5) < 0.07
    tone -= 0.2 * patch
    crack = np.abs(noise.smooth(x, y, 0.11, 1.7, 24))
    tone -= 0.35 * np.clip(1.0 - crack / 0.035, 0.0, 1.0) * fade(0.12, size) * street.dryness
    # Manhole covers: at most one in a cell of the road.
    i, j = np.floor(x / 2.6), np.floor(y / 9.0)
    centre_x, centre_y = (i + 0.5) * 2.6, (j + 0.2 + 0.6 * noise.cell(i, j, 8)) * 9.0
    radius = np.hypot(x - centre_x, y - centre_y)
    cover = (radius < 0.36) & (noise.cell(i, j, 9) < 0.3)
    tone = np.where(cover, 0.55 + 0.25 * (np.mod(radius, 0.12) < 0.06), tone)
    return base * np.clip(tone, 0.3, 2.0)


def _paving(
    street: Street, x: np.ndarray, y: np.ndarray, kerb: np.ndarray, size: np.ndarray
) -> np.ndarray:
    slab = {"grey": 0.75, "warm": 0.6, "red": 0.5}[street.slabs]
    row = np.floor(y / slab)
    shift = np.mod(row, 2.0) * (0.5 if street.slabs != "grey" else 0.0)
    column = np.floor(x / slab + shift)
    tone = 1.0 + (noise.cell(column, row, 3) - 0.5) * 0.34 * fade(slab * 1.3, size)
    within_x, within_y = x / slab + shift - column, y / slab - row
    joint = (np.minimum(within_x, 1 - within_x) < 0.045) | (
        np.minimum(within_y, 1 - within_y) < 0.045
    )
    tone -= 0.38 * joint * fade(slab * 0.8, size)
    tone += 0.10 * noise.smooth(x, y, 0.2, 1.5, 31) + 0.07 * noise.grain(
        x, y, 0.03, 0.2, 32
    ) * fade(0.1, size)
    albedo = linear(_SLABS[street.slabs]) * np.clip(tone, 0.3, 1.7)
    stone = linear((196, 194, 188)) * (1.0 + 0.06 * noise.grain(x, y, 0.05, 0.4, 33))
    return np.where((kerb < _KERB) & (kerb >= 0), stone, albedo)


def _grass(x: np.ndarray, y: np.ndarray, size: np.ndarray, dryness: float) -> np.ndarray:
    patches = noise.smooth(x, y, 0.25, 1.5, 41)
    share = np.clip(0.20 + 0.25 * patches + 0.4 * (dryness - 0.5), 0.0, 1.0)
    albedo = mix(linear((84, 130, 52)), linear((164, 160, 84)), share)
    blades = noise.grain(x, y * 0.5, 0.03, 0.3, 42) * fade(0.06, size)
    clumps = noise.grain(x, y, 0.09, 0.8, 43) * fade(0.2, size)
    albedo = albedo * np.clip(1.0 + 0.26 * blades + 0.2 * clumps, 0.3, 2.0)
    i, j = np.floor(x / 0.14), np.floor(y / 0.14)
    petals = np.hypot(np.mod(x, 0.14) - 0.07, np.mod(y, 0.14) - 0.07) < 0.035
    flower = petals & (noise.cell(i, j, 4) < 0.07) & (patches > 0.3)
    return mix(albedo, linear((244, 240, 222)), flower * fade(0.1, size))


def paint_ground(layout: Layout, hits: Hits) -> Surface:
    """Paints the ground and says which class it is."""
    street = layout.street
    x, y = hits.points[:2]
    labels, kerb = classify(street, x, y)
    albedo = np.zeros((3, len(x)), np.float32)
    for label, painter in (
        (palette.ROAD, lambda *a: _asphalt(street, a[0], a[1], a[3])),
        (palette.PAVEMENT, lambda *a: _paving(street, *a)),
        (palette.GRASS, lambda *a: _grass(a[0], a[1], a[3], street.dryness)),
    ):
        chosen = labels == label
        if label == palette.ROAD:
            chosen |= labels == palette.MARKING
        chosen = np.flatnonzero(chosen)
        if len(chosen):
            albedo[:, chosen] = painter(x[chosen], y[chosen], kerb[chosen], hits.footprint[chosen])
    painted = labels == palette.MARKING
    worn = 0.84 + 0.12 * noise.grain(x, y, 0.05, 0.7, 51)
    albedo = mix(albedo, linear((236, 234, 226)), painted * np.clip(worn, 0.45, 1.0))
    gutter = np.clip(1.0 + kerb / 0.35, 0.0, 1.0) * (kerb < 0)
    return Surface(albedo * (1.0 - 0.35 * gutter), labels=labels)


def contact_shade(layout: Layout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much of the sky's light reaches the ground beside and below things, `[n]` in 0..1."""
    share = np.ones(x.shape, np.float32)
    order = np.argsort(y, kind="stable")
    y_sorted = y[order]

    def darken(low: tuple, high: tuple, reach: float, depth: float) -> None:
        first, last = np.searchsorted(y_sorted, (low[1] - reach, high[1] + reach))
        chosen = order[first:last]
        if not len(chosen):
            return
        dx = np.maximum(np.maximum(low[0] - x[chosen], x[chosen] - high[0]), 0.0)
        dy = np.maximum(np.maximum(low[1] - y[chosen], y[chosen] - high[1]), 0.0)
        closeness = np.clip(1.0 - np.hypot(dx, dy) / reach, 0.0, 1.0)
        share[chosen] *= 1.0 - depth * closeness * closeness

    for house in layout.buildings:
        darken((house.x0, house.y0), (house.x1, house.y1), 2.2, 0.45)
    for car in layout.cars:
        half_x, half_y = 0.75 + 1.15 * abs(car.fx), 0.75 + 1.15 * abs(car.fy)
        darken((car.x - half_x, car.y - half_y), (car.x + half_x, car.y + half_y), 0.6, 0.8)
    for person in layout.persons:
        darken((person.x - 0.1, person.y - 0.1), (person.x + 0.1, person.y + 0.1), 0.45, 0.5)
    for tree in layout.trees:
        reach = 0.9 + max(blob[3] for blob in tree.blobs)
        darken((tree.x, tree.y), (tree.x, tree.y), reach, 0.4)
    return share
