"""Ends `fit` after an epoch with a step that was not finite."""

import keras


class FitCheck(keras.callbacks.Callback):
    """Asks the model's guard, which has kept every update out since such a step.

    Raises:
        FloatingPointError: names the term and the step, counted from 1 in this call of `fit`.
    """

    def on_train_begin(self, logs=None):
        """A new call of `fit` trains again."""
        self.model.guard.start(0)

    def on_epoch_end(self, epoch, logs=None):
        """Looks."""
        failure = self.model.guard.failure()
        if failure is not None:
            raise FloatingPointError(
                f"{failure.culprit} is {failure.values[failure.culprit]} in step {failure.step} of "
                "this call of fit; no update was made from there on: try lower learning rates"
            )
