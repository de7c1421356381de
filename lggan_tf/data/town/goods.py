"""Cars, plants, lamps and signs."""

import numpy as np

from lggan_tf.data.town import noise
from lggan_tf.data.town.palette import linear
from lggan_tf.data.town.scene import car_size
from lggan_tf.data.town.surface import Hits, Surface, dot, fade, mix, numbers, paints, unit
from lggan_tf.data.town.things import Car, Layout

_GLASS = (38, 44, 52)


def _in_car(cars: tuple[Car, ...], hits: Hits) -> tuple[np.ndarray, ...]:
    """Place along and across each point's car in metres, its normal along it, its dimensions."""
    owner = hits.owner
    fx, fy = numbers(cars, "fx", owner), numbers(cars, "fy", owner)
    x, y = hits.points[0] - numbers(cars, "x", owner), hits.points[1] - numbers(cars, "y", owner)
    sizes = np.array([car_size(car.shape)[:4] for car in cars], np.float32).T[:, owner]
    ahead = hits.normals[0] * fx + hits.normals[1] * fy
    return x * fx + y * fy, x * fy - y * fx, ahead, sizes


def paint_body(layout: Layout, hits: Hits) -> Surface:
    """Paints the lower body: doors, bumpers, lamps, plates, wheel arches."""
    along, across, ahead, sizes = _in_car(layout.cars, hits)
    z, size = hits.points[2], hits.footprint
    length, belt = sizes[0], sizes[2]
    albedo = paints(layout.cars, "paint", hits.owner)
    sides = (np.abs(ahead) < 0.4) & (hits.normals[2] < 0.5)
    ends = np.abs(ahead) > 0.75
    arch = sides & (np.hypot(np.abs(along) - 0.62 * length, z - 0.33) < 0.43)
    seam = sides & ((np.abs(along - 0.45) < 0.025) | (np.abs(along + 0.55) < 0.025)) & (z > 0.35)
    albedo = mix(albedo, linear((18, 18, 20)), arch * 0.95)
    albedo = albedo * (1.0 - 0.5 * seam * fade(0.06, size))
    sill = (z < 0.36) & (sides | ends)
    albedo = mix(albedo, linear((34, 34, 36)), sill * 0.85)
    front, rear, aside = ends & (ahead > 0), ends & (ahead < 0), np.abs(across)
    width = sizes[1]
    grille = front & (aside < 0.45 * width) & (z > 0.42) & (z < 0.62)
    lamp = front & (aside > 0.55 * width) & (z > belt - 0.36) & (z < belt - 0.17)
    tail = rear & (aside > 0.66 * width) & (z > belt - 0.36) & (z < belt - 0.06)
    plate = ends & (aside < 0.26) & (np.abs(z - np.where(front, 0.38, 0.58)) < 0.065)
    boot = rear & (np.abs(z - belt + 0.42) < 0.02)
    albedo = mix(albedo, linear((22, 22, 24)), grille * 0.9)
    albedo = mix(albedo, linear((236, 238, 240)), lamp * 0.95)
    albedo = mix(albedo, linear((196, 18, 22)), tail * 0.95)
    albedo = mix(albedo, linear((240, 236, 214)), plate * 1.0)
    albedo = albedo * (1.0 - 0.4 * boot * fade(0.06, size))
    at_night = 1.0 if layout.light.kind == "dusk" else 0.15
    glow = lamp * np.array([[1.6], [1.5], [1.25]], np.float32) * np.float32(at_night)
    glow = glow + tail * np.array([[0.9], [0.03], [0.03]], np.float32) * np.float32(at_night)
    dull = arch | sill | grille | plate
    facing = np.abs(dot(hits.rays, hits.normals))
    mirror = np.where(dull, 0.0, 0.10 + 0.35 * (1.0 - facing) ** 3)
    return Surface(albedo, mirror.astype(np.float32), glow.astype(np.float32))


def paint_cabin(layout: Layout, hits: Hits) -> Surface:
    """Paints the cabin: glass between painted pillars under a painted roof."""
    along, across, ahead, sizes = _in_car(layout.cars, hits)
    z = hits.points[2]
    belt, roof, width = sizes[2], sizes[3], sizes[1]
    rise = (z - belt) / (roof - belt)
    top = hits.normals[2] > 0.95
    ends = np.abs(ahead) > 0.4
    van = np.array([car.shape == "van" for car in layout.cars])[hits.owner]
    edge = width - 0.03 - 0.26 * (z - belt)  # half width of the cabin at this height
    pane = (rise > 0.08) & (rise < 0.88) & ~top
    pane &= np.where(ends, np.abs(across) < edge - 0.07, np.abs(along + 0.35) > 0.05)
    pane &= ~(van & ~ends & (along < 0.6)) & ~(van & (ahead < -0.4) & (rise < 0.4))
    albedo = paints(layout.cars, "paint", hits.owner)
    # Seats and heads show as darker and lighter blots behind the glass.
    seats = 0.8 + 0.5 * (np.mod(across, 0.7) < 0.32) * (rise < 0.5)
    albedo = np.where(pane, linear(_GLASS) * seats, albedo)
    facing = np.abs(dot(hits.rays, hits.normals))
    mirror = np.where(pane, 0.28, 0.10) + 0.4 * (1.0 - facing) ** 3
    return Surface(albedo, mirror.astype(np.float32))


def paint_wheel(layout: Layout, hits: Hits) -> Surface:
    """Paints tyres with bright rims."""
    along, _, _, sizes = _in_car(layout.cars, hits)
    radius = np.hypot(np.abs(along) - 0.62 * sizes[0], hits.points[2] - 0.33)
    rim = (radius < 0.2) * np.float32(0.9)
    return Surface(mix(linear((26, 26, 28)), linear((168, 170, 174)), rim))


def paint_leaf(layout: Layout, hits: Hits) -> Surface:
    """Paints foliage: bright and dark leaves, light that seeps through, shade inside the crown."""
    x, y, z = hits.points
    salt = numbers(layout.trees, "salt", hits.owner) % 97
    size = hits.footprint
    fine = noise.grain(x + 0.6 * z + salt, y + 1.1 * z, 0.06, 0.4, 91) * fade(0.14, size)
    clump = noise.smooth(x + 0.8 * z + salt, y + 0.9 * z, 0.13, 1.0, 92)
    tone = 1.0 + 0.28 * fine + 0.22 * clump
    albedo = paints(layout.trees, "leaf", hits.owner) * np.clip(tone, 0.25, 2.2)
    yellow = np.clip(0.15 * clump + 0.1 * fine, 0.0, 0.4)
    albedo = mix(albedo, linear((186, 190, 84)), yellow)
    normals = hits.normals + np.stack((fine, clump, 0.5 * fine + 0.35)) * np.float32(0.35)
    return Surface(albedo * np.float32(1.15), normals=unit(normals))


def paint_trunk(layout: Layout, hits: Hits) -> Surface:
    """Paints bark."""
    x, y, z = hits.points
    tone = 1.0 + 0.3 * noise.grain((x + y) * 3.0, z * 0.5, 0.05, 0.7, 93) * fade(
        0.1, hits.footprint
    )
    return Surface(linear((104, 84, 66)) * np.clip(tone, 0.3, 2.0))


def _post_paint(layout: Layout, owner: np.ndarray) -> np.ndarray:
    colours = [lamp.paint for lamp in layout.lamps] + [(148, 150, 152)] * len(layout.signs)
    return linear(colours)[:, owner]


def paint_post(layout: Layout, hits: Hits) -> Surface:
    """Paints posts; a square post is lit like a round one."""
    centres = [lamp.x for lamp in layout.lamps] + [sign.x for sign in layout.signs]
    half = [0.09] * len(layout.lamps) + [0.055] * len(layout.signs)
    bend = np.clip(
        (hits.points[0] - np.array(centres, np.float32)[hits.owner])
        / np.array(half, np.float32)[hits.owner],
        -0.9,
        0.9,
    )
    normals = hits.normals.copy()
    seen = normals[1] < -0.9
    normals[0, seen] = bend[seen]
    normals[1, seen] = -np.sqrt(1.0 - bend[seen] ** 2)
    return Surface(_post_paint(layout, hits.owner), normals=normals)


def paint_lantern(layout: Layout, hits: Hits) -> Surface:
    """Paints lamp heads; they burn at dusk and a little under a grey sky."""
    below = hits.normals[2] < -0.5
    burning = {"dusk": 2.2, "evening": 0.4}.get(layout.light.kind, 0.0)
    front = np.where(below, 1.0, 0.35 * (hits.normals[2] < 0.5))
    glow = front * np.array([[1.0], [0.76], [0.42]], np.float32) * np.float32(burning)
    return Surface(_post_paint(layout, hits.owner) * 1.2, glow=glow.astype(np.float32))


def paint_fascia(layout: Layout, hits: Hits) -> Surface:
    """Paints the board over a shop window, with strokes for a name."""
    houses, owner = layout.buildings, hits.owner
    y, z = hits.points[1], hits.points[2]
    middle = (numbers(houses, "y0", owner) + numbers(houses, "y1", owner)) / 2
    stroke = noise.cell(np.floor(y / 0.13), np.floor(z / 0.16), owner) < 0.62
    name = (
        (np.abs(y - middle) < 1.9) & (np.abs(z - 3.225) < 0.16) & (np.mod(y, 0.42) > 0.09) & stroke
    )
    albedo = paints(houses, "fascia", owner) * (1.0 - 0.3 * (np.abs(z - 3.225) > 0.24))
    lit = np.float32(0.35 if layout.light.lit_share > 0.3 else 0.0)
    glow = name * np.array([[1.0], [0.9], [0.65]], np.float32) * lit
    return Surface(mix(albedo, linear((244, 236, 212)), name * 0.95), glow=glow.astype(np.float32))


def paint_sign(layout: Layout, hits: Hits) -> Surface:
    """Paints boards by their kind; backs are grey."""
    signs, owner = layout.signs, hits.owner
    a = (hits.points[0] - numbers(signs, "x", owner)) / numbers(signs, "half_width", owner)
    b = (hits.points[2] - numbers(signs, "z", owner)) / numbers(signs, "half_height", owner)
    kinds = np.array([sign.kind for sign in signs])[owner]
    radius, lozenge = np.hypot(a, b), np.abs(a) + np.abs(b)
    white, red, blue = linear((242, 242, 238)), linear((206, 26, 34)), linear((24, 84, 180))
    black, yellow, green = linear((24, 24, 26)), linear((248, 194, 28)), linear((16, 112, 72))
    side, high, level = np.abs(a), np.abs(b), np.mod(a + 2.0, 0.36)
    bars = (high < 0.32) & (np.abs(side - 0.24) < 0.13)
    rim = (b < -0.36) | (side * 1.73 + b > 0.62)
    stem = (np.abs(a + 0.22) < 0.13) & (high < 0.66)
    bow = (np.abs(np.hypot(a - 0.02, b - 0.28) - 0.28) < 0.12) & (a > -0.2)
    word = (high < 0.24) & (side < 0.72) & (level < 0.25)
    lines = (np.abs(high - 0.36) < 0.13) & (np.abs(a + 0.12) < 0.6) & (np.mod(a + 2.0, 0.22) < 0.17)
    # The ground colour of each kind, then what is laid over it.
    plates = {
        "ring": (white, (red, radius > 0.68), (black, bars)),
        "warning": (white, (red, rim), (black, (side < 0.1) & (high < 0.32))),
        "parking": (blue, (white, stem | bow)),
        "stop": (red, (white, word | (radius > 0.97))),
        "priority": (white, (yellow, lozenge < 0.78), (black, lozenge > 1.0)),
        "direction": (green, (white, lines | (side > 0.94) | (high > 0.88))),
        "blade": (yellow, (red, radius < 0.62), (white, (high < 0.14) & (side < 0.42))),
    }
    albedo = np.zeros((3, len(a)), np.float32)
    for kind, (base, *layers) in plates.items():
        chosen = np.flatnonzero(kinds == kind)
        if len(chosen):
            paint = base
            for colour, where in layers:
                paint = mix(paint, colour, where[chosen] * 1.0)
            albedo[:, chosen] = paint
    back = hits.normals[1] > -0.5
    # Sign plates are retroreflective: they look bright even in the shade.
    return Surface(np.where(back, linear((120, 122, 124)), albedo), glow=albedo * np.float32(0.12))
