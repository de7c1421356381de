"""Slow samples are loaded before the second step, once, in the order of the steps."""

import threading
import time

import numpy as np
import pytest

from lggan_tf.data.sample import LOADING_THREADS, CachedSource
from lggan_tf.errors import UserError
from lggan_tf.training.callbacks import load_ahead
from lggan_tf.training.callbacks.load_ahead import LoadAhead
from lggan_tf.training.callbacks.time_limit import TimeLimit


class Slow:
    """Samples that take a while; `open` lets them be made, those of `free` are made at any time."""

    classes, keys = None, frozenset({"labels"})

    def __init__(self, count, broken=None, seconds=0.01, free=None):
        self.names = [str(number) for number in range(count)]
        self.loaded, self.broken, self.seconds, self.free = [], broken, seconds, free
        self.open = threading.Event()
        if free is None:
            self.open.set()

    def load(self, index):
        self.loaded.append(index)
        if self.free is None or index not in self.free:
            self.open.wait()
        time.sleep(self.seconds)
        if index == self.broken:
            raise UserError(f"sample {index} is broken")
        return {"labels": np.zeros((1, 1), "uint8")}


def ahead(inner, indices, signals=(), minutes=0.0, is_slow=True, say=lambda line: None):
    source = CachedSource(inner, is_slow=is_slow)
    return LoadAhead(source, indices, TimeLimit(minutes), list(signals), say)


def end_of_threads():
    """Waits until no thread loads any more."""
    while any(thread.name.startswith("ahead") for thread in threading.enumerate()):
        time.sleep(0.01)


def test_a_third_is_there_before_the_second_step_and_the_rest_follows(monkeypatch):
    monkeypatch.setattr(load_ahead, "SECONDS_BETWEEN_LINES", 0.0)
    first = set(range(199, 199 - 53, -1))
    inner, lines = Slow(200, seconds=0.1, free=first), []
    wanted = [*range(199, 40, -1), 199, 198]  # an epoch may show a sample twice
    with ahead(inner, wanted, say=lines.append) as callback:
        callback.on_train_batch_end(0)  # would never end if it waited for more
        assert first <= set(inner.loaded)
        assert callback.take_waited() > 0.1
        assert callback.take_waited() == 0.0
        callback.on_train_batch_end(1)
        inner.open.set()
        end_of_threads()
    assert sorted(inner.loaded) == list(range(41, 200))
    assert lines[-1].endswith(" of 53 places to begin with")


def test_the_lead_is_bounded(monkeypatch):
    monkeypatch.setattr(load_ahead, "LONGEST_LEAD", 10)
    with ahead(Slow(300, free=range(10)), range(300)) as callback:
        callback.on_train_batch_end(0)
        callback._source.source.open.set()


def test_the_end_of_the_run_ends_the_loading():
    inner = Slow(300, free=())
    with ahead(inner, range(300)):
        pass
    inner.open.set()
    end_of_threads()
    assert len(inner.loaded) <= LOADING_THREADS


def test_other_sources_are_left_alone():
    inner = Slow(3)
    with ahead(inner, range(3), is_slow=False) as callback:
        callback.on_train_batch_end(0)
    with LoadAhead(inner, range(3), TimeLimit(0), [], print) as callback:
        callback.on_train_batch_end(0)
    assert inner.loaded == []


def test_a_broken_sample_ends_the_wait():
    with (
        ahead(Slow(12, broken=3), range(12)) as callback,
        pytest.raises(UserError, match="sample 3"),
    ):
        callback.on_train_batch_end(0)


@pytest.mark.parametrize("why", [{"signals": [15]}, {"minutes": 1e-9}])
def test_a_signal_or_the_limit_ends_the_wait(why):
    inner = Slow(300, free=())
    with ahead(inner, range(300), **why) as callback:
        callback.on_train_batch_end(0)  # would never end if it waited
        inner.open.set()


def test_who_wants_a_sample_that_is_being_loaded_waits_for_it():
    inner = Slow(1, seconds=0.2)
    source, found = CachedSource(inner), []
    threads = [threading.Thread(target=lambda: found.append(source.load(0))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inner.loaded == [0]
    assert all(sample is found[0] for sample in found) and len(found) == 4


def test_a_sample_that_failed_is_tried_again():
    inner = Slow(1, broken=0)
    source = CachedSource(inner)
    with pytest.raises(UserError, match="broken"):
        source.load(0)
    inner.broken = None
    assert source.load(0)["labels"].shape == (1, 1)
