"""Keeps what is not finite out of the networks, and remembers where it came up first.

A step is checked on the device; nobody waits for the result. From the first step on that is not
finite no update is made any more, so whoever looks later, when it costs nothing, finds the
networks and the optimizers as they were, the number of that step and the name of the term.
"""

import math
from typing import NamedTuple

import keras
import tensorflow as tf

from lggan_tf.losses.shares import sum_over_devices
from lggan_tf.training.update import apply_if


class Failure(NamedTuple):
    """The first step that was not finite.

    Attributes:
        step: its number, counted from 1.
        culprit: name of the first term that was not finite; or "gradients of NETWORK" where all
            terms were.
        values: everything that was checked in that step up to there, by name; of gradients the
            sum of their squares.
        updated: networks of which an update came before, in that step, and was made.
    """

    step: int
    culprit: str
    values: dict[str, float]
    updated: tuple[str, ...]


class Guard:
    """Checks the updates of a step; create it in the strategy's scope.

    Args:
        checked: network -> names of the loss terms that its update comes from, in the order of
            the updates.
    """

    def __init__(self, checked: dict[str, tuple[str, ...]]):
        self._names = {
            network: (*terms, f"gradients of {network}") for network, terms in checked.items()
        }
        self._step = _variable(0, "int64", "step")
        self._failed_at = _variable(0, "int64", "failed_at")
        self._values = {
            network: _variable([0.0] * len(names), "float32", f"values_{network}")
            for network, names in self._names.items()
        }
        self._made = {network: _variable(0, "int64", f"made_{network}") for network in checked}

    def start(self, step: int) -> None:
        """Says how many steps are done."""
        self._step.assign(step)
        self._failed_at.assign(0)

    @property
    def is_fine(self) -> tf.Tensor:
        """Whether nothing has failed so far, scalar bool, on the device."""
        return tf.equal(self._failed_at, 0)

    def begin_step(self) -> None:
        """To be called once a step, before its updates."""
        self._step.assign_add(1)
        for made in self._made.values():
            made.assign(tf.where(self.is_fine, tf.zeros([], "int64"), made))

    def update(
        self, network, optimizer, terms, gradients, variables, clip_norm=0.0
    ) -> dict[str, tf.Tensor]:
        """Makes an update if all of it is finite and nothing failed before.

        Args:
            network: whose update it is.
            optimizer: a built Keras optimizer.
            terms: this device's share of the loss terms.
            gradients: from them, this device's share; None for variables without influence.
            variables: the optimizer's, in the order of the gradients.
            clip_norm: largest norm of the whole batch's gradient; 0: any.

        Returns:
            This device's share of the metric `metric/gradient_norm_NETWORK`, the norm of the whole
            batch's gradient before it is clipped.
        """
        losses = sum_over_devices([tf.stack([terms[n] for n in self._names[network][:-1]])])[0]
        sums = sum_over_devices(gradients)
        squared = squared_norm(sums)
        scale = optimizer.scale_loss(tf.ones([], squared.dtype))
        checked = squared
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            # One that is too large is no failure: it skips the update itself, and is lowered.
            checked = tf.where(scale > 1.0, tf.zeros_like(squared), squared)
        values = [tf.cast(losses, "float32"), [tf.cast(checked, "float32")]]
        allowed = self._allows(network, tf.concat(values, 0))
        if clip_norm:
            sums, _ = tf.clip_by_global_norm(sums, clip_norm * scale, tf.sqrt(squared))
        apply_if(allowed, optimizer, sums, variables)
        share = tf.sqrt(squared) / scale / tf.distribute.get_strategy().num_replicas_in_sync
        return {f"metric/gradient_norm_{network}": tf.cast(share, "float32")}

    def _allows(self, network, values):
        """Whether to make an update of which these values are checked."""
        is_first = tf.equal(self._failed_at, 0)
        self._values[network].assign(tf.where(is_first, values, self._values[network]))
        is_finite = tf.reduce_all(tf.math.is_finite(values))
        failed = tf.where(is_first & ~is_finite, self._step, self._failed_at)
        self._failed_at.assign(failed)
        allowed = tf.equal(failed, 0)
        self._made[network].assign_add(tf.cast(allowed, "int64"))
        return allowed

    def failure(self) -> Failure | None:
        """What has failed so far. Waits for the device."""
        step = int(self._failed_at.numpy())
        if not step:
            return None
        found: dict[str, float] = {}
        updated = tuple(name for name, made in self._made.items() if int(made.numpy()))
        for network, names in self._names.items():
            found |= dict(zip(names, map(float, self._values[network].numpy()), strict=True))
            wrong = [name for name in names if not math.isfinite(found[name])]
            if wrong:
                return Failure(step, wrong[0], found, updated)
        raise AssertionError("a failure without a culprit")


def squared_norm(gradients) -> tf.Tensor:
    """Sum of the squares of all gradients; not finite if one of them is not."""
    return 2 * tf.add_n([tf.nn.l2_loss(g) for g in gradients if g is not None])


def _variable(value, dtype, name):
    return tf.Variable(
        value,
        trainable=False,
        dtype=dtype,
        name=f"guard_{name}",
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
