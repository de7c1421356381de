"""The rows of houses along the street, the second rows behind them, and their gardens."""

import numpy as np

from lggan_tf.data.town import palette
from lggan_tf.data.town.plants import draw_bush, draw_tree
from lggan_tf.data.town.things import FAR, NEAR, Building, Sign, Street, Tree

_STYLES = {
    "urban": (("brick", 0.3), ("plaster", 0.45), ("stone", 0.25)),
    "residential": (("brick", 0.4), ("plaster", 0.35), ("boards", 0.25)),
    "modern": (("concrete", 0.5), ("plaster", 0.3), ("brick", 0.2)),
}
_STOREYS = {"urban": (3, 6), "residential": (1, 3), "modern": (2, 7)}


def pick(rng: np.random.Generator, options: tuple) -> tuple:
    """One of the options, evenly."""
    return options[int(rng.integers(len(options)))]


def _draw_building(
    rng: np.random.Generator, character: str, box: tuple[float, ...], side: int, blank_ends: bool
) -> Building:
    names, shares = zip(*_STYLES[character], strict=True)
    style = names[int(rng.choice(len(names), p=shares))]
    low, high = _STOREYS[character]
    storeys = int(rng.integers(low, high + 1))
    storey = rng.uniform(2.9, 3.6)
    shop = bool(rng.random() < {"urban": 0.6, "residential": 0.06, "modern": 0.35}[character])
    flat = bool(rng.random() < {"urban": 0.4, "residential": 0.0, "modern": 0.95}[character])
    modern = character == "modern"
    sill = rng.uniform(0.5, 0.8) if modern else rng.uniform(0.75, 1.0)
    return Building(
        *box,
        height=storeys * storey + rng.uniform(0.3, 0.8),
        storey=storey,
        bay=rng.uniform(2.3, 3.4),
        window_width=rng.uniform(0.62, 0.86) if modern else rng.uniform(0.38, 0.58),
        sill=sill,
        head=min(sill + rng.uniform(1.4, 1.8), storey - 0.35),
        style=style,
        wall=pick(rng, palette.WALLS[style]),
        frame=pick(rng, palette.FRAMES),
        door=pick(rng, palette.DOORS),
        roof="flat" if flat else ("gable", "gable", "hip")[int(rng.integers(3))],
        roof_colour=pick(rng, palette.FLAT_ROOFS if flat else palette.TILES),
        pitch=rng.uniform(0.55, 0.95),
        shop=shop,
        awning=pick(rng, palette.AWNINGS) if shop and rng.random() < 0.55 else None,
        fascia=pick(rng, palette.AWNINGS + palette.DOORS) if shop and rng.random() < 0.75 else None,
        blank_ends=blank_ends,
        chimney=bool(rng.random() < 0.65 and not modern),
        street_side=side,
        salt=int(rng.integers(1 << 20)),
    )


def _row(
    rng: np.random.Generator,
    street: Street,
    character: str,
    side: int,
    inner: float,
    front_row: bool,
) -> list[Building]:
    """One row along y; its fronts stand `inner` metres from the axis."""
    row, y = [], NEAR + rng.uniform(0.0, 5.0)
    terrace = character == "urban" and front_row
    margin = street.pavement + street.verge + street.garden * 0.5
    while y < FAR:
        length = rng.uniform(7.0, 15.0) * (1.0 if front_row else 1.3)
        end = y + length
        mouth = street.side_y if (street.side_right if side > 0 else street.side_left) else None
        if mouth is not None:
            low, high = mouth - street.side_half - margin, mouth + street.side_half + margin
            if y < high and end > low:
                end = low  # the house before the corner fills up to it
                if end - y < 5.0:
                    y = max(high, y)
                    continue
        set_back = rng.uniform(0.0, 1.2) if street.garden else pick(rng, (0.0, 0.0, 0.25))
        depth = rng.uniform(8.5, 13.0)
        near_x, far_x = inner + set_back, inner + set_back + depth
        box = (near_x, far_x, y, end) if side > 0 else (-far_x, -near_x, y, end)
        corner = mouth is not None and min(abs(end - low), abs(y - high)) < 1.0
        if front_row or rng.random() < 0.75:
            row.append(_draw_building(rng, character, box, side, terrace and not corner))
        y = end if terrace else end + rng.uniform(1.2, 5.0) * (1.0 if front_row else 1.6)
    return row


def draw_buildings(
    rng: np.random.Generator, street: Street, character: str
) -> tuple[tuple[Building, ...], tuple[Sign, ...]]:
    """Draws the houses and the signs that hang from them over the pavement."""
    houses: list[Building] = []
    signs: list[Sign] = []
    for side in (-1, 1):
        front = _row(rng, street, character, side, street.front, True)
        behind = "residential" if rng.random() < 0.6 else character
        houses += front + _row(
            rng, street, behind, side, street.front + 13.0 + rng.uniform(7, 12), False
        )
        for house in front:
            if house.shop and house.y0 > 3.0 and rng.random() < 0.6:
                face = house.x0 if side > 0 else house.x1
                half = rng.uniform(0.4, 0.6)
                y = house.y0 + rng.uniform(0.6, 2.0)
                signs.append(Sign(face - side * (half + 0.25), y, 3.5, "blade", half, half, False))
    if rng.random() < 0.6:  # something closes the street, as at a T junction
        x = -34.0 + rng.uniform(0, 4)
        while x < 34.0:
            width = rng.uniform(9.0, 16.0)
            box = (x, x + width, FAR + 8.0, FAR + 20.0)
            houses.append(_draw_building(rng, character, box, 0, False))
            x += width + rng.uniform(0.0, 3.0)
    return tuple(houses), tuple(signs)


def _covers(house: Building, x: float, y: float, margin: float) -> bool:
    within_x = house.x0 - margin < x < house.x1 + margin
    return within_x and house.y0 - margin < y < house.y1 + margin


def draw_gardens(
    rng: np.random.Generator, street: Street, houses: tuple[Building, ...], season: str
) -> tuple[Tree, ...]:
    """Draws trees and bushes of front and back gardens, and the wood that ends an open street."""
    plants: list[Tree] = []
    for house in houses:
        if not house.street_side:
            continue
        side = house.street_side
        face, back = (house.x0, house.x1) if side > 0 else (house.x1, house.x0)
        if abs(face) < street.front + 2.0 and street.garden > 1.4:
            y = house.y0 + 0.6
            while y < house.y1:
                if rng.random() < 0.5:
                    x = side * (street.front - rng.uniform(0.5, street.garden - 0.6))
                    plants.append(draw_bush(rng, x, y, season))
                y += rng.uniform(1.2, 3.0)
        for _ in range(int(rng.integers(0, 3))):
            x = back + side * rng.uniform(3.0, 7.5)
            y = rng.uniform(house.y0, house.y1)
            if any(_covers(other, x, y, 1.5) for other in houses):
                continue
            if not (street.side_y is not None and abs(y - street.side_y) < street.side_half + 3.5):
                plants.append(draw_tree(rng, x, y, season, rng.uniform(0.8, 1.2)))
    if not any(house.street_side == 0 for house in houses):
        plants += [
            draw_tree(rng, x + rng.uniform(-2, 2), FAR + rng.uniform(6, 24), season, 1.3)
            for x in np.arange(-36.0, 37.0, 5.5)
        ]
    return tuple(plants)
