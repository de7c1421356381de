"""What a run says on the terminal: one line every so many steps."""

import time
from collections.abc import Callable


def duration(seconds: float) -> str:
    """Seconds as "1h 02m", "3m 05s" or "12s"."""
    minutes, seconds = divmod(max(int(seconds), 0), 60)
    if minutes >= 60:
        return f"{minutes // 60}h {minutes % 60:02d}m"
    return f"{minutes}m {seconds:02d}s" if minutes else f"{seconds}s"


class Progress:
    """Speed and time left.

    Args:
        step: step at the start.
        total: step at the end.
        batch_size: images per step.
        limit_minutes: wall time after which the run stops; 0: none.
        say: where lines go.
    """

    def __init__(
        self,
        step: int,
        total: int,
        batch_size: int,
        limit_minutes: float,
        say: Callable[[str], None],
    ):
        self._total, self._batch_size, self._say = total, batch_size, say
        self._limit = limit_minutes * 60 if limit_minutes else float("inf")
        self._start = self._mark = time.monotonic()
        self._first = self._marked_step = step

    @property
    def out_of_time(self) -> bool:
        """Whether the limit is reached."""
        return time.monotonic() - self._start >= self._limit

    def report(self, step: int, epoch: int, epochs: int, terms: dict[str, float]) -> float | None:
        """Prints a line and returns images per second since the last one.

        None for the first step alone: it contains the making of the graph and says nothing about
        speed.
        """
        now = time.monotonic()
        steps, seconds = step - self._marked_step, now - self._mark
        is_first = self._marked_step == self._first and steps == 1
        self._mark, self._marked_step = now, step
        losses = " ".join(
            f"{name} {value:.3g}" for name, value in terms.items() if not name.startswith("metric/")
        )
        head = f"step {step}/{self._total} epoch {epoch}/{epochs} | {losses} | "
        if is_first:
            self._say(f"{head}{duration(seconds)} for the first step, which builds the graph")
            return None
        speed = self._batch_size * steps / seconds
        left = min((self._total - step) * seconds / steps, self._limit - (now - self._start))
        self._say(f"{head}{speed:.1f} images/s, {duration(left)} left")
        return speed
