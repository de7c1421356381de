"""The loop around a step that only counts: hooks, their order and arguments, and stopping."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.training.compiled_step import CompiledStep
from lggan_tf.training.logs import LazyLogs
from lggan_tf.training.loop import run_steps


class Recorder(keras.callbacks.Callback):
    def __init__(self, stop_after=None):
        super().__init__()
        self.calls, self.stop_after = [], stop_after

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_train_end(self, logs=None):
        self.calls.append("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("epoch", epoch))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(("epoch end", epoch, dict(logs)))

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("step", batch))

    def on_train_batch_end(self, batch, logs=None):
        assert isinstance(logs, LazyLogs) and logs._values is None
        self.calls.append(("done", batch, logs.steps))
        if batch == self.stop_after:
            self.model.stop_training = True


@pytest.fixture
def go():
    """(start, total, steps per epoch, callbacks) -> steps done; the data are 10 n at step n."""

    def run(start, total, per_epoch, callbacks, step=lambda batch: {"x": batch["n"], "y": 1.0}):
        data = tf.data.Dataset.counter(start).map(lambda n: {"n": 10.0 * tf.cast(n, "float32")})
        update = CompiledStep(tf.distribute.get_strategy(), step)
        return run_steps(keras.Model(), update, iter(data), callbacks, start, total, per_epoch)

    return run


def test_hooks_of_whole_epochs_and_of_a_started_one(go):
    recorder = Recorder()
    assert go(1, 5, 3, [recorder]) == 5
    assert recorder.calls == [
        "begin", ("epoch", 0), ("step", 1), ("done", 1, 1), ("step", 2), ("done", 2, 1),
        ("epoch end", 0, {"x": 15.0, "y": 1.0}), ("epoch", 1), ("step", 3), ("done", 3, 1),
        ("step", 4), ("done", 4, 1), ("epoch end", 1, {"x": 35.0, "y": 1.0}), "end",
    ]  # fmt: skip


def test_a_callback_stops_the_run(go):
    recorder = Recorder(stop_after=3)
    assert go(0, 9, 3, [recorder]) == 4
    assert recorder.calls[-3:] == [("step", 3), ("done", 3, 1), "end"]
    assert go(9, 9, 3, [recorder]) == 9


def test_kerass_own_callbacks(go, tmp_path):
    history = keras.callbacks.History()
    go(0, 4, 2, [history, keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))])
    assert history.history == {"x": [5.0, 25.0], "y": [1.0, 1.0]}
    assert (tmp_path / "log.csv").read_text().startswith("epoch,x,y")


def test_nothing_is_saved_when_something_was_raised(go):
    def step(batch):
        with tf.control_dependencies([tf.debugging.assert_less(batch["n"], 20.0)]):
            return {"x": tf.identity(batch["n"])}

    recorder = Recorder()
    with pytest.raises(tf.errors.InvalidArgumentError):
        go(0, 9, 3, [recorder], step)
    assert "end" not in recorder.calls


def test_the_time_that_a_step_waits_for_data():
    def slow(n):
        tf.py_function(lambda: __import__("time").sleep(0.2), [], [])
        return tf.ensure_shape(n, ())

    data = tf.data.Dataset.counter().map(lambda n: {"n": slow(n)})
    update = CompiledStep(tf.distribute.get_strategy(), lambda batch: {"x": batch["n"]})
    iterator = iter(data)
    update(iterator)
    logs = update(iterator)
    assert 0.19 < float(logs.waited) < 30
    np.testing.assert_allclose(logs["x"], 1.0)
