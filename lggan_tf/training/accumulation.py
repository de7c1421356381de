"""A batch in parts, one after the other: the memory of a part, the update of the whole."""

import tensorflow as tf


def split(batch: dict[str, tf.Tensor], parts: int) -> list[dict[str, tf.Tensor]]:
    """A batch `[B,..]` in `parts` batches `[B/parts,..]`.

    Raises:
        ValueError: B is no multiple of `parts`.
    """
    size = next(iter(batch.values())).shape[0]
    if size is not None and size % parts:
        raise ValueError(f"{size} images cannot be shared evenly by {parts} accumulated steps")
    pieces = {key: tf.split(value, parts) for key, value in batch.items()}
    return [{key: piece[i] for key, piece in pieces.items()} for i in range(parts)]


def accumulate(parts: list, gradients_of) -> tuple[dict[str, tf.Tensor], list]:
    """Sums of terms and gradients over the parts.

    Args:
        parts: of a batch.
        gradients_of: (part, whether it is the first) -> (terms, gradients), shares of the whole's.
    """
    terms, gradients = {}, []
    for number, part in enumerate(parts):
        # TensorFlow would run independent parts side by side, and hold them all in memory.
        with tf.control_dependencies([g for g in gradients if g is not None]):
            part = {key: tf.identity(value) for key, value in part.items()}
            more_terms, more = gradients_of(part, number == 0)
        if number == 0:
            terms, gradients = dict(more_terms), list(more)
        else:
            terms = {name: value + more_terms[name] for name, value in terms.items()}
            gradients = [a if a is None else a + b for a, b in zip(gradients, more, strict=True)]
    return terms, gradients
