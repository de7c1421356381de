"""Terms of a step that stay on the device until somebody reads them."""

from collections.abc import Iterator, Mapping

import keras
import tensorflow as tf


class LazyLogs(Mapping):
    """Name -> mean over some steps, a float; the device is waited for at the first look.

    Args:
        names: of the terms.
        sums: `[len(names)]` float32, the terms' sums over the steps, on the device.
        waited: seconds that the steps waited for data in all, a scalar on the device.
        steps: how many.
        votes: what `CompiledStep` counted.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        sums: tf.Tensor,
        waited: tf.Tensor,
        steps: int,
        votes: tf.Tensor | None = None,
    ):
        self.names, self.sums, self.waited, self.steps = names, sums, waited, steps
        self.votes = votes
        self._values = None

    def _read(self) -> dict[str, float]:
        if self._values is None:
            means = (self.sums.numpy() / self.steps).tolist()
            self._values = dict(zip(self.names, means, strict=True))
        return self._values

    def __getitem__(self, name: str) -> float:
        """A term's mean."""
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        """Names in the order of the step; nothing is read."""
        return iter(self.names)

    def __len__(self) -> int:
        """How many terms; nothing is read."""
        return len(self.names)

    def __add__(self, other: "LazyLogs") -> "LazyLogs":
        """Over the steps of both."""
        return LazyLogs(
            self.names,
            self.sums + other.sums,
            self.waited + other.waited,
            self.steps + other.steps,
        )


class CallbackList(keras.callbacks.CallbackList):
    """Keras' list, which hands logs on as they are. Its own reads every value at every step."""

    def on_train_batch_begin(self, batch, logs=None):
        """Calls the hook of every callback."""
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Calls the hook of every callback."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)
