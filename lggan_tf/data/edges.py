"""Edges between instances: the channel that tells touching objects of one class apart."""

import numpy as np


def instance_edges(instances: np.ndarray) -> np.ndarray:
    """1 where a pixel's instance differs from any of its four neighbours', else 0.

    Outside the map there are no neighbours, so the border alone makes no edge. Compute it at the
    size that the network sees: an edge map does not survive resizing. (Authors' edge channel;
    pix2pixHD's boundary map.)

    Args:
        instances: `[h, w]` of any integer type.

    Returns:
        `[h, w]` uint8.
    """
    edges = np.zeros(instances.shape, np.uint8)
    across = instances[:, 1:] != instances[:, :-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    down = instances[1:] != instances[:-1]
    edges[1:] |= down
    edges[:-1] |= down
    return edges
