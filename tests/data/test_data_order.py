import subprocess
import sys
from pathlib import Path

import pytest

from lggan_tf.data.order import DataOrder
from lggan_tf.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_an_epoch_holds_every_sample_once_and_drops_the_remainder():
    order = DataOrder(11, 3, seed=5)
    assert order.steps_per_epoch == 3
    for epoch in range(3):
        seen = [i for step in range(3) for i in order.batch(epoch * 3 + step)]
        assert len(set(seen)) == 9
        assert set(seen) <= set(range(11))


def test_epochs_and_seeds_differ():
    batches = {tuple(DataOrder(50, 50, seed).batch(step)) for seed in (0, 1) for step in range(3)}
    assert len(batches) == 6


def test_locate_agrees_with_batch():
    order = DataOrder(7, 2, seed=1)
    places = [order.locate(position) for position in range(12)]
    assert [epoch for epoch, _ in places] == [0] * 6 + [1] * 6
    assert [index for _, index in places] == [i for step in range(6) for i in order.batch(step)]


def test_the_order_is_the_same_in_a_new_process():
    code = "from lggan_tf.data.order import DataOrder; print(DataOrder(30, 10, 4).batch(5))"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == str(DataOrder(30, 10, 4).batch(5))


def test_augmentation_differs_between_samples_epochs_and_seeds():
    draws = {
        DataOrder(4, 2, seed).augmentation_rng(epoch, index).random()
        for seed in range(3)
        for epoch in range(3)
        for index in range(3)
    }
    assert len(draws) == 27
    one, again = (DataOrder(4, 2, 0).augmentation_rng(2, 1).random() for _ in range(2))
    assert one == again


def test_fewer_samples_than_a_batch():
    with pytest.raises(UserError, match="3 training samples.*--global_batch_size=4"):
        DataOrder(3, 4, 0)


def test_negative_seed():
    with pytest.raises(UserError, match="--seed=-1"):
        DataOrder(3, 1, -1)
