"""What happens around the steps, without a model."""

import time
import types

import pytest
import tensorflow as tf

from lggan_tf.training.callbacks.every import Every
from lggan_tf.training.callbacks.progress import Progress, duration
from lggan_tf.training.callbacks.report import Report, Reporter, Reports
from lggan_tf.training.callbacks.time_limit import TimeLimit
from lggan_tf.training.logs import LazyLogs


@pytest.fixture
def now(monkeypatch):
    """A clock: `now[0]` seconds."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.9, "59s"), (60, "1m 00s"), (185, "3m 05s"), (3720, "1h 02m"), (-5, "0s")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_a_line_of_progress(now):
    lines = []
    progress = Progress(110, 3, TimeLimit(2.0), lines.append)
    now[0] = 105.0
    progress.on_report(Report(20, 1, {"class": 0.12345, "g_total": 12.0}, 0.5, 5.0, 8.0, 0.01234))
    # 90 steps of half a second each; the limit of 115 s is further away.
    assert lines == [
        "step 20/110 epoch 1/3 | class 0.123 g_total 12 | "
        "8.0 images/s, 1.2% of the time waiting for data, 45s left"
    ]
    now[0] = 219.0
    progress.on_report(Report(21, 1, {}, 114.0, 114.0, 0.04, 0.0))
    assert lines[1].endswith("| 0.0 images/s, 0.0% of the time waiting for data, 1s left")


def test_the_first_step_tells_no_speed(now):
    """It holds the making of the graph: a time left of many hours frightens for nothing."""
    lines = []
    progress = Progress(110, 3, TimeLimit(0), lines.append)
    progress.on_report(Report(11, 1, {"g_total": 12.0}, None, 25.0, None, 0.0))
    assert lines == [
        "step 11/110 epoch 1/3 | g_total 12 | 25s for the first step, graph and data included"
    ]


def test_the_time_limit(now):
    limit = TimeLimit(0.5)
    limit.set_model(types.SimpleNamespace(stop_training=False))
    now[0] = 129.9
    limit.on_train_batch_end(0)
    assert not limit._model.stop_training
    now[0] = 130.0
    limit.on_train_batch_end(1)
    assert limit._model.stop_training


def logs(values, steps=1, waited=0.25):
    return LazyLogs(tuple(values), tf.constant(list(values.values())), tf.constant(waited), steps)


class Heard(Reporter):
    def __init__(self):
        super().__init__()
        self.reports = []

    def on_report(self, report):
        self.reports.append(report)


def test_reports_are_means_since_the_last_one(now):
    heard = Heard()
    reports = Reports(4, 5, 6, [heard])
    reports.on_train_begin()
    # Steps 11 and 12, 13, 14 to 16, 17: after the first call, when 16 is reached, at the end.
    for batch, steps, value in ((11, 2, 2.0), (12, 1, 5.0), (15, 3, 7.0), (16, 1, 9.0)):
        now[0] += 2.0
        reports.on_train_batch_end(batch, logs({"a": value, "b": -value}, steps))
    reports.on_train_end()
    assert heard.reports == [
        Report(12, 3, {"a": 1.0, "b": -1.0}, None, 2.0, None, 0.125),
        Report(16, 4, {"a": 3.0, "b": -3.0}, 1.0, 4.0, 6.0, 0.125),
        Report(17, 4, {"a": 9.0, "b": -9.0}, 2.0, 2.0, 3.0, 0.125),
    ]
    reports.on_train_end()
    assert len(heard.reports) == 3


def test_what_was_waited_between_steps_counts_too(now):
    heard = Heard()
    reports = Reports(1, 5, 6, [heard], iter([0.75, 0.0]).__next__)
    reports.on_train_begin()
    for batch in range(2):
        now[0] += 2.0
        reports.on_train_batch_end(batch, logs({"a": 1.0}))
    assert [report.waiting for report in heard.reports] == [0.5, 0.125]


def test_what_is_due_every_so_many_steps():
    every = Every(4)
    assert not every.is_pending
    calls = [(0, 1), (3, 3), (6, 3), (11, 5), (12, 1)]
    assert [every.is_due(*call) for call in calls] == [False, True, False, True, False]
    assert every.is_pending and every.done() == 13 and not every.is_pending


def test_logs_are_read_when_somebody_looks(monkeypatch):
    read = []

    class Sums:
        def __init__(self, value):
            self.value = value

        def __add__(self, other):
            return Sums(self.value + other.value)

        def numpy(self):
            read.append(1)
            return self.value.numpy()

    first = LazyLogs(("a",), Sums(tf.constant([3.0])), tf.constant(0.0), 1)
    both = first + LazyLogs(("a",), Sums(tf.constant([5.0])), tf.constant(0.0), 1)
    assert list(both) == ["a"] and len(both) == 1 and not read
    assert dict(both) == {"a": 4.0} and both["a"] == 4.0 and len(read) == 1
