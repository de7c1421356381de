"""Trees and bushes as clumps of ellipsoids."""

import numpy as np

from lggan_tf.data.town import palette
from lggan_tf.data.town.things import Tree


def draw_tree(rng: np.random.Generator, x: float, y: float, season: str, size: float) -> Tree:
    """Draws a tree at (x, y): round, columnar, or a conifer."""
    shape = ("round", "round", "round", "column", "conifer")[int(rng.integers(5))]
    leaves = palette.LEAVES[season]
    leaf = leaves[int(rng.integers(len(leaves)))]
    blobs = []
    if shape == "round":
        trunk = rng.uniform(2.0, 2.8) * size
        radius = rng.uniform(1.5, 2.1) * size
        middle = trunk + radius * 0.85
        blobs.append((0.0, 0.0, middle, radius * 0.85, radius * 0.9))
        turn = rng.uniform(0, 2 * np.pi)
        for k in range(6):
            angle = turn + k * np.pi / 3
            reach = radius * rng.uniform(0.5, 0.75)
            lump = radius * rng.uniform(0.45, 0.65)
            height = middle + radius * rng.uniform(-0.35, 0.6)
            blobs.append((reach * np.cos(angle), reach * np.sin(angle), height, lump, lump * 0.9))
        blobs.append((0.0, 0.0, middle + radius * 0.7, radius * 0.6, radius * 0.5))
    elif shape == "column":
        trunk = rng.uniform(1.4, 2.0) * size
        radius = rng.uniform(0.9, 1.2) * size
        for k in range(4):
            jitter = rng.uniform(-0.25, 0.25, 2) * radius
            lump = radius * (1.0 - 0.12 * k)
            blobs.append((*jitter, trunk + radius * (0.9 + 1.0 * k), lump, lump * 1.15))
    else:
        leaf = palette.CONIFER
        trunk = 0.9 * size
        radius = rng.uniform(1.2, 1.6) * size
        for k in range(5):
            lump = radius * (1.0 - 0.18 * k)
            blobs.append((0.0, 0.0, trunk + 0.6 + radius * 0.75 * k, lump, lump * 0.75))
    blobs = tuple(tuple(float(value) for value in blob) for blob in blobs)
    return Tree(x, y, trunk, blobs, leaf, int(rng.integers(1 << 20)))


def draw_bush(rng: np.random.Generator, x: float, y: float, season: str) -> Tree:
    """Draws a bush without a trunk at (x, y)."""
    leaves = palette.LEAVES["summer" if rng.random() < 0.6 else season]
    radius = rng.uniform(0.4, 0.75)
    blobs = tuple(
        (float(dx), float(dy), radius * 0.7, radius * 0.9, radius * rng.uniform(0.8, 1.1))
        for dx, dy in rng.uniform(-0.5, 0.5, (3, 2)) * radius
    )
    return Tree(
        x, y, 0.0, blobs, leaves[int(rng.integers(len(leaves)))], int(rng.integers(1 << 20))
    )
