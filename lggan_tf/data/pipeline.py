"""Streams batches of a source with tf.data.

A batch is a dict of tensors: `labels` `[B, H, W]` uint8 or uint16, `edges` `[B, H, W]` uint8
(optional), `source`, `colours` (optional) and `image` `[B, H, W, 3]` uint8. Samples are read and
transformed in parallel by Python threads and come out in a fixed order. Read batches inside
`raised_as_user_error`.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf

from lggan_tf.data.order import DataOrder
from lggan_tf.data.sample import Sample, Source
from lggan_tf.data.transforms import Transform
from lggan_tf.data.user_errors import marked


def steps_per_epoch(source: Source, global_batch_size: int) -> int:
    """Number of whole batches in one pass over the source.

    Raises:
        UserError: there are fewer samples than a batch holds.
    """
    return DataOrder(len(source), global_batch_size, 0).steps_per_epoch


def sample_numbers(
    source: Source,
    global_batch_size: int,
    seed: int,
    steps: Iterable[int],
    probabilities: Sequence[float] | None = None,
) -> list[int]:
    """Which samples `training_batches` yields at some steps, in order."""
    order = DataOrder(len(source), global_batch_size, seed, probabilities)
    return [index for step in steps for index in order.batch(step)]


def training_batches(
    source: Source,
    transform: Transform,
    global_batch_size: int,
    seed: int,
    start_step: int = 0,
    probabilities: Sequence[float] | None = None,
) -> tf.data.Dataset:
    """Endless training batches; the batch of a step depends on (seed, step) alone.

    Args:
        source: of the samples.
        transform: with random crop and mirroring as it says.
        global_batch_size: samples per batch, B (static in the shapes).
        seed: of order and augmentation, not negative.
        start_step: the first batch is the one an uninterrupted run sees at this step, counted from
            0.
        probabilities: for every sample how often it is drawn (`DataOrder`); None: each once an
            epoch.

    Raises:
        UserError: there are fewer samples than a batch holds, or edges without instance maps.
    """
    order = DataOrder(len(source), global_batch_size, seed, probabilities)

    def load(position: int) -> Sample:
        _, index = order.locate(position)
        return transform.apply(source.load(index), order.augmentation_rng(position))

    positions = tf.data.Dataset.counter(start_step * global_batch_size, dtype=tf.int64)
    samples = _map(positions, load, source, transform)
    return _finish(samples.batch(global_batch_size, drop_remainder=True))


def evaluation_batches(source: Source, transform: Transform, batch_size: int) -> tf.data.Dataset:
    """One pass over the source in its order, centre crop, no mirroring; the last may be smaller.

    Raises:
        UserError: edges are asked for and samples have no instance maps.
    """

    def load(index: int) -> Sample:
        return transform.apply(source.load(index))

    samples = _map(tf.data.Dataset.range(len(source)), load, source, transform)
    return _finish(samples.batch(batch_size))


def _map(
    numbers: tf.data.Dataset, load: Callable[[int], Sample], source: Source, transform: Transform
) -> tf.data.Dataset:
    """A dataset of `load(number)`, with static shapes."""
    spec = transform.result_spec(source.keys, source.classes)

    def arrays(number: np.ndarray) -> list[np.ndarray]:
        sample = load(int(number))
        return [sample[key] for key in spec]

    def tensors(number: tf.Tensor) -> dict[str, tf.Tensor]:
        dtypes = [tf.as_dtype(dtype) for _, dtype in spec.values()]
        values = tf.numpy_function(marked(arrays), [number], dtypes)
        return {
            key: tf.ensure_shape(value, shape)
            for value, (key, (shape, _)) in zip(values, spec.items(), strict=True)
        }

    return numbers.map(tensors, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _finish(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    # There are no files to share out among workers: each makes all batches and takes its part.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)
