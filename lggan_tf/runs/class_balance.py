"""The class balance of a run (`--class_balance`), from counts that its folder keeps.

`class_counts.npz` holds `counts` `[n, num_labels]`, the pixels by training sample and label id,
and `samples`, a fingerprint of the samples' names: other samples are counted anew. Whoever changes
label maps under the same names removes the file.
"""

import io
import time
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from lggan_tf.config import Config
from lggan_tf.data.class_balance import ClassBalance, balance_classes
from lggan_tf.data.class_counts import by_owner, count_labels
from lggan_tf.data.sample import CachedSource, Source
from lggan_tf.runs.build import build_local_classes, build_source
from lggan_tf.runs.folder import RunFolder, write_atomically
from lggan_tf.runs.train_samples import fingerprint

SECONDS_BETWEEN_LINES = 5.0


def build_class_balance(
    config: Config,
    folder: RunFolder,
    source: Source,
    say: Callable[[str], None],
    keeps: bool = True,
) -> ClassBalance | None:
    """What `--class_balance` makes of the training samples; None where it is 0.

    Args:
        config: checked settings.
        folder: the run's folder; the counts are read there, or written.
        source: the training samples.
        say: where lines for the user go.
        keeps: whether this process may write the counts; one of several workers does.

    Raises:
        UserError: a sample cannot be read, or the folder cannot be written.
    """
    strength = config.train.class_balance
    if not strength:
        return None
    counts = _kept(folder, source, say)
    if counts is None:
        counts = _count(config, source, say)
        if keeps:
            content = io.BytesIO()
            np.savez_compressed(content, counts=counts, samples=fingerprint(source))
            write_atomically(folder.class_counts, content.getvalue())
    local = build_local_classes(config, source.classes)
    return balance_classes(by_owner(counts, local.table, local.count), strength)


def _kept(folder: RunFolder, source: Source, say: Callable[[str], None]) -> np.ndarray | None:
    """The counts that the folder keeps, if they are of these samples."""
    path = folder.class_counts
    if not path.is_file():
        return None
    try:
        # numpy leaves a file open in which it finds no arrays.
        with np.load(io.BytesIO(path.read_bytes())) as kept:
            if str(kept["samples"]) == fingerprint(source):
                return kept["counts"]
        say(f"{path} is of other samples; counting the classes of these")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        say(f"{path} cannot be read ({error}); counting the classes again")
    return None


def _count(config: Config, source: Source, say: Callable[[str], None]) -> np.ndarray:
    # What stays in memory is loaded but once; else photos need not be read for this.
    is_kept = isinstance(source, CachedSource)
    labels = source if is_kept else build_source(config, "train", labels_alone=True)
    marked = time.monotonic()

    def report(done: int) -> None:
        nonlocal marked
        if time.monotonic() - marked >= SECONDS_BETWEEN_LINES:
            marked = time.monotonic()
            say(f"counting classes: {done} of {len(source)} samples")

    return count_labels(labels, report)
