"""How many pixels of each label id every sample of a source has."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lggan_tf.data.sample import LOADING_THREADS, Source


def count_labels(source: Source, done: Callable[[int], None] = lambda count: None) -> np.ndarray:
    """Pixels by sample and label id, `[n, num_labels]` int64.

    In the size that the label maps have on disk: resizing keeps shares but for rounding.

    Args:
        source: read once as a whole, by several threads.
        done: told after every sample how many are counted.

    Raises:
        UserError: a sample cannot be read.
    """

    def count(index: int) -> np.ndarray:
        labels = source.load(index)["labels"]
        return np.bincount(labels.reshape(-1), minlength=source.classes.num_labels)

    counts = np.zeros((len(source), source.classes.num_labels), np.int64)
    pool = ThreadPoolExecutor(LOADING_THREADS)
    try:
        for index, row in enumerate(pool.map(count, range(len(source)))):
            counts[index] = row
            done(index + 1)
    finally:
        # After an error or Ctrl-C nobody waits for samples that were only queued.
        pool.shutdown(cancel_futures=True)
    return counts


def by_owner(counts: np.ndarray, table: tuple[int, ...], num_owners: int) -> np.ndarray:
    """Pixels by sample and sub-generator, `[n, K + 1]`; the last column is what none owns, void.

    Args:
        counts: `[n, num_labels]`.
        table: for every label id the sub-generator that owns it, K for void (`LocalClasses`).
        num_owners: K.
    """
    owned = np.zeros((len(counts), num_owners + 1), counts.dtype)
    np.add.at(owned, (slice(None), list(table)), counts)
    return owned
