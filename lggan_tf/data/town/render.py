"""Light: turns the first hits of a view into a photo, class ids and instance numbers."""

from typing import NamedTuple

import numpy as np

from lggan_tf.data.town import goods, houses, noise, palette, people
from lggan_tf.data.town.cast import NOTHING, first_hits, normals_at, sunlit
from lggan_tf.data.town.daylight import Daylight, sky_colour
from lggan_tf.data.town.ground import contact_shade, paint_ground
from lggan_tf.data.town.scene import Material, Part
from lggan_tf.data.town.surface import Hits, Surface, dot, mix, unit
from lggan_tf.data.town.things import Layout
from lggan_tf.data.town.views import View

SAMPLES = 2  # samples along each side of a pixel

_PAINTERS = {
    Material.GROUND: paint_ground,
    Material.HOUSE: houses.paint_house,
    Material.CHIMNEY: houses.paint_chimney,
    Material.AWNING: houses.paint_awning,
    Material.BODY: goods.paint_body,
    Material.CABIN: goods.paint_cabin,
    Material.WHEEL: goods.paint_wheel,
    Material.LEAF: goods.paint_leaf,
    Material.TRUNK: goods.paint_trunk,
    Material.LEGS: people.paint_legs,
    Material.TOP: people.paint_top,
    Material.ARM: people.paint_arm,
    Material.HEAD: people.paint_head,
    Material.POST: goods.paint_post,
    Material.LANTERN: goods.paint_lantern,
    Material.SIGN: goods.paint_sign,
    Material.FASCIA: goods.paint_fascia,
}


class Picture(NamedTuple):
    """A photo uint8 `[H, W, 3]`, class ids uint8 `[H, W]` and instance numbers uint16 `[H, W]`."""

    image: np.ndarray
    labels: np.ndarray
    instances: np.ndarray


def _spread(values: tuple[np.ndarray, ...], view: View) -> np.ndarray:
    """Three broadcastable components to `[3, samples]`."""
    shape = (view.height, view.width)
    return np.stack([np.broadcast_to(value, shape).ravel() for value in values])


def _reflected(light: Daylight, rays: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """What a mirror shows: the sky, or below the roofs across the street a dark front."""
    towards = rays - 2.0 * dot(rays, normals) * normals
    sky = sky_colour(light, towards, clouds=False)
    skyline = 0.16 + 0.10 * noise.smooth(towards[1] + towards[0], towards[2] * 0.2, 0.03, 1.2, 97)
    across = np.clip((towards[2] - skyline) * 14.0, 0.0, 1.0)
    return sky * across + (light.ambient * 0.16 + light.sun * 0.03) * (1.0 - across)


def _display(light: Daylight, radiance: np.ndarray) -> np.ndarray:
    """Linear light to display values 0..1, with the film curve fitted by Narkowicz (2015)."""
    value = radiance * np.float32(light.exposure)
    grey = 0.25 * value[0] + 0.65 * value[1] + 0.10 * value[2]
    value = 0.88 * value + 0.12 * grey  # the shoulder works by channel and would oversaturate reds
    value = value * (2.51 * value + 0.03) / (value * (2.43 * value + 0.59) + 0.14)
    return np.clip(value, 0.0, 1.0) ** np.float32(1 / 2.2)


def _painted(layout: Layout, hits: Hits, material: np.ndarray, classes: np.ndarray) -> Surface:
    """The paint of all points; `classes` gives the labels where a painter has no say."""
    whole = Surface(
        np.zeros_like(hits.points),
        np.zeros_like(hits.footprint),
        np.zeros_like(hits.points),
        classes.copy(),
        hits.normals.copy(),
    )
    for kind, painter in _PAINTERS.items():
        chosen = np.flatnonzero(material == kind)
        if len(chosen):
            paint = painter(layout, Hits(*(value[..., chosen] for value in hits)))
            for target, value in zip(whole, paint, strict=True):
                if value is not None:
                    target[..., chosen] = value
    return whole


def _arriving(
    layout: Layout, parts: list[Part], hits: Hits, bent: np.ndarray, material: np.ndarray
) -> np.ndarray:
    """Light that reaches the points `[3, n]`: from the sky, off the ground, from the sun."""
    light = layout.light
    up = 0.5 + 0.5 * bent[2]
    bounce = light.ambient * 0.34 + light.sun * (0.05 * light.sun_direction[2])
    arriving = light.ambient * up + bounce * (1.0 - up)
    height = np.minimum(hits.points[2] * np.float32(0.2), 1.0)
    openness = 0.72 + 0.28 * height  # a street shows less sky from below
    ground = np.flatnonzero(material == Material.GROUND)
    openness[ground] *= contact_shade(layout, hits.points[0, ground], hits.points[1, ground])
    arriving *= openness
    if light.sun.max() > 0:
        lit = sunlit(parts, hits.points, hits.normals, light.sun_direction)
        angle = dot(bent, light.sun_direction)
        leaf = material == Material.LEAF
        angle = np.where(leaf, 0.35 + 0.65 * angle, angle)  # leaves let the light through
        arriving += light.sun * (np.maximum(angle, 0.0) * lit)
    return arriving


def _shade(
    layout: Layout, parts: list[Part], view: View
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Display colour `[3, n]`, class id, instance and depth `[n]` of every sample of the view."""
    light = layout.light
    depth, part_of, face_of = (value.ravel() for value in first_hits(view, parts))
    steps = _spread(view.rays[3:], view)
    rays = unit(steps)
    radiance = np.zeros((3, len(depth)), np.float32)
    labels = np.full(len(depth), palette.SKY, np.uint8)
    instances = np.zeros(len(depth), np.uint16)

    above = np.flatnonzero(part_of == NOTHING)
    if len(above):
        radiance[:, above] = sky_colour(light, rays[:, above], clouds=True)
    shown = np.flatnonzero(part_of != NOTHING)
    part_of, face_of, rays, distance = part_of[shown], face_of[shown], rays[:, shown], depth[shown]
    points = _spread(view.rays[:3], view)[:, shown] + steps[:, shown] * distance
    normals = normals_at(parts, points, part_of, face_of)
    slant = np.sqrt(np.maximum(np.abs(dot(rays, normals)), np.float32(0.03)))
    footprint = np.float32(view.pixel) * (distance if view.perspective else 1.0) / slant

    material = np.array([part.material for part in parts], np.uint8)[part_of]
    owner = np.array([part.owner for part in parts], np.int32)[part_of]
    classes = np.array([part.label for part in parts], np.uint8)[part_of]
    hits = Hits(points, normals, rays, owner, footprint)
    paint = _painted(layout, hits, material, classes)
    outgoing = paint.albedo * _arriving(layout, parts, hits, paint.normals, material) + paint.glow
    shiny = np.flatnonzero(paint.mirror > 0)
    if len(shiny):
        image = _reflected(light, rays[:, shiny], paint.normals[:, shiny])
        outgoing[:, shiny] = mix(outgoing[:, shiny], image, paint.mirror[shiny])
    if view.perspective:
        haze = 1.0 - np.exp(-distance / np.float32(light.haze_distance))
        veil = light.horizon * 0.85 + light.ambient * 0.10
    else:
        haze, veil = np.full(len(shown), 0.03, np.float32), light.ambient
    radiance[:, shown] = mix(outgoing, veil, haze)
    labels[shown] = paint.labels
    numbered = np.array([part.instance for part in parts], np.uint16)[part_of]
    instances[shown] = np.where(paint.labels == palette.WINDOW, 0, numbered)
    return _display(light, radiance), labels, instances, depth


def _blocks(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Samples `[height * width * SAMPLES**2]` to `[SAMPLES**2, height, width]`."""
    grid = values.reshape(height, SAMPLES, width, SAMPLES)
    return np.ascontiguousarray(grid.transpose(1, 3, 0, 2)).reshape(-1, height, width)


def take_picture(layout: Layout, parts: list[Part], view: View) -> Picture:
    """Renders a view made at SAMPLES times the size of the picture.

    The photo averages the samples of a pixel. Labels never mix: the (class, instance) with the most
    samples wins the pixel, the nearest on a tie, so that thin posts keep their outline.
    """
    height, width = view.height // SAMPLES, view.width // SAMPLES
    colour, labels, instances, depth = _shade(layout, parts, view)
    channels = [_blocks(channel, height, width).mean(axis=0) for channel in colour]
    image = np.rint(np.stack(channels, axis=-1) * 255).astype(np.uint8)
    what = _blocks(labels.astype(np.uint32) << np.uint32(16) | instances, height, width)
    score = np.float32(0.9) / (1.0 + _blocks(depth, height, width))
    for sample in what:
        score += sample == what
    winner = np.argmax(score, axis=0)
    chosen = np.take_along_axis(what, winner[None], axis=0)[0]
    return Picture(
        image,
        (chosen >> np.uint32(16)).astype(np.uint8),
        (chosen & np.uint32(0xFFFF)).astype(np.uint16),
    )
