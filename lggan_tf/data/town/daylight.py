"""The light of a place: where the sun stands, the colours of sun and sky, how thick the haze is."""

from typing import NamedTuple

import numpy as np

from lggan_tf.data.town import noise
from lggan_tf.data.town.surface import dot


class Daylight(NamedTuple):
    """Light of one place; colours are linear RGB `[3, 1]`, `sun_direction` points to the sun."""

    kind: str
    sun_direction: np.ndarray
    sun: np.ndarray
    ambient: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    cloud_cover: float
    cloud_shift: tuple[float, float]
    haze_distance: float
    exposure: float
    lit_share: float


# kind: share of places, elevation range in degrees, then linear colours of sun, ambient light,
# zenith and horizon, exposure, share of lit windows
_KINDS = {
    "morning": (
        0.22,
        (17, 27),
        (3.0, 2.25, 1.45),
        (0.50, 0.60, 0.82),
        (0.12, 0.30, 0.66),
        (0.80, 0.72, 0.60),
        0.88,
        0.04,
    ),
    "noon": (
        0.30,
        (40, 60),
        (2.7, 2.55, 2.3),
        (0.52, 0.64, 0.86),
        (0.07, 0.22, 0.60),
        (0.42, 0.60, 0.82),
        0.80,
        0.0,
    ),
    "overcast": (
        0.20,
        (50, 60),
        (0.0, 0.0, 0.0),
        (1.15, 1.21, 1.28),
        (0.52, 0.57, 0.63),
        (0.80, 0.82, 0.84),
        0.95,
        0.08,
    ),
    "evening": (
        0.16,
        (11, 17),
        (3.0, 1.75, 0.80),
        (0.48, 0.50, 0.72),
        (0.16, 0.28, 0.58),
        (1.00, 0.66, 0.38),
        1.0,
        0.12,
    ),
    "dusk": (
        0.12,
        (7, 10),
        (0.9, 0.34, 0.16),
        (0.36, 0.39, 0.58),
        (0.05, 0.09, 0.27),
        (0.72, 0.36, 0.26),
        1.05,
        0.5,
    ),
}


def _column(colour: tuple) -> np.ndarray:
    return np.array(colour, np.float32)[:, None]


def draw_daylight(rng: np.random.Generator) -> Daylight:
    """Draws the light of a place."""
    names = tuple(_KINDS)
    kind = names[int(rng.choice(len(names), p=[_KINDS[name][0] for name in names]))]
    _, elevations, sun, ambient, zenith, horizon, exposure, lit = _KINDS[kind]
    elevation = np.radians(rng.uniform(*elevations))
    # A low sun from the side would leave the whole road in the shade of one row of houses.
    spread = 75 if elevation > np.radians(35) else 42
    azimuth = np.radians(rng.uniform(-spread, spread) + 180.0 * (rng.random() < 0.72))
    direction = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    strength = rng.uniform(0.9, 1.1)
    return Daylight(
        kind=kind,
        sun_direction=direction.astype(np.float32),
        sun=_column(sun) * np.float32(strength),
        ambient=_column(ambient),
        zenith=_column(zenith) * _column(rng.uniform(0.85, 1.15, 3)),
        horizon=_column(horizon),
        cloud_cover=1.0 if kind == "overcast" else float(rng.uniform(0.1, 0.62)),
        cloud_shift=(float(rng.uniform(0, 200)), float(rng.uniform(0, 200))),
        haze_distance=float(rng.uniform(200, 700) * (0.6 if kind == "overcast" else 1.0)),
        exposure=exposure,
        lit_share=lit,
    )


def sky_colour(light: Daylight, direction: np.ndarray, clouds: bool) -> np.ndarray:
    """Linear RGB `[3, n]` of the sky in unit directions `[3, n]`; mirrors leave the clouds out."""
    up = np.clip(direction[2], 0.0, 1.0)
    share = np.minimum(1.08 * up ** np.float32(0.42), 1.0)
    colour = light.horizon * (1 - share) + light.zenith * share
    towards_sun = np.clip(dot(direction, light.sun_direction), 0.0, 1.0)
    if clouds:
        # Clouds lie on a plane overhead; the constant keeps them finite at the horizon.
        reach = 1.0 / (up + 0.16)
        x = direction[0] * reach + np.float32(light.cloud_shift[0])
        y = direction[1] * reach + np.float32(light.cloud_shift[1])
        body = noise.smooth(x, y, 0.035, 1.5, 11)
        threshold = 1.1 - 2.2 * light.cloud_cover
        thick = np.clip((body - threshold) / 1.1, 0.0, 1.0)
        cover = thick * thick * (3 - 2 * thick) * np.clip(up * 9, 0.15, 1.0)
        lit = light.sun * 0.26 + light.ambient * 0.62
        shaded = light.ambient * 0.62 + light.horizon * 0.08
        # The underside of a thick cloud is grey, its thin rim carries the sun.
        rim = np.clip(1.25 - thick * 0.8 + 0.09 * body, 0.0, 1.0)
        if light.kind == "overcast":
            colour = colour * (1 + 0.13 * body * np.clip(up * 4 + 0.3, 0, 1))
        else:
            colour = colour * (1 - cover) + (lit * rim + shaded * (1 - rim)) * cover
    glow = 0.10 * towards_sun**8 + 0.5 * towards_sun**120
    return np.maximum(colour + glow * light.sun, 0.0).astype(np.float32)
