"""What a run says on the terminal: one line every so many steps."""

from collections.abc import Callable

from lggan_tf.training.callbacks.report import Report, Reporter
from lggan_tf.training.callbacks.time_limit import TimeLimit


def duration(seconds: float) -> str:
    """Seconds as "1h 02m", "3m 05s" or "12s"."""
    minutes, seconds = divmod(max(int(seconds), 0), 60)
    if minutes >= 60:
        return f"{minutes // 60}h {minutes % 60:02d}m"
    return f"{minutes}m {seconds:02d}s" if minutes else f"{seconds}s"


class Progress(Reporter):
    """Loss terms, speed and time left.

    Args:
        total: step at the end.
        epochs: how many there are in all.
        limit: what may end the run earlier.
        say: where lines go.
    """

    def __init__(self, total: int, epochs: int, limit: TimeLimit, say: Callable[[str], None]):
        super().__init__()
        self._total, self._epochs, self._limit, self._say = total, epochs, limit, say

    def on_report(self, report: Report) -> None:
        """Says a line."""
        losses = " ".join(
            f"{name} {value:.3g}"
            for name, value in report.terms.items()
            if not name.startswith("metric/")
        )
        head = f"step {report.step}/{self._total} epoch {report.epoch}/{self._epochs} | {losses} | "
        if report.seconds_per_step is None:
            took = duration(report.seconds)
            self._say(f"{head}{took} for the first step, graph and data included")
            return
        left = min((self._total - report.step) * report.seconds_per_step, self._limit.seconds_left)
        self._say(
            f"{head}{report.images_per_second:.1f} images/s, {report.waiting:.1%} of the time "
            f"waiting for data, {duration(left)} left"
        )
