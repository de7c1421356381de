"""Adversarial losses on a discriminator's logits (any shape -> scalar mean).

hinge: Lim and Ye 2017, semantic synthesis. cross_entropy: Goodfellow et al. 2014, non-saturating,
cross-view. least_squares: Mao et al. 2017.
"""

import tensorflow as tf


def hinge_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """-mean D(fake)."""
    return -tf.reduce_mean(fake_logits)


def hinge_discriminator_loss(logits: tf.Tensor, real: bool) -> tf.Tensor:
    """Mean max(0, 1 - D(real)), or mean max(0, 1 + D(fake))."""
    return tf.reduce_mean(tf.nn.relu(1.0 - logits if real else 1.0 + logits))


def cross_entropy_loss(logits: tf.Tensor, real: bool) -> tf.Tensor:
    """Mean cross entropy of sigmoid(D) with 1 (real) or 0 (fake)."""
    return tf.reduce_mean(tf.nn.softplus(-logits if real else logits))


def least_squares_loss(logits: tf.Tensor, real: bool) -> tf.Tensor:
    """Mean squared distance of D to 1 (real) or 0 (fake)."""
    return tf.reduce_mean(tf.square(logits - float(real)))


def adversarial_loss(name: str, logits: tf.Tensor, real: bool, for_generator: bool) -> tf.Tensor:
    """The named loss of one prediction map.

    Args:
        name: "hinge", "cross_entropy" or "least_squares".
        logits: the discriminator's prediction.
        real: what it is to be taken for: the truth for a discriminator, True for a generator.
        for_generator: whose loss it is; only hinge has two forms.

    Raises:
        ValueError: unknown name, or a generator that wants to be taken for fake.
    """
    if for_generator and not real:
        raise ValueError("a generator's adversarial loss is towards real")
    if name == "hinge":
        return (
            hinge_generator_loss(logits)
            if for_generator
            else hinge_discriminator_loss(logits, real)
        )
    if name == "cross_entropy":
        return cross_entropy_loss(logits, real)
    if name == "least_squares":
        return least_squares_loss(logits, real)
    raise ValueError(f"no adversarial loss is called {name!r}")


def multiscale_adversarial_loss(
    name: str, scales: list[list[tf.Tensor]], real: bool, for_generator: bool
) -> tf.Tensor:
    """Mean over a discriminator's scales (spec, section 6); logits are the last map of each."""
    losses = [
        adversarial_loss(name, tf.cast(maps[-1], "float32"), real, for_generator) for maps in scales
    ]
    return tf.add_n(losses) / len(losses)
