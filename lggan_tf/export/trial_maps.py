"""Four maps on which rounding shows, to try an exported file on beside held-out ones.

On a map of one class all pixels have the same features, and norms multiply what rounding left of
their differences (`lggan_tf.layers.normalization`). Data sets have no such map, users draw it
first.
"""

import numpy as np

from lggan_tf.data.edges import instance_edges
from lggan_tf.export.graph import DrawingGraph

CELL = 8  # pixels, a side of the busy map's squares
GREY = 128


def trial_maps(graph: DrawingGraph, height: int, width: int) -> dict[str, dict[str, np.ndarray]]:
    """Squares of every class at random, one class, two halves, and one odd pixel.

    The source view is noise beside the squares and grey beside the others.

    Args:
        graph: of the model.
        height: of the maps, pixels.
        width: as `height`.

    Returns:
        What each map is called -> the inputs of `serving_default` with a batch of one.
    """
    rng, classes = np.random.default_rng(0), graph.classes
    ids = [label for label in range(classes.num_labels) if label not in classes.void_ids] or [0]
    one, other = ids[0], ids[-1]
    cells = rng.choice(ids, size=(-(-height // CELL), -(-width // CELL)))
    squares = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)[:height, :width]
    flat, halves, odd = (np.full((height, width), one) for _ in range(3))
    halves[:, width // 2 :] = other
    odd[height // 3, width // 3] = other
    noise = rng.integers(256, size=(height, width, 3))

    def inputs(labels):
        found = {
            "labels": labels,
            "edges": instance_edges(labels),
            "colours": classes.palette[labels],
            "source": noise if labels is squares else np.full((height, width, 3), GREY),
        }
        specs = graph.specs.items()
        return {name: found[name][None].astype(spec.dtype.as_numpy_dtype) for name, spec in specs}

    maps = {
        "a map of squares": squares,
        "a map of one class": flat,
        "a map of two halves": halves,
        "a map with one odd pixel": odd,
    }
    return {name: inputs(labels) for name, labels in maps.items()}
