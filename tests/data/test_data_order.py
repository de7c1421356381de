import subprocess
import sys
from pathlib import Path

import numpy as np
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
        DataOrder(4, 2, seed).augmentation_rng(position).random()
        for seed in range(3)
        for position in range(12)
    }
    assert len(draws) == 36
    one, again = (DataOrder(4, 2, 0).augmentation_rng(5).random() for _ in range(2))
    assert one == again


def test_order_and_augmentation_without_probabilities_are_those_of_earlier_versions():
    """A run of an earlier version goes on as it would have gone on there."""
    order = DataOrder(7, 3, seed=5)
    for position in range(12):
        epoch, place = divmod(position, 6)
        index = np.random.default_rng([5, epoch]).permutation(7)[place]
        assert order.locate(position) == (epoch, index)
        expected = np.random.default_rng([5, epoch, index + 1]).random()
        assert order.augmentation_rng(position).random() == expected


def drawn(order, epoch):
    n = order.num_samples
    return [order.locate(epoch * n + place)[1] for place in range(n)]


def test_probabilities_by_head():
    """Of 8 places a half are sample 0's, a quarter 1's, and so on; never one more or less."""
    probabilities = [4 / 8, 2 / 8, 1 / 8, 1 / 8, 0, 0, 0, 0]
    epochs = [drawn(DataOrder(8, 2, 3, probabilities), epoch) for epoch in range(6)]
    for epoch in epochs:
        assert np.bincount(epoch, minlength=8).tolist() == [4, 2, 1, 1, 0, 0, 0, 0]
    assert len({tuple(epoch) for epoch in epochs}) == 6


def test_equal_probabilities_draw_every_sample_once():
    for epoch in range(20):
        assert sorted(drawn(DataOrder(11, 1, epoch, [1 / 11] * 11), epoch)) == list(range(11))


def test_broken_numbers_of_draws_are_right_on_average():
    probabilities = np.array([0.45, 0.3, 0.15, 0.1])
    order = DataOrder(4, 1, 0, probabilities)
    counts = np.array([np.bincount(drawn(order, epoch), minlength=4) for epoch in range(600)])
    assert (np.abs(counts - 4 * probabilities) < 1).all()
    np.testing.assert_allclose(counts.mean(axis=0), 4 * probabilities, atol=0.06)
    # Neighbours on the line must not exclude each other: their order is drawn anew.
    together = (counts[:, 2] > 0) & (counts[:, 3] > 0)
    assert 0.05 < together.mean() < 0.4


def test_a_sample_that_comes_again_is_augmented_otherwise():
    order = DataOrder(6, 2, 1, [0.5, 0.5, 0, 0, 0, 0])
    draws = [order.augmentation_rng(position).random() for position in range(12)]
    assert len(set(draws)) == 12
    # The first time it is what it would be without probabilities.
    place = drawn(order, 0).index(0)
    assert draws[place] == np.random.default_rng([1, 0, 1]).random()


def test_probabilities_follow_seed_and_position_alone():
    probabilities = np.arange(1, 31) / 465
    code = (
        "import numpy as np; from lggan_tf.data.order import DataOrder; "
        "print(DataOrder(30, 10, 4, np.arange(1, 31) / 465).batch(5))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == str(DataOrder(30, 10, 4, probabilities).batch(5))
    assert DataOrder(30, 10, 4, probabilities).batch(5) != DataOrder(
        30, 10, 5, probabilities
    ).batch(5)


def test_as_many_probabilities_as_samples():
    with pytest.raises(ValueError, match="3 probabilities for 4 samples"):
        DataOrder(4, 2, 0, [0.5, 0.25, 0.25])


def test_fewer_samples_than_a_batch():
    with pytest.raises(UserError, match="3 training samples.*--global_batch_size=4"):
        DataOrder(3, 4, 0)


def test_negative_seed():
    with pytest.raises(UserError, match="--seed=-1"):
        DataOrder(3, 1, -1)
