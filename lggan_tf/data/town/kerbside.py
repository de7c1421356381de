"""What stands and walks beside the road: trees, lamps, traffic signs, persons."""

import numpy as np

from lggan_tf.data.town import palette
from lggan_tf.data.town.plants import draw_tree
from lggan_tf.data.town.things import Camera, Lamp, Person, Sign, Street, Tree

_SLOT = 3.1  # one thing per slot of kerb, so that no two things stand in each other
_SIGNS = ("ring", "warning", "parking", "stop", "priority", "direction")


def _choose(rng: np.random.Generator, options: tuple) -> tuple:
    return options[int(rng.integers(len(options)))]


def _draw_sign(rng: np.random.Generator, x: float, y: float) -> Sign:
    kind = _SIGNS[int(rng.integers(len(_SIGNS)))]
    if kind == "direction":
        return Sign(
            x, y, rng.uniform(2.6, 3.0), kind, rng.uniform(0.7, 1.0), rng.uniform(0.4, 0.55), True
        )
    half = rng.uniform(0.40, 0.52)
    return Sign(x, y, rng.uniform(2.25, 2.7), kind, half, half, True)


def draw_kerbside(
    rng: np.random.Generator, street: Street, camera: Camera, season: str
) -> tuple[tuple[Tree, ...], tuple[Lamp, ...], tuple[Sign, ...]]:
    """Draws the trees, lamps and traffic signs along both kerbs."""
    trees: list[Tree] = []
    lamps: list[Lamp] = []
    signs: list[Sign] = []
    paint = _choose(rng, palette.POSTS)
    lamp_height = rng.uniform(5.5, 8.0)
    for side in (-1, 1):
        leafiness = _choose(rng, (0.0, 0.2, 0.4, 0.6))
        size = rng.uniform(0.85, 1.2)
        offset = min(street.verge * 0.5, 1.0) if street.verge else 0.75
        lamp_slot = int(rng.integers(2, 6))
        sign_slots = set(int(k) for k in rng.choice(np.arange(1, 11), 3, replace=False))
        last_tree = -9.0
        for slot in range(0, 40):
            y = 4.0 + slot * _SLOT + rng.uniform(-0.5, 0.5)
            chance, x = rng.random(), side * (street.half_width + offset)
            if street.in_side(side, y, 3.0) or street.near_zebra(y, 1.9):
                continue
            post_x = side * (street.half_width + 0.45)
            if abs(post_x - camera.x) < 0.6 + 0.05 * y and y < 9.0:
                continue  # right in front of the lens
            if slot % 7 == lamp_slot:
                reach = -side * rng.uniform(1.2, 2.0)
                lamps.append(Lamp(post_x, y, lamp_height, reach, paint))
            elif slot in sign_slots:
                signs.append(_draw_sign(rng, side * (street.half_width + 0.6), y))
            elif chance < leafiness and y - last_tree > 4.5 and y > 7.0:
                trees.append(draw_tree(rng, x, y, season, size * rng.uniform(0.85, 1.1)))
                last_tree = y
    return tuple(trees), tuple(lamps), tuple(signs)


def draw_persons(rng: np.random.Generator, street: Street, camera: Camera) -> tuple[Person, ...]:
    """Draws the persons on the pavements and on the crossings."""
    persons: list[Person] = []
    inner = street.half_width + street.verge + 0.9
    outer = street.half_width + street.verge + street.pavement - 0.35
    spots = []
    for _ in range(int(rng.integers(7, 17))):
        side = 1 if rng.random() < 0.5 else -1
        # Squared, so that more of them are near enough to be seen as persons.
        y = 5.5 + 40.0 * rng.random() ** 1.7
        spots.append((side * rng.uniform(inner, outer), y, False))
    for zebra in street.zebra_y:
        for _ in range(int(rng.integers(1, 4))):
            x = rng.uniform(-street.half_width, street.half_width)
            spots.append((x, zebra + rng.uniform(-1, 1), True))
    for x, y, across in spots:
        crowded = any(abs(x - p.x) < 0.5 and abs(y - p.y) < 0.7 for p in persons)
        if crowded or (abs(x - camera.x) < 0.8 and y < 7.0):
            continue
        persons.append(
            Person(
                x=float(x),
                y=float(y),
                across=across,
                height=rng.uniform(1.58, 1.9),
                stride=rng.uniform(0.0, 0.3),
                coat=bool(rng.random() < 0.3),
                top=_choose(rng, palette.CLOTHES),
                legs=_choose(rng, palette.TROUSERS),
                skin=_choose(rng, palette.SKINS),
                hair=_choose(rng, palette.HAIRS),
            )
        )
    return tuple(persons)
