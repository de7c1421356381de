"""House fronts with their window grids, and roofs."""

import numpy as np

from lggan_tf.data.town import noise, palette
from lggan_tf.data.town.palette import linear
from lggan_tf.data.town.surface import Hits, Surface, dot, fade, mix, numbers, paints
from lggan_tf.data.town.things import Layout


def _courses(
    style: np.ndarray, u: np.ndarray, v: np.ndarray, size: np.ndarray, salt: np.ndarray
) -> np.ndarray:
    """Tone around 1 of the wall's own texture: brick, stone, boards, concrete or plaster."""
    tone = 1.0 + 0.06 * noise.smooth(u + salt * 0.37, v, 0.12, 1.5, 61)
    # Streaks of rain run down; the pattern is stretched along the height.
    tone += 0.05 * noise.smooth(u * 2.0 + salt * 0.11, v * 0.25, 0.15, 1.2, 62)
    for name, high, wide, spread, gap in (
        ("brick", 0.14, 0.42, 0.42, -0.20),
        ("stone", 0.46, 0.95, 0.26, -0.22),
        ("boards", 0.22, 60.0, 0.06, -0.30),
        ("concrete", 1.55, 2.2, 0.09, -0.18),
    ):
        chosen = np.flatnonzero(style == name)
        if not len(chosen):
            continue
        uu, vv, ss = u[chosen], v[chosen], size[chosen]
        row = np.floor(vv / high)
        column = np.floor(uu / wide + 0.5 * np.mod(row, 2.0))
        tone[chosen] += (noise.cell(column, row, 71) - 0.5) * spread * fade(high * 1.6, ss)
        edge = np.mod(vv, high) < 0.14 * min(high, 0.4)
        upright = np.mod(uu / wide + 0.5 * np.mod(row, 2.0), 1.0) * wide < 0.14 * min(high, 0.4)
        tone[chosen] += gap * (edge | (upright & (name != "boards"))) * fade(high * 0.9, ss)
    return tone


def _pane(
    layout: Layout,
    hits: Hits,
    chosen: np.ndarray,
    i: np.ndarray,
    j: np.ndarray,
    across: np.ndarray,
    up: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Albedo, mirror and glow of glass; `across` and `up` run 0..1 over the pane."""
    salt = hits.owner[chosen]
    chance = noise.cell(i, j, salt + 100)
    albedo = linear((44, 50, 58)) * (0.6 + 0.8 * chance)
    curtain = (noise.cell(i, j, salt + 300) < 0.45) & (np.abs(across - 0.5) > 0.27 + 0.08 * chance)
    blind = (noise.cell(i, j, salt + 500) < 0.3) & (up > 0.35 + 0.5 * chance)
    albedo = mix(albedo, linear((214, 204, 186)), (curtain | blind) * 0.55)
    albedo = albedo * (0.75 + 0.35 * (1 - up))
    facing = np.abs(dot(hits.rays[:, chosen], hits.normals[:, chosen]))
    mirror = 0.22 + 0.68 * (1.0 - facing) ** 3
    lit = noise.cell(i, j, salt + 700) < layout.light.lit_share
    warm = np.array([[1.0], [0.62], [0.26]], np.float32)
    strength = (lit * (0.5 + 0.5 * up) * (0.7 + 0.6 * chance)).astype(np.float32)
    return albedo, np.where(lit, mirror * 0.3, mirror), warm * strength * np.float32(0.9)


def _front(layout: Layout, hits: Hits) -> Surface:
    """Walls, windows and doors; the windows get their own class."""
    houses, owner = layout.buildings, hits.owner
    x, y, v = hits.points

    def get(name: str) -> np.ndarray:
        return numbers(houses, name, owner)

    along_y = np.abs(hits.normals[0]) > 0.5
    start = np.where(along_y, get("y0"), get("x0"))
    length = np.where(along_y, get("y1"), get("x1")) - start
    u = np.where(along_y, y, x) - start
    storey, height, salt = get("storey"), get("height"), get("salt") % 991
    style = np.array([house.style for house in houses])[owner]
    albedo = paints(houses, "wall", owner) * _courses(style, u, v, hits.footprint, salt)
    # The foot of a wall is splashed, its top carries a cornice, storeys are parted by bands.
    albedo = albedo * (1.0 - 0.35 * np.clip(1.0 - v / 0.5, 0.0, 1.0))
    floor = np.floor(v / storey)
    up = v - floor * storey
    banded = (salt % 3 < 1) & (floor > 0) & (up < 0.16)
    cornice = (v > height - 0.34) & (v < height) & (salt % 2 < 1)
    albedo = mix(albedo, linear((226, 220, 206)), 0.62 * (banded | cornice))
    albedo = albedo * (1.0 - 0.35 * ((v > height - 0.42) & (v <= height - 0.34)))

    bays = np.maximum(np.round(length / get("bay")), 1.0)
    bay = length / bays
    i = np.floor(np.clip(u / bay, 0.0, bays - 0.5))
    aside = (u - (i + 0.5) * bay) / bay  # -0.5..0.5 within the bay
    shop = (get("shop") > 0) & (floor == 0) & along_y
    half = np.where(shop, 0.44, get("window_width") / 2)
    sill, head = np.where(shop, 0.45, get("sill")), np.where(shop, 2.75, get("head"))
    door_bay = np.floor(noise.cell(owner, owner, 17) * bays)
    door = along_y & (floor == 0) & (i == door_bay)
    half, sill, head = (
        np.where(door, 0.52 / bay, half),
        np.where(door, 0.0, sill),
        np.where(door, 2.25, head),
    )
    blank = (get("blank_ends") > 0) & ~along_y
    fits = (floor * storey + head < height - 0.2) & ~blank & (v < height)
    opening = fits & (np.abs(aside) < half) & (up > sill) & (up < head)

    lintel = (
        fits
        & ~opening
        & (np.abs(aside) < half + 0.16 / bay)
        & (up > sill - 0.14)
        & (up < head + 0.14)
    )
    trim = np.where(up < sill, 0.8, 0.45) * fade(0.24, hits.footprint)
    albedo = mix(albedo, linear((230, 224, 212)), lintel * trim)
    below = fits & (np.abs(aside) < half) & (up <= sill - 0.14) & (up > sill - 0.4)
    albedo = albedo * (1.0 - 0.22 * below)

    mirror, glow = np.zeros(len(u), np.float32), np.zeros((3, len(u)), np.float32)
    labels = np.full(len(u), palette.BUILDING, np.uint8)
    chosen = np.flatnonzero(opening & ~door)
    if len(chosen):
        labels[chosen] = palette.WINDOW
        across = aside[chosen] / (2 * half[chosen]) + 0.5
        rise = (up[chosen] - sill[chosen]) / (head[chosen] - sill[chosen])
        glass, shine, light = _pane(layout, hits, chosen, i[chosen], floor[chosen], across, rise)
        wide, high = 2 * half[chosen] * bay[chosen], head[chosen] - sill[chosen]
        rim = np.minimum(np.minimum(across, 1 - across) * wide, np.minimum(rise, 1 - rise) * high)
        bars = np.minimum(
            np.abs(across - 0.5) * wide, np.abs(rise - 0.66) * high + 9.0 * shop[chosen]
        )
        # A frame thinner than a pixel is spread over it, so that far windows keep their brightness.
        frame = np.maximum((rim < 0.09) * 1.0, (bars < 0.04) * 1.0) * fade(
            0.16, hits.footprint[chosen]
        )
        far = 0.22 * (1.0 - fade(0.16, hits.footprint[chosen]))
        share = np.maximum(frame, far)
        reveal = 1.0 - 0.4 * ((1 - rise) * high < 0.22)
        albedo[:, chosen] = mix(glass, paints(houses, "frame", owner[chosen]), share) * reveal
        mirror[chosen], glow[:, chosen] = shine * (1 - share) * reveal, light * (1 - share)
    chosen = np.flatnonzero(opening & door)
    if len(chosen):
        panel = (np.abs(np.abs(aside[chosen] * bay[chosen]) - 0.24) < 0.04) | (
            np.mod(up[chosen], 0.75) < 0.06
        )
        albedo[:, chosen] = paints(houses, "door", owner[chosen]) * (1.0 - 0.35 * panel)
        mirror[chosen] = 0.04
    return Surface(albedo, mirror, glow, labels)


def _roof(layout: Layout, hits: Hits) -> Surface:
    """Tiles on slopes, felt and gravel with a parapet on flat roofs; roof lights are windows."""
    houses, owner = layout.buildings, hits.owner
    x, y, z = hits.points
    x0, x1, y0, y1 = (numbers(houses, name, owner) for name in ("x0", "x1", "y0", "y1"))
    size = hits.footprint
    flat = hits.normals[2] > 0.99
    albedo = paints(houses, "roof_colour", owner)
    tone = 1.0 + 0.07 * noise.smooth(x, y, 0.3, 1.4, 81)
    slope_y = np.abs(hits.normals[1]) > np.abs(hits.normals[0])
    down, along = np.where(slope_y, y, x), np.where(slope_y, x, y)
    row = np.floor(down / 0.34)
    tile = noise.cell(np.floor(along / 0.4 + 0.5 * np.mod(row, 2.0)), row, 83)
    course = -0.22 * (np.mod(down, 0.34) < 0.08) * fade(0.3, size)
    # Broad bands stand in for the courses where those are finer than a pixel.
    broad = 0.10 * (np.mod(down, 1.36) < 0.68) * (1.0 - fade(0.5, size))
    tone += np.where(flat, 0.0, (tile - 0.5) * 0.34 * fade(0.5, size) + course + broad)
    tone += np.where(flat, 0.10 * noise.grain(x, y, 0.06, 0.5, 84) * fade(0.15, size), 0.0)
    seam = (np.mod(x, 2.4) < 0.09) & flat
    tone -= 0.15 * seam * fade(0.25, size)
    albedo = albedo * tone
    edge = np.minimum(np.minimum(x - x0, x1 - x), np.minimum(y - y0, y1 - y))
    parapet = flat & (edge < 0.42)
    albedo = mix(albedo, linear((214, 210, 202)), parapet * 0.8)
    albedo = albedo * (1.0 - 0.4 * (flat & (edge >= 0.42) & (edge < 0.62)))
    ridge = ~flat & (np.abs(x - (x0 + x1) / 2) < 0.2) & ~slope_y
    albedo = albedo * (1.0 + 0.25 * ridge)

    # Roof lights: a sparse grid, bigger on flat roofs.
    pitch_x, pitch_y = np.where(flat, 3.4, 2.9), np.where(flat, 3.6, 3.1)
    i, j = np.floor((x - x0) / pitch_x), np.floor((y - y0) / pitch_y)
    dx, dy = np.mod(x - x0, pitch_x) - pitch_x / 2, np.mod(y - y0, pitch_y) - pitch_y / 2
    half_x, half_y = np.where(flat, 0.75, 0.55), np.where(flat, 0.95, 0.42)
    there = noise.cell(i, j, owner + 900) < np.where(flat, 0.22, 0.26)
    to_x, to_y = np.minimum(x - x0, x1 - x), np.minimum(y - y0, y1 - y)
    clear = (edge > 1.0) & ~slope_y & (flat | (np.abs(to_x - to_y) > 1.0))
    inside = there & (np.abs(dx) < half_x) & (np.abs(dy) < half_y) & clear
    rim = np.minimum(half_x - np.abs(dx), half_y - np.abs(dy))
    frame = (rim < 0.09) & inside
    albedo = mix(albedo, linear((66, 78, 92)), inside * 1.0)
    albedo = mix(albedo, linear((206, 206, 204)), frame * fade(0.16, size))
    lit = inside & (noise.cell(i, j, owner + 950) < layout.light.lit_share)
    glow = lit * np.array([[0.8], [0.5], [0.22]], np.float32)
    labels = np.where(inside, palette.WINDOW, palette.BUILDING).astype(np.uint8)
    mirror = np.where(inside & ~frame & ~lit, 0.45, 0.0).astype(np.float32)
    return Surface(albedo, mirror, glow, labels)


def paint_house(layout: Layout, hits: Hits) -> Surface:
    """Paints the walls and the roof of houses and marks the windows."""
    roof = hits.normals[2] > 0.1
    count = roof.size
    whole = Surface(
        np.zeros((3, count), np.float32),
        np.zeros(count, np.float32),
        np.zeros((3, count), np.float32),
        np.zeros(count, np.uint8),
    )
    for chosen, painter in ((np.flatnonzero(~roof), _front), (np.flatnonzero(roof), _roof)):
        if len(chosen):
            painted = painter(layout, Hits(*(value[..., chosen] for value in hits)))
            for target, value in zip(whole[:4], painted[:4], strict=True):
                target[..., chosen] = value
    return whole


def paint_chimney(layout: Layout, hits: Hits) -> Surface:
    """Paints chimneys and roof housings like the walls below them, a little darker."""
    tone = 0.8 + 0.1 * noise.grain(hits.points[1], hits.points[2], 0.12, 0.6, 85)
    tone *= np.where(hits.normals[2] > 0.5, 0.7, 1.0)
    return Surface(paints(layout.buildings, "wall", hits.owner) * tone)


def paint_awning(layout: Layout, hits: Hits) -> Surface:
    """Paints awnings in stripes."""
    stripes = np.mod(hits.points[1], 0.8) < 0.4
    visible = fade(0.5, hits.footprint)
    share = np.where(stripes, 1.0, 0.0) * visible + 0.5 * (1.0 - visible)
    return Surface(
        mix(linear((238, 232, 220)), paints(layout.buildings, "awning", hits.owner), share)
    )
