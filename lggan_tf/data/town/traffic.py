"""Parked and driving cars."""

import numpy as np

from lggan_tf.data.town import palette
from lggan_tf.data.town.things import Camera, Car, Street

_SHAPES = ("hatch", "hatch", "saloon", "saloon", "suv", "van")


def _draw_car(rng: np.random.Generator, x: float, y: float, fx: float, fy: float) -> Car:
    shape = _SHAPES[int(rng.integers(len(_SHAPES)))]
    paint = palette.PAINTS[int(rng.integers(len(palette.PAINTS)))]
    return Car(float(x), float(y), fx, fy, shape, paint)


def draw_cars(rng: np.random.Generator, street: Street, camera: Camera) -> tuple[Car, ...]:
    """Draws the cars; one drives and parks on the right."""
    cars: list[Car] = []
    for side in (-1, 1):
        ahead = float(side)  # the right side drives away from the camera
        parked = street.parking[side > 0]
        if parked:
            fill = rng.uniform(0.35, 0.9)
            y = rng.uniform(6.0, 9.0)
            x = side * (street.half_width - 1.08)
            while y < 75.0:
                near_mouth = street.in_side(side, y, 6.5) or street.near_zebra(y, 5.0)
                hides_view = abs(x - camera.x) < 1.6 and y < 10.0
                if rng.random() < fill and not near_mouth and not hides_view:
                    cars.append(_draw_car(rng, x + rng.uniform(-0.08, 0.08), y, 0.0, ahead))
                y += rng.uniform(5.3, 6.2)
        lane = side * (street.half_width - (2.2 if parked else 0.0)) * 0.5
        y = rng.uniform(9.0, 26.0)
        while y < 90.0:
            crossing = street.near_zebra(y, 4.0)
            hides_view = abs(lane - camera.x) < 1.6 and y < 12.0
            if abs(lane) > 0.95 and not crossing and not hides_view:
                cars.append(_draw_car(rng, lane + rng.uniform(-0.1, 0.1), y, 0.0, ahead))
            y += rng.uniform(12.0, 45.0)
        open_side = street.side_right if side > 0 else street.side_left
        if street.side_y is not None and open_side and rng.random() < 0.6:
            x = side * (street.half_width + rng.uniform(4.5, 16.0))
            towards = 1.0 if rng.random() < 0.5 else -1.0
            y = street.side_y - towards * street.side_half * 0.5
            cars.append(_draw_car(rng, x, y, towards, 0.0))
    return tuple(cars)
