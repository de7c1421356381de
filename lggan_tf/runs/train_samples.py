"""Which samples a run trains on: `train_samples.json`, their number and a fingerprint of the names.

Order, epochs and learning rates follow from the samples' number and order, so a run that goes on
with others is another run.
"""

import hashlib
import json

from lggan_tf.data.sample import Source
from lggan_tf.errors import UserError
from lggan_tf.runs.checkpoints import is_start, newest_parts
from lggan_tf.runs.folder import RunFolder, write_atomically


def fingerprint(source: Source) -> str:
    """A digest of the names of a source's samples, in order, and the number of its label ids."""
    text = "\n".join([str(source.classes.num_labels), *source.names])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def check_train_samples(folder: RunFolder, source: Source) -> None:
    """Makes sure that a run which has trained goes on with the samples that it knows, if any.

    Raises:
        UserError: they are others, or the file cannot be read.
    """
    file = folder.train_samples
    if not file.is_file():
        return
    try:
        known = json.loads(file.read_text())
        count, digest = int(known["samples"]), known["fingerprint"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{file} cannot be read ({error}); remove it if the samples are those of the run"
        ) from error
    if digest == fingerprint(source):
        return
    held = newest_parts(folder)
    if not held or is_start(held):  # nothing follows from them yet
        return
    now = len(source) if len(source) != count else "as many, of other names or classes,"
    raise UserError(
        f"{folder.path} was trained on {count} samples, and there are {now} now, so order and "
        "learning rates would shift; bring the samples of then back, or start a new run from its "
        f"weights with --warm_start={folder.path}"
    )


def note_train_samples(folder: RunFolder, source: Source) -> None:
    """Keeps them with the run.

    Raises:
        UserError: the folder cannot be written.
    """
    known = {"samples": len(source), "fingerprint": fingerprint(source)}
    text = json.dumps(known, indent=1) + "\n"
    if not folder.train_samples.is_file() or folder.train_samples.read_text() != text:
        write_atomically(folder.train_samples, text)
