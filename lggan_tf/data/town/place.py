"""One place of the town, seen along the street and from above."""

from typing import NamedTuple

import numpy as np

from lggan_tf.data.town.layout import draw_layout
from lggan_tf.data.town.render import SAMPLES, take_picture
from lggan_tf.data.town.scene import build_parts
from lggan_tf.data.town.views import aerial_view, street_view
from lggan_tf.errors import UserError


class Place(NamedTuple):
    """One place in two views; the view from above is None where it was not asked for.

    Images are uint8 `[H, W, 3]` RGB. Labels are uint8 `[H, W]`, ids into `TOWN_CLASSES`. Instances
    are uint16 `[H, W]`: 0 for sky, ground and windows, else the number of a building, car, person,
    tree, pole or sign.
    """

    street_image: np.ndarray
    street_labels: np.ndarray
    street_instances: np.ndarray
    aerial_image: np.ndarray | None
    aerial_labels: np.ndarray | None


def draw_place(seed: int, index: int, height: int, width: int, with_aerial: bool = True) -> Place:
    """Draws place `index` of the town `seed` at a size in pixels.

    The result depends on the arguments alone. The size changes the sampling, not the scene: the
    shorter side always spans the same angle (street) or the same 44 metres (aerial), the longer
    side shows more. In a square picture the lower edge of the aerial view lies a metre before the
    street camera, and up is the way that camera looks. Without the view from above it takes half
    the time.

    Raises:
        UserError: if the seed or index is negative, or a side is shorter than 8 pixels.
    """
    if seed < 0 or index < 0:
        raise UserError(
            f"The town has no place with seed {seed} and index {index}: both must be at least 0; "
            "choose numbers from 0 upwards."
        )
    if height < 8 or width < 8:
        raise UserError(
            f"A town picture of {height} x {width} pixels is too small to show anything; "
            "ask for at least 8 x 8."
        )
    layout = draw_layout(seed, index)
    parts = build_parts(layout)
    street = take_picture(
        layout, parts, street_view(layout.camera, height * SAMPLES, width * SAMPLES)
    )
    if not with_aerial:
        return Place(*street, None, None)
    aerial = take_picture(layout, parts, aerial_view(height * SAMPLES, width * SAMPLES))
    return Place(*street, aerial.image, aerial.labels)
