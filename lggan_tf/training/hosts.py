"""What several hosts that train together have to agree on, and the end of one of them.

All hosts call these functions at the same point of a run, as each waits there for the others. With
one host nothing is asked.
"""

import contextlib
import re
import zlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder
from lggan_tf.training.strategy import worker_count

# Settings that say where a host keeps its data and what it does for itself.
_OWN = ("data_dir", "cache", "strategy", "profile_steps")
# TensorFlow's words for the host that does not answer; its first line says nothing.
_REPORTED = re.compile(r"Error reported from /job:(\w+)/(?:replica:\d+/)?task:(\d+)")


def check_same_settings(strategy: tf.distribute.Strategy, config: Config) -> None:
    """To be called before anything else that hosts do together: other settings, other sums.

    Raises:
        UserError: the hosts have different settings; all of them raise it.
    """
    if worker_count(strategy) == 1:
        return
    values = {name: value for name, value in config.to_flat().items() if name not in _OWN}
    numbers = [zlib.crc32(repr(value).encode()) for value in values.values()]
    differ = np.ptp(_of_all(strategy, numbers), axis=0) != 0
    for (name, value), differs in zip(values.items(), differ, strict=True):
        if differs:
            raise UserError(
                f"--{name}={value} on this host, and not on all others; give the same flags on "
                "all hosts"
            )


def check_same_start(strategy: tf.distribute.Strategy, folder: RunFolder, start: int) -> None:
    """All hosts have to start at one step, which they read from a folder that they share.

    Raises:
        UserError: they do not; all of them raise it.
    """
    if worker_count(strategy) == 1:
        return
    if np.ptp(_of_all(strategy, [start])):
        raise UserError(
            f"this worker found step {start} in {folder.path} and another worker another step; "
            "--run_dir must be a folder that all hosts share"
        )


def signal_of_any(strategy: tf.distribute.Strategy, received: list[int]) -> int:
    """The number of a signal that came to one of the hosts, the same for all; 0: none came.

    Args:
        strategy: the devices.
        received: signals that came to this one.
    """
    own = received[0] if received else 0
    return own if worker_count(strategy) == 1 else int(_of_all(strategy, [own]).max())


@contextlib.contextmanager
def lost_host_as_user_error(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Around all that hosts do together.

    Raises:
        UserError: in place of TensorFlow's errors when a host does not answer any more.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        if worker_count(strategy) == 1:
            raise
        who = _REPORTED.search(str(error))
        raise UserError(
            f"another host is gone ({' '.join(who.groups()) if who else type(error).__name__}); "
            "start the same command on all hosts again, the run goes on from its last checkpoint"
        ) from error


def _of_all(strategy: tf.distribute.Strategy, numbers: list[int]) -> np.ndarray:
    """Each replica's numbers, `[replicas, len(numbers)]`; the same array on every host."""
    own = strategy.run(tf.identity, (tf.constant([numbers], "int64"),))
    return strategy.gather(own, axis=0).numpy()
