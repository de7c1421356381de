"""Builds the parts of a place: each thing becomes a few solids that carry their material."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from lggan_tf.data.town import palette
from lggan_tf.data.town.solids import Ball, Solid, box, line, prism
from lggan_tf.data.town.things import Building, Car, Lamp, Layout, Person, Sign, Tree


class Material(IntEnum):
    """Who paints a part."""

    GROUND = 0
    HOUSE = 1
    CHIMNEY = 2
    AWNING = 3
    BODY = 4
    CABIN = 5
    WHEEL = 6
    LEAF = 7
    TRUNK = 8
    LEGS = 9
    TOP = 10
    ARM = 11
    HEAD = 12
    POST = 13
    LANTERN = 14
    SIGN = 15
    FASCIA = 16


class Part(NamedTuple):
    """One solid: `owner` is the position of its thing in the layout's tuple of such things."""

    shape: Solid | Ball
    material: Material
    owner: int
    label: int
    instance: int


_GROUND = Part(
    Solid([(0, 0, 1, 0.0)], (-1e4, -1e4, 0.0), (1e4, 1e4, 0.0)), Material.GROUND, 0, palette.ROAD, 0
)

# half length, half width, belt, roof, windscreen (foot, head), rear window (foot, head)
_CARS = {
    "hatch": (2.0, 0.87, 0.90, 1.47, (0.95, 0.30), (-1.92, -1.50)),
    "saloon": (2.28, 0.89, 0.90, 1.43, (0.85, 0.20), (-1.60, -0.95)),
    "suv": (2.2, 0.94, 1.05, 1.74, (0.95, 0.40), (-2.12, -1.85)),
    "van": (2.5, 0.97, 1.12, 2.15, (2.00, 1.45), (-2.46, -2.40)),
}


def car_size(shape: str) -> tuple:
    """The row of dimensions of that kind of car, in metres."""
    return _CARS[shape]


def _car(car: Car) -> list[tuple[Solid | Ball, Material]]:
    length, width, belt, roof, screen, rear = _CARS[car.shape]
    along, centre = (car.fx, car.fy), (car.x, car.y)
    nose = belt - 0.16
    body = [
        (0, -1, -0.2),
        (0, 1, belt),
        line((length, 0.2), (length - 0.06, nose), True),
        line((length - 0.06, nose), (screen[0], belt), True),
        line((-length, 0.2), (-length + 0.05, belt), False),
    ]
    cabin = [
        (0, -1, -belt + 0.02),
        (0, 1, roof),
        line((screen[0], belt), (screen[1], roof), True),
        line((rear[0], belt), (rear[1], roof), False),
    ]
    parts = [
        (prism(body, along, centre, width, (length, 0.2, belt), 0.03), Material.BODY),
        (
            prism(cabin, along, centre, width - 0.03, (length, belt - 0.02, roof), 0.26),
            Material.CABIN,
        ),
    ]
    for a in (-0.62 * length, 0.62 * length):
        for b in (-width + 0.08, width - 0.08):
            x, y = car.x + a * car.fx + b * car.fy, car.y + a * car.fy - b * car.fx
            radii = (
                abs(car.fy) * 0.11 + abs(car.fx) * 0.33,
                abs(car.fx) * 0.11 + abs(car.fy) * 0.33,
                0.33,
            )
            parts.append((Ball((x, y, 0.33), radii), Material.WHEEL))
    return parts


def _roof_lines(house: Building) -> tuple[list[tuple], float]:
    """Planes of the slopes, their ridge along y, and the height of the ridge."""
    half = (house.x1 - house.x0) / 2
    ridge = house.height + half * house.pitch
    planes = [
        (-house.pitch, 0, 1, house.height - house.pitch * house.x0),
        (house.pitch, 0, 1, house.height + house.pitch * house.x1),
    ]
    if house.roof == "hip":
        planes += [
            (0, -house.pitch, 1, house.height - house.pitch * house.y0),
            (0, house.pitch, 1, house.height + house.pitch * house.y1),
        ]
        ridge = min(ridge, house.height + (house.y1 - house.y0) / 2 * house.pitch)
    return planes, ridge


def ridge_height(house: Building) -> float:
    """Height of the highest point of the roof in metres."""
    return house.height if house.roof == "flat" else _roof_lines(house)[1]


def _house(house: Building) -> list[tuple[Solid | Ball, Material]]:
    walls = [(-1, 0, 0, -house.x0), (1, 0, 0, house.x1), (0, -1, 0, -house.y0), (0, 1, 0, house.y1)]
    if house.roof == "flat":
        slopes, top = [(0, 0, 1, house.height)], house.height
    else:
        slopes, top = _roof_lines(house)
    low, high = (house.x0, house.y0, 0.0), (house.x1, house.y1, top)
    parts: list[tuple[Solid | Ball, Material]] = [
        (Solid([*walls, *slopes, (0, 0, -1, 0.0)], low, high), Material.HOUSE)
    ]
    mid_x, side = (house.x0 + house.x1) / 2, house.street_side
    if house.chimney:
        y = house.y0 + (house.y1 - house.y0) * (0.22 + 0.56 * ((house.salt & 15) / 15))
        x = mid_x + side * 0.8
        parts.append(
            (box(x - 0.45, x + 0.45, y - 0.6, y + 0.6, house.height, top + 0.9), Material.CHIMNEY)
        )
    elif house.roof == "flat":  # the housing of a lift or of ventilation
        y = (house.y0 + house.y1) / 2
        x = mid_x + side * 1.5
        parts.append((box(x - 1.3, x + 1.3, y - 1.6, y + 1.6, top, top + 1.5), Material.CHIMNEY))
    if side:
        face, out = (house.x0, -1) if side > 0 else (house.x1, 1)
        if house.awning:
            reach = (0.0, 1.3)
            profile = [
                line((reach[1], 2.55), (reach[0], 3.0), True),
                line((reach[1], 2.25), (reach[0], 2.9), False),
                (1, 0, reach[1]),
                (-1, 0, 0.0),
            ]
            mid_y, half = (house.y0 + house.y1) / 2, (house.y1 - house.y0) / 2 - 0.4
            awning = prism(profile, (float(out), 0.0), (face, mid_y), half, (1.3, 2.25, 3.0))
            parts.append((awning, Material.AWNING))
        if house.fascia:
            x0, x1 = sorted((face, face + out * 0.14))
            parts.append((box(x0, x1, house.y0 + 0.5, house.y1 - 0.5, 2.95, 3.5), Material.FASCIA))
    return parts


def _tree(tree: Tree) -> list[tuple[Solid | Ball, Material]]:
    parts: list[tuple[Solid | Ball, Material]] = []
    if tree.trunk:
        half = 0.13
        top = tree.blobs[0][2]
        parts.append(
            (
                box(tree.x - half, tree.x + half, tree.y - half, tree.y + half, 0.0, top),
                Material.TRUNK,
            )
        )
    for dx, dy, z, radius, up in tree.blobs:
        parts.append(
            (Ball((tree.x + dx, tree.y + dy, z), (radius, radius, up), True), Material.LEAF)
        )
    return parts


def _person(person: Person) -> list[tuple[Solid | Ball, Material]]:
    scale = person.height / 1.75
    fx, fy = (1.0, 0.0) if person.across else (0.0, 1.0)
    parts: list[tuple[Solid | Ball, Material]] = []

    def block(
        along: float,
        aside: float,
        half: tuple[float, float],
        low: float,
        high: float,
        what: Material,
    ):
        x, y = person.x + along * fx + aside * fy, person.y + along * fy - aside * fx
        hx, hy = half[0] * abs(fx) + half[1] * abs(fy), half[0] * abs(fy) + half[1] * abs(fx)
        parts.append((box(x - hx, x + hx, y - hy, y + hy, low * scale, high * scale), what))

    block(person.stride, 0.1, (0.09, 0.085), 0.0, 0.86, Material.LEGS)
    block(-person.stride, -0.1, (0.09, 0.085), 0.0, 0.86, Material.LEGS)
    hem = 0.5 if person.coat else 0.82
    torso = [(0, -1, -hem * scale), (0, 1, 1.47 * scale), (1, 0.05, 0.20), (-1, 0.05, 0.20)]
    wide = 0.22 if person.coat else 0.165
    parts.append(
        (
            prism(
                torso,
                (fx, fy),
                (person.x, person.y),
                wide,
                (0.24, hem * scale, 1.47 * scale),
                0.03 if person.coat else -0.06,
            ),
            Material.TOP,
        )
    )
    block(-person.stride * 0.6, 0.25, (0.07, 0.05), 0.78, 1.42, Material.ARM)
    block(person.stride * 0.6, -0.25, (0.07, 0.05), 0.78, 1.42, Material.ARM)
    parts.append((Ball((person.x, person.y, 1.62 * scale), (0.125, 0.135, 0.165)), Material.HEAD))
    return parts


def _lamp(lamp: Lamp) -> list[tuple[Solid | Ball, Material]]:
    end = lamp.x + lamp.reach
    x0, x1 = sorted((lamp.x, end))
    return [
        (
            box(lamp.x - 0.09, lamp.x + 0.09, lamp.y - 0.09, lamp.y + 0.09, 0.0, lamp.height),
            Material.POST,
        ),
        (box(x0, x1, lamp.y - 0.06, lamp.y + 0.06, lamp.height - 0.14, lamp.height), Material.POST),
        (
            box(
                end - 0.4,
                end + 0.4,
                lamp.y - 0.14,
                lamp.y + 0.14,
                lamp.height - 0.2,
                lamp.height + 0.04,
            ),
            Material.LANTERN,
        ),
    ]


_CORNERS = {"ring": 12, "warning": 3, "stop": 8, "priority": 4}


def _board(sign: Sign) -> Solid:
    a, b = sign.half_width, sign.half_height
    low, high = (sign.x - a, sign.y - 0.03, sign.z - b), (sign.x + a, sign.y + 0.03, sign.z + b)
    if sign.kind not in _CORNERS:
        return box(low[0], high[0], low[1], high[1], low[2], high[2])
    corners = _CORNERS[sign.kind]
    # A triangle stands on a side, a lozenge on a corner, an octagon on a side.
    turn = {3: -np.pi / 2, 4: np.pi / 4, 8: 0.0, 12: 0.0}[corners]
    inner = a * {3: 0.55, 4: 0.74}.get(corners, 1.0)
    planes: list[tuple] = [(0, -1, 0, 0.03 - sign.y), (0, 1, 0, 0.03 + sign.y)]
    for k in range(corners):
        angle = turn + 2 * np.pi * k / corners
        nx, nz = float(np.cos(angle)), float(np.sin(angle))
        planes.append((nx, 0, nz, inner + nx * sign.x + nz * sign.z))
    reach = inner / float(np.cos(np.pi / corners))
    return Solid(
        planes, (sign.x - reach, low[1], sign.z - reach), (sign.x + reach, high[1], sign.z + reach)
    )


def build_parts(layout: Layout) -> list[Part]:
    """All parts of a place, the ground first; instances are numbered from 1 over all things."""
    parts, number = [_GROUND], 0
    groups = (
        (layout.buildings, _house, palette.BUILDING),
        (layout.cars, _car, palette.CAR),
        (layout.persons, _person, palette.PERSON),
        (layout.trees, _tree, palette.TREE),
        (layout.lamps, _lamp, palette.POLE),
    )
    for things, build, label in groups:
        for owner, thing in enumerate(things):
            number += 1
            for shape, material in build(thing):
                if material is Material.FASCIA:  # a thing of its own, though a house carries it
                    continue
                parts.append(Part(shape, material, owner, label, number))
    for owner, house in enumerate(layout.buildings):
        for shape, material in _house(house):
            if material is Material.FASCIA:
                number += 1
                parts.append(Part(shape, material, owner, palette.SIGN, number))
    for owner, sign in enumerate(layout.signs):
        number += 1
        parts.append(Part(_board(sign), Material.SIGN, owner, palette.SIGN, number))
        if sign.post:
            number += 1
            y = sign.y + 0.09
            post = box(sign.x - 0.055, sign.x + 0.055, y - 0.055, y + 0.055, 0.0, sign.z + 0.2)
            parts.append(Part(post, Material.POST, len(layout.lamps) + owner, palette.POLE, number))
    return parts
