"""Slow samples are loaded before the second step, once, in the order of the steps."""

import threading
import time

import numpy as np
import pytest

from lggan_tf.data.sample import CachedSource
from lggan_tf.errors import UserError
from lggan_tf.training.callbacks import load_ahead
from lggan_tf.training.callbacks.load_ahead import LoadAhead
from lggan_tf.training.callbacks.time_limit import TimeLimit


class Slow:
    """Samples that take a while; one may be broken."""

    classes, keys = None, frozenset({"labels"})

    def __init__(self, count, broken=None, seconds=0.01):
        self.names = [str(number) for number in range(count)]
        self.loaded, self.broken, self.seconds = [], broken, seconds

    def load(self, index):
        self.loaded.append(index)
        time.sleep(self.seconds)
        if index == self.broken:
            raise UserError(f"sample {index} is broken")
        return {"labels": np.zeros((1, 1), "uint8")}


def ahead(inner, indices, signals=(), minutes=0.0, is_slow=True, say=lambda line: None):
    source = CachedSource(inner, is_slow=is_slow)
    return LoadAhead(source, indices, TimeLimit(minutes), list(signals), say)


def test_a_third_is_there_before_the_second_step_and_the_rest_follows(monkeypatch):
    monkeypatch.setattr(load_ahead, "SECONDS_BETWEEN_LINES", 0.0)
    inner, lines = Slow(200, seconds=0.1), []
    wanted = [*range(199, 40, -1), 199, 198]  # an epoch may show a sample twice
    with ahead(inner, wanted, say=lines.append) as callback:
        start = time.monotonic()
        callback.on_train_batch_end(0)
        assert callback.take_waited() == pytest.approx(time.monotonic() - start, abs=0.05)
        assert callback.take_waited() == 0.0
        assert set(range(199, 199 - 53, -1)) <= set(inner.loaded)
        assert len(inner.loaded) < 159
        callback.on_train_batch_end(1)
        assert callback.take_waited() < 0.1
        while len(inner.loaded) < 159:
            time.sleep(0.01)
    assert sorted(inner.loaded) == list(range(41, 200))
    assert lines[-1].endswith(" of 53 places to begin with")


def test_the_lead_is_bounded(monkeypatch):
    monkeypatch.setattr(load_ahead, "LONGEST_LEAD", 10)
    inner = Slow(10_000, seconds=0.01)
    with ahead(inner, range(10_000)) as callback:
        callback.on_train_batch_end(0)
        assert len(inner.loaded) < 100
    time.sleep(0.1)
    done = len(inner.loaded)
    time.sleep(0.1)
    assert len(inner.loaded) == done < 1000


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
    inner = Slow(1000, seconds=0.05)
    with ahead(inner, range(1000), **why) as callback:
        callback.on_train_batch_end(0)
    time.sleep(0.2)
    done = len(inner.loaded)
    assert done < 1000  # neither waited for nor loaded afterwards
    time.sleep(0.2)
    assert len(inner.loaded) == done


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
