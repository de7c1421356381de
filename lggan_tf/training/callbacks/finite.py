"""Ends a run whose losses are no numbers any more."""

import math
from collections.abc import Callable

from lggan_tf.errors import UserError
from lggan_tf.training.callbacks.report import Report, Reporter


class FiniteCheck(Reporter):
    """Looks at every report.

    Args:
        names: step, counted from 0 -> names of the samples of its batch.
    """

    def __init__(self, names: Callable[[int], list[str]]):
        super().__init__()
        self._names = names

    def on_report(self, report: Report) -> None:
        """Looks at the terms.

        Raises:
            UserError: one is not finite.
        """
        for name, value in report.terms.items():
            if not math.isfinite(value):
                batch = ", ".join(self._names(report.step - 1))
                raise UserError(
                    f"the loss term {name} is {value} by step {report.step} (its batch: {batch}); "
                    "lower the learning rates and start again from an earlier checkpoint"
                )
