"""Lets a Keras callback that changes the learning rate change it for all networks."""

import keras


class JointRate(keras.callbacks.Callback):
    """Keeps the discriminators' learning rate in its proportion to G's.

    Keras' callbacks (`LearningRateScheduler`, `ReduceLROnPlateau`) know one optimizer, which is
    G's. This one comes after them and looks where they act, at both ends of an epoch.

    Raises:
        ValueError: G's rate was changed and the discriminators' follows a schedule of its own.
    """

    def on_train_begin(self, logs=None):
        """Takes the rates that training begins with."""
        self._seen = self._started = self._rate(self.model.generator_optimizer)
        self._other = self._rate(self.model.discriminator_optimizer)

    def on_epoch_begin(self, epoch, logs=None):
        """Follows."""
        self._follow()

    def on_epoch_end(self, epoch, logs=None):
        """Follows."""
        self._follow()

    def _follow(self):
        now = self._rate(self.model.generator_optimizer)
        if now is None or now == self._seen:
            return
        self._seen = now
        if self._other is None or not self._started:
            raise ValueError(
                "a callback changed the learning rate of G, and that of the discriminators follows "
                "a schedule or cannot be kept in proportion: give both optimizers a number above "
                "0, or both a schedule"
            )
        self.model.discriminator_optimizer.learning_rate = self._other * now / self._started

    @staticmethod
    def _rate(optimizer):
        """The rate, or None if it follows a schedule."""
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if isinstance(inner._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            return None
        # Under a strategy a variable is no number to `float`.
        return float(keras.ops.convert_to_numpy(inner.learning_rate))
