import itertools
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.data.classes import ClassTable
from lggan_tf.data.pipeline import (
    evaluation_batches,
    sample_numbers,
    steps_per_epoch,
    training_batches,
)
from lggan_tf.data.sample import CachedSource
from lggan_tf.data.transforms import Transform
from lggan_tf.data.user_errors import raised_as_user_error
from lggan_tf.errors import UserError

SENTENCE = "the file straße/x 1.png is <broken> (100 %); replace it"


class Numbers:
    """Sample i has label i everywhere and a noise photo; `broken` names one that cannot be read."""

    def __init__(self, count, labels=10, broken=None):
        self.classes = ClassTable(tuple(map(str, range(labels))), ((0, 0, 0),) * labels)
        self.names = tuple(f"number {i}" for i in range(count))
        self.keys = frozenset({"labels", "image"})
        self.broken = broken
        self.loads = 0

    def __len__(self):
        return len(self.names)

    def load(self, index):
        self.loads += 1
        if index == self.broken:
            raise UserError(SENTENCE)
        photo = np.random.default_rng(index).integers(0, 256, (6, 6, 3)).astype(np.uint8)
        return {"labels": np.full((6, 6), index, self.classes.label_dtype), "image": photo}


AUGMENTED = Transform(4, 4, 6, 6, flip=True)


def first(dataset, count):
    return [
        {key: value.numpy() for key, value in batch.items()}
        for batch in itertools.islice(dataset, count)
    ]


def test_shapes_are_static_and_labels_stay_small():
    dataset = training_batches(Numbers(5), AUGMENTED, 2, seed=0)
    assert dataset.element_spec == {
        "labels": tf.TensorSpec((2, 4, 4), tf.uint8),
        "image": tf.TensorSpec((2, 4, 4, 3), tf.uint8),
    }
    dataset = evaluation_batches(Numbers(5), AUGMENTED, 2)
    assert dataset.element_spec["image"].shape.as_list() == [None, 4, 4, 3]


def test_more_than_256_ids_make_uint16_batches():
    dataset = training_batches(Numbers(301, labels=301), Transform(4, 4), 301, seed=0)
    labels = next(iter(dataset))["labels"]
    assert labels.dtype == tf.uint16
    assert sorted(labels[:, 0, 0].numpy().tolist()) == list(range(301))


def test_batches_hold_the_samples_foretold_and_cover_each_epoch():
    source = Numbers(7)
    assert steps_per_epoch(source, 3) == 2
    batches = first(training_batches(source, AUGMENTED, 3, seed=4), 6)
    for step, batch in enumerate(batches):
        labels = batch["labels"][:, 0, 0].tolist()
        assert labels == sample_numbers(source, 3, 4, [step])
    for epoch in range(3):
        labels = [b["labels"][:, 0, 0] for b in batches[2 * epoch : 2 * epoch + 2]]
        assert len(set(np.concatenate(labels).tolist())) == 6


@pytest.mark.parametrize("start", [1, 2, 5])
def test_a_resumed_run_sees_the_same_batches(start):
    whole = first(training_batches(Numbers(7), AUGMENTED, 3, seed=9), 7)
    resumed = first(training_batches(Numbers(7), AUGMENTED, 3, seed=9, start_step=start), 7 - start)
    for expected, found in zip(whole[start:], resumed, strict=True):
        for key in expected:
            np.testing.assert_array_equal(expected[key], found[key])


def test_augmentation_changes_from_epoch_to_epoch():
    batches = first(training_batches(Numbers(1), AUGMENTED, 1, seed=0), 12)
    assert len({batch["image"].tobytes() for batch in batches}) > 4


def test_evaluation_is_one_pass_in_order_with_a_small_last_batch():
    batches = first(evaluation_batches(Numbers(5), AUGMENTED, 2), 99)
    assert [b["labels"][:, 0, 0].tolist() for b in batches] == [[0, 1], [2, 3], [4]]
    np.testing.assert_array_equal(
        batches[1]["image"][1], AUGMENTED.apply(Numbers(5).load(3))["image"]
    )


def test_slow_samples_keep_their_place():
    class Uneven(Numbers):
        def load(self, index):
            time.sleep(0.03 if index % 3 == 0 else 0.01)
            return super().load(index)

    batches = first(evaluation_batches(Uneven(60, labels=60), AUGMENTED, 1), 60)
    assert [int(b["labels"][0, 0, 0]) for b in batches] == list(range(60))


def test_cached_source_loads_once():
    inner = Numbers(3)
    source = CachedSource(inner)
    for _ in range(2):
        first(evaluation_batches(source, AUGMENTED, 3), 1)
    assert inner.loads == 3
    assert source.names == inner.names
    with pytest.raises(ValueError, match="read-only"):
        source.load(0)["labels"][0, 0] = 1


def test_fewer_samples_than_a_batch():
    with pytest.raises(UserError, match="--global_batch_size=8"):
        training_batches(Numbers(3), AUGMENTED, 8, seed=0)


def test_edges_without_instances_are_refused_before_reading():
    source = Numbers(3)
    with pytest.raises(UserError, match="--edges"):
        evaluation_batches(source, Transform(4, 4, edges=True), 1)
    assert source.loads == 0


def test_user_error_reaches_a_for_loop_at_its_own_batch():
    dataset = evaluation_batches(Numbers(6, broken=4), AUGMENTED, 2)
    seen = 0
    with pytest.raises(UserError) as caught, raised_as_user_error():
        for _ in dataset:
            seen += 1
    assert str(caught.value) == SENTENCE
    assert seen == 2


def test_user_error_reaches_fit():
    class Trivial(keras.Model):
        def __init__(self):
            super().__init__()
            self.weight = self.add_weight(name="weight", initializer="ones")

        def train_step(self, data):
            return {"loss": tf.reduce_mean(tf.cast(data["image"], tf.float32)) * self.weight}

    model = Trivial()
    model.compile()
    dataset = training_batches(Numbers(6, broken=4), AUGMENTED, 2, seed=0)
    with pytest.raises(UserError) as caught, raised_as_user_error():
        model.fit(dataset, steps_per_epoch=3, shuffle=False, verbose=0)
    assert str(caught.value) == SENTENCE


def test_user_error_reaches_a_distributed_loop():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    dataset = training_batches(Numbers(6, broken=4), AUGMENTED, 2, seed=0)

    @tf.function
    def step(iterator):
        return strategy.run(lambda batch: tf.reduce_sum(batch["image"]), (next(iterator),))

    with pytest.raises(UserError) as caught, raised_as_user_error():
        iterator = iter(strategy.experimental_distribute_dataset(dataset))
        for _ in range(3):
            step(iterator)
    assert str(caught.value) == SENTENCE


def test_distribution_keeps_the_order():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    dataset = training_batches(Numbers(7), AUGMENTED, 3, seed=4)
    iterator = iter(strategy.experimental_distribute_dataset(dataset))
    for expected in first(dataset, 3):
        np.testing.assert_array_equal(next(iterator)["image"], expected["image"])


def test_other_errors_pass_unchanged():
    with pytest.raises(tf.errors.InvalidArgumentError), raised_as_user_error():
        tf.debugging.assert_equal(1, 2)
    with pytest.raises(KeyError), raised_as_user_error():
        raise KeyError("x")
