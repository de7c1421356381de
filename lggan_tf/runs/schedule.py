"""The paper's learning rate: constant, then to zero, linearly or in stairs of an epoch."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="lggan_tf")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """`learning_rate` for `constant_steps` steps, then linearly to 0 over `decay_steps` more.

    Args:
        learning_rate: the rate at the start.
        constant_steps: steps before the decay.
        decay_steps: steps of the decay; 0: it never falls.
    """

    def __init__(self, learning_rate: float, constant_steps: int, decay_steps: int):
        self.learning_rate, self.constant_steps, self.decay_steps = (
            learning_rate,
            constant_steps,
            decay_steps,
        )

    def __call__(self, step):
        """The rate of the update after `step` updates."""
        if not self.decay_steps:
            return tf.constant(self.learning_rate, "float32")
        done = (tf.cast(step, "float32") - self.constant_steps) / self.decay_steps
        return self.learning_rate * (1.0 - tf.clip_by_value(done, 0.0, 1.0))

    def get_config(self):
        """Constructor arguments."""
        return vars(self)


@keras.saving.register_keras_serializable(package="lggan_tf")
class EpochDecay(keras.optimizers.schedules.LearningRateSchedule):
    """1 - max(0, e - epochs) / (decay_epochs + 1) of the rate in epoch e, counted from 1.

    Linear in stairs of an epoch; the one behind the last would train at 0.

    Args:
        learning_rate: the rate at the start.
        epochs: epochs at the full rate.
        decay_epochs: epochs of the decay.
        steps_per_epoch: updates in an epoch.
    """

    _ahead = 0

    def __init__(self, learning_rate: float, epochs: int, decay_epochs: int, steps_per_epoch: int):
        self.learning_rate, self.epochs = learning_rate, epochs
        self.decay_epochs, self.steps_per_epoch = decay_epochs, steps_per_epoch

    def __call__(self, step):
        """The rate of the update after `step` updates."""
        epoch = 1 + tf.cast(step, "int64") // self.steps_per_epoch
        stairs = tf.cast(epoch + self._ahead - self.epochs, "float32") / (self.decay_epochs + 1)
        return self.learning_rate * (1.0 - tf.clip_by_value(stairs, 0.0, 1.0))

    def get_config(self):
        """Constructor arguments."""
        return vars(self)


@keras.saving.register_keras_serializable(package="lggan_tf")
class EarlyDecay(EpochDecay):
    """`EpochDecay` one epoch early, as in the authors' cross-view code (spec, section 3).

    The first stair comes in epoch `epochs`, and the last epoch trains at 0.
    """

    _ahead = 1
