"""The paper's learning rate: constant, then linearly to zero."""

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
