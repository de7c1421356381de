"""What `fit`, `evaluate` and `predict` hand on, and whether it is a compact batch."""

import keras
import tensorflow as tf


def compact_batch(data) -> dict[str, tf.Tensor]:
    """The batch in Keras' data, which may be a tuple with room for targets and weights.

    Raises:
        ValueError: there are targets or weights, or the batch is no dict.
        TypeError: labels or a picture are no integers.
    """
    batch, target, weights = keras.utils.unpack_x_y_sample_weight(data)
    if target is not None or weights is not None or not isinstance(batch, dict):
        raise ValueError(
            "a batch of LGGAN is one dict (labels, image and what else the model takes): put the "
            "photo into it as `image`, without targets and weights beside it"
        )
    check_integers(batch)
    return batch


def check_integers(batch: dict[str, tf.Tensor]) -> None:
    """Makes sure that pictures are not scaled yet: the model would scale them to next to nothing.

    Not in `Prepare`, which Keras calls on placeholders of float32 when it builds a model.

    Raises:
        TypeError: labels or a picture are no integers.
    """
    for name, value in batch.items():
        dtype = tf.as_dtype(value.dtype)
        if name != "edges" and not dtype.is_integer:
            raise TypeError(
                f"{name} is {dtype.name}, but the compact batch holds integers: label ids, and "
                "pictures from 0 to 255 (uint8), which the model scales itself"
            )
