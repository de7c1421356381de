"""Draws what stands where in a place."""

import numpy as np

from lggan_tf.data.town.daylight import draw_daylight
from lggan_tf.data.town.kerbside import draw_kerbside, draw_persons
from lggan_tf.data.town.rows import draw_buildings, draw_gardens
from lggan_tf.data.town.things import Camera, Layout, Street
from lggan_tf.data.town.traffic import draw_cars


def _draw_street(rng: np.random.Generator, character: str) -> Street:
    half_width = rng.uniform(3.4, 5.6)
    parks = half_width > 4.2
    side = rng.random() < 0.55
    left, right = [(True, True), (True, False), (False, True)][int(rng.integers(3))]
    side_y, side_half = rng.uniform(19.0, 38.0), rng.uniform(2.8, 3.8)
    zebras = []
    if side and rng.random() < 0.65:
        zebras.append(side_y - side_half - rng.uniform(3.0, 4.0))
    elif rng.random() < 0.5:
        zebras.append(rng.uniform(8.0, 26.0))
    return Street(
        half_width=half_width,
        verge=rng.uniform(1.3, 2.4)
        if rng.random() < (0.25 if character == "urban" else 0.7)
        else 0.0,
        pavement=rng.uniform(2.0, 3.6),
        garden=0.0 if character == "urban" else rng.uniform(1.5, 5.0),
        parking=(parks and rng.random() < 0.75, parks and rng.random() < 0.75),
        side_y=side_y if side else None,
        side_half=side_half,
        side_left=side and left,
        side_right=side and right,
        zebra_y=tuple(zebras),
        centre_line=("dashed", "dashed", "solid", "double")[int(rng.integers(4))],
        edge_line=bool(rng.random() < 0.45),
        asphalt=rng.uniform(0.8, 1.35),
        slabs=("grey", "warm", "red")[int(rng.integers(3))],
        dryness=rng.random(),
    )


def _draw_camera(rng: np.random.Generator, street: Street) -> Camera:
    # From the left lane to just on the right pavement, as a driver or a walker sees it.
    x = rng.uniform(-0.5 * street.half_width, street.half_width + 0.7)
    return Camera(
        x=x,
        height=rng.uniform(1.55, 3.1),
        focal=rng.uniform(0.74, 0.92),
        shift_x=float(np.clip(x / 22.0, -0.12, 0.2) + rng.uniform(-0.1, 0.1)),
        shift_y=rng.uniform(-0.03, 0.10),
    )


def draw_layout(seed: int, index: int) -> Layout:
    """Draws place `index` of the town `seed`; knows nothing of image sizes.

    Every group of things has a random stream of its own, so that a change to one leaves the others.
    """
    streams = np.random.SeedSequence([seed, index]).spawn(8)
    light, ground, eye, houses, kerb, cars, walkers, gardens = (
        np.random.Generator(np.random.PCG64(stream)) for stream in streams
    )
    character = ("urban", "urban", "residential", "modern")[int(ground.integers(4))]
    season = ("summer", "summer", "summer", "spring", "autumn")[int(ground.integers(5))]
    street = _draw_street(ground, character)
    camera = _draw_camera(eye, street)
    buildings, shop_signs = draw_buildings(houses, street, character)
    kerb_trees, lamps, signs = draw_kerbside(kerb, street, camera, season)
    return Layout(
        light=draw_daylight(light),
        street=street,
        camera=camera,
        buildings=buildings,
        cars=draw_cars(cars, street, camera),
        persons=draw_persons(walkers, street, camera),
        trees=kerb_trees + draw_gardens(gardens, street, buildings, season),
        lamps=lamps,
        signs=signs + shop_signs,
    )
