"""What a data set is to the rest of the package: a `Source` of samples; a wrapper that keeps them.

A sample is a dict of full-size numpy arrays:

| key | array | there when |
|---|---|---|
| `labels` | `[h, w]` uint8 (uint16 above 256 ids), every value an id of the class table | always |
| `image` | `[h, w, 3]` uint8, the photo to be generated | the source has photos |
| `instances` | `[h, w]` uint16 or int32, a number per object | asked for and known |
| `source` | `[h', w', 3]` uint8, the photo of the other view | cross-view |
| `colours` | `[h, w, 3]` uint8, the semantic map as a picture | the data set ships one |
| `grey` | `[h, w]` uint8, the grey values that `labels` were read from | asked for, panels |

Arrays may be shared between calls: whoever gets a sample must not write into it.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np

from lggan_tf.data.classes import ClassTable

Sample = dict[str, np.ndarray]

# Threads that load a source's samples where all are wanted soon: more than there are processes that
# draw the town, so that each of those is always asked for something.
LOADING_THREADS = 16


class Source(Protocol):
    """Samples by number. Several threads may call `load` at once.

    Attributes:
        classes: what the ids in `labels` mean.
        names: one per sample, unique, without a file suffix; a name may hold "/" (a subfolder).
        keys: the keys of every sample.
    """

    classes: ClassTable
    names: Sequence[str]
    keys: frozenset[str]

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def load(self, index: int) -> Sample:
        """Sample `index`, 0 <= index < len.

        Raises:
            UserError: its files are broken or do not fit together or the class table.
        """
        ...


class CachedSource:
    """Another source whose samples stay in memory once they were loaded.

    Args:
        source: is asked for each sample once, whoever else wants it meanwhile.
        is_slow: whether making a sample takes about as long as training on it; a run then loads
            ahead (`lggan_tf.training.callbacks.load_ahead`).
    """

    def __init__(self, source: Source, is_slow: bool = False):
        self.source, self.is_slow = source, is_slow
        self.classes, self.names, self.keys = source.classes, source.names, source.keys
        self._kept: dict[int, Future[Sample]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.source)

    def load(self, index: int) -> Sample:
        """Sample `index` of the wrapped source; its arrays are read-only."""
        with self._lock:
            known = self._kept.get(index)
            future = self._kept.setdefault(index, Future())
        if known is not None:
            return known.result()
        try:
            sample = self.source.load(index)
            for array in sample.values():
                array.flags.writeable = False
        except BaseException as error:
            # Who asks again tries again.
            del self._kept[index]
            future.set_exception(error)
            raise
        future.set_result(sample)
        return sample
