"""TensorFlow as the binaries want it: without its start-up chatter, with oneDNN for training.

Before its logging is set up TensorFlow 2.21 writes to file descriptor 2 whatever
TF_CPP_MIN_LOG_LEVEL says, and a machine without a GPU gets a line that reads like a failure
(cuInit). None of it is for the user of a binary. A TF_CPP_MIN_LOG_LEVEL in the environment, 0 for
all, turns every message back on.
"""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType

from lggan_tf.errors import UserError

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def load_tensorflow(trains: bool = False) -> ModuleType:
    """Imports TensorFlow and looks for devices, silently unless the user chose a log level.

    A binary calls this in its main, before the imports that need TensorFlow. Keras is told to use
    TensorFlow whatever the machine's own Keras settings are, since nothing here runs on another
    backend.

    Args:
        trains: whether gradients will be computed. TensorFlow uses oneDNN by itself on newer
            processors only. On one with AVX2 alone it makes most gradients of convolutions faster
            and many convolutions slower: it halves a training step, and about doubles the time of
            drawing. So it is turned on here for training alone. What TF_ENABLE_ONEDNN_OPTS in the
            environment says, stands.

    Returns:
        The module `tensorflow`.

    Raises:
        UserError: the environment asks for Keras 2.
    """
    legacy = os.environ.get("TF_USE_LEGACY_KERAS", "")
    if legacy.lower() in ("1", "true"):
        raise UserError(
            f"TF_USE_LEGACY_KERAS={legacy} asks TensorFlow for Keras 2, and this package is made "
            "with Keras 3: unset it for this command"
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if trains:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if os.environ.get(_LEVEL):
        import tensorflow

        return tensorflow
    os.environ[_LEVEL] = "2"
    with stderr_held_back():
        import tensorflow
        from absl import logging as absl_logging

        # The first look at the devices is what writes about CUDA.
        tensorflow.config.list_physical_devices()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    absl_logging.set_verbosity(absl_logging.ERROR)
    return tensorflow


@contextlib.contextmanager
def stderr_held_back() -> Iterator[None]:
    """Keeps what is written to file descriptor 2; an exception lets it out, as it may say why."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(2)
        os.dup2(kept.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            if failed:
                kept.seek(0)
                os.write(2, kept.read())
