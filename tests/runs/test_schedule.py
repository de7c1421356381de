import keras
import pytest
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.runs.build import build_optimizer
from lggan_tf.runs.schedule import EarlyDecay, EpochDecay, LinearDecay


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.8), (9, 0.8), (10, 0.8), (11, 0.6), (12, 0.4), (13, 0.2), (14, 0.0), (99, 0.0)],
)
def test_constant_for_ten_updates_then_four_equal_stairs_to_zero(step, rate):
    schedule = LinearDecay(0.8, 10, 4)
    assert float(schedule(step)) == pytest.approx(rate)
    assert float(schedule(tf.constant(step, tf.int64))) == pytest.approx(rate)


def test_without_decay_it_never_falls():
    schedule = LinearDecay(0.25, 10, 0)
    assert [float(schedule(step)) for step in (0, 10, 1_000_000)] == [0.25] * 3


def test_without_a_constant_part_it_falls_at_once():
    assert [float(LinearDecay(1.0, 0, 4)(step)) for step in range(5)] == [1, 0.75, 0.5, 0.25, 0]


def test_its_config_makes_it_again():
    schedule = LinearDecay(0.8, 10, 4)
    copy = LinearDecay.from_config(schedule.get_config())
    assert (copy.learning_rate, copy.constant_steps, copy.decay_steps) == (0.8, 10, 4)


def test_the_optimizers_epochs_become_steps():
    config = Config.from_flat({"epochs": 2, "decay_epochs": 4, "beta_1": 0.5, "beta_2": 0.99})
    optimizer = build_optimizer(config, 0.8, steps_per_epoch=5)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.5, 0.99, 1e-8)
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    rates = []
    for _ in range(31):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([tf.zeros([1])])
    assert rates[:11] == pytest.approx([0.8] * 11)
    assert (rates[20], rates[29], rates[30]) == pytest.approx((0.4, 0.04, 0.0))


def test_the_authors_stairs_begin_one_epoch_early_and_end_at_zero():
    """Dayton's 20 + 15 epochs, of three steps: 1, .., 1, 15/16 in epoch 20, .., 0 in epoch 35."""
    schedule = EarlyDecay(0.5, 20, 15, 3)
    by_epoch = [[float(schedule(3 * epoch + step)) for step in range(3)] for epoch in range(36)]
    assert all(len(set(rates)) == 1 for rates in by_epoch)
    factors = [2 * rates[0] for rates in by_epoch]
    expected = [1.0] * 19 + [1 - stair / 16 for stair in range(1, 17)] + [0.0]
    assert factors == pytest.approx(expected)
    assert float(schedule(tf.constant(3 * 19, tf.int64))) == pytest.approx(0.5 * 15 / 16)


def test_the_stairs_make_themselves_again_and_are_a_setting():
    schedule = EarlyDecay(0.8, 4, 2, 5)
    copy = EarlyDecay.from_config(schedule.get_config())
    assert [float(copy(step)) for step in range(31)] == [float(schedule(s)) for s in range(31)]
    config = Config.from_flat({"epochs": 4, "decay_epochs": 2, "early_decay": True})
    optimizer = build_optimizer(config, 0.8, steps_per_epoch=5)
    optimizer.build([keras.Variable([1.0])])
    optimizer.iterations.assign(15)
    assert float(optimizer.learning_rate) == pytest.approx(0.8 * 2 / 3)
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(restored._learning_rate, EarlyDecay)


def test_stairs_of_an_epoch():
    """Full for four epochs, then 2/3 and 1/3 in two, five steps each."""
    config = Config.from_flat({"epochs": 4, "decay_epochs": 2, "decay_per": "epoch"})
    optimizer = build_optimizer(config, 0.9, steps_per_epoch=5)
    schedule = optimizer._learning_rate
    assert isinstance(schedule, EpochDecay) and not isinstance(schedule, EarlyDecay)
    rates = [float(schedule(step)) for step in range(31)]
    assert rates == pytest.approx([0.9] * 20 + [0.6] * 5 + [0.3] * 5 + [0.0])
    copy = EpochDecay.from_config(schedule.get_config())
    assert [float(copy(step)) for step in range(31)] == rates


def test_stairs_without_decay_never_fall():
    schedule = EpochDecay(0.25, 10, 0, 5)
    assert [float(schedule(step)) for step in (0, 49)] == [0.25] * 2
