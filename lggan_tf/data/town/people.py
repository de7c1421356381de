"""Persons: clothes, skin and hair."""

import numpy as np

from lggan_tf.data.town import noise
from lggan_tf.data.town.palette import linear
from lggan_tf.data.town.surface import Hits, Surface, mix, numbers, paints, unit
from lggan_tf.data.town.things import Layout


def _cloth(hits: Hits, albedo: np.ndarray) -> np.ndarray:
    folds = noise.smooth(hits.points[0] * 2.0 + hits.owner, hits.points[2], 0.05, 1.0, 95)
    return albedo * np.clip(1.0 + 0.14 * folds, 0.5, 1.6)


def _rounded(layout: Layout, hits: Hits) -> np.ndarray:
    """Bends the light over the flat front of a body, which is otherwise as flat as a card."""
    normals = hits.normals.copy()
    normals[0] += 2.5 * (hits.points[0] - numbers(layout.persons, "x", hits.owner))
    normals[1] += 2.5 * (hits.points[1] - numbers(layout.persons, "y", hits.owner))
    return unit(normals)


def paint_top(layout: Layout, hits: Hits) -> Surface:
    """Paints a jacket or coat; some carry a stripe."""
    albedo = _cloth(hits, paints(layout.persons, "top", hits.owner))
    striped = np.mod(hits.owner, 4) == 1
    stripe = striped & (np.abs(hits.points[2] - 1.2) < 0.07)
    return Surface(
        mix(albedo, linear((236, 232, 220)), stripe * 0.8), normals=_rounded(layout, hits)
    )


def paint_arm(layout: Layout, hits: Hits) -> Surface:
    """Paints sleeves, a little darker than the jacket, and hands."""
    hand = hits.points[2] < 0.86 * numbers(layout.persons, "height", hits.owner) / 1.75
    sleeve = paints(layout.persons, "top", hits.owner) * np.float32(0.82)
    return Surface(np.where(hand, paints(layout.persons, "skin", hits.owner), sleeve))


def paint_legs(layout: Layout, hits: Hits) -> Surface:
    """Paints trousers and shoes."""
    shoe = hits.points[2] < 0.1
    albedo = _cloth(hits, paints(layout.persons, "legs", hits.owner))
    return Surface(mix(albedo, linear((30, 28, 28)), shoe * 0.9), normals=_rounded(layout, hits))


def paint_head(layout: Layout, hits: Hits) -> Surface:
    """Paints hair over skin; who walks away shows hair only."""
    away = np.mod(hits.owner, 2) == 0
    hair = (hits.normals[2] > np.where(away, -0.45, 0.35)) | (hits.normals[1] > 0.3)
    skin, crown = (
        paints(layout.persons, "skin", hits.owner),
        paints(layout.persons, "hair", hits.owner),
    )
    return Surface(np.where(hair, crown, skin))
