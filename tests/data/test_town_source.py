import numpy as np
import pytest

from lggan_tf.data.sources import open_source
from lggan_tf.data.town import draw_place
from lggan_tf.data.town_source import VAL_PLACES, TownSource

HEIGHT, WIDTH = 32, 64


def town(view, split="train", places=3, **options):
    return TownSource(view, split, places, HEIGHT, WIDTH, **options)


def test_training_places_are_the_first_of_the_town():
    source, place = town("semantic"), draw_place(0, 2, HEIGHT, WIDTH)
    assert len(source) == len(source.names) == 3
    sample = source.load(2)
    assert set(sample) == source.keys == {"labels", "image", "instances"}
    np.testing.assert_array_equal(sample["image"], place.street_image)
    np.testing.assert_array_equal(sample["labels"], place.street_labels)
    np.testing.assert_array_equal(sample["instances"], place.street_instances)
    assert sample["image"].shape == (HEIGHT, WIDTH, 3)
    assert sample["image"].dtype == np.uint8
    assert sample["labels"].dtype == source.classes.label_dtype


@pytest.mark.parametrize("direction", ["a2g", "g2a"])
def test_cross_view_takes_image_and_labels_from_the_target(direction):
    source, place = town("cross_view", direction=direction), draw_place(0, 1, HEIGHT, WIDTH)
    sample = source.load(1)
    assert set(sample) == source.keys == {"labels", "image", "source"}
    street = (place.street_image, place.street_labels)
    aerial = (place.aerial_image, place.aerial_labels)
    (image, labels), (other, _) = (street, aerial) if direction == "a2g" else (aerial, street)
    np.testing.assert_array_equal(sample["image"], image)
    np.testing.assert_array_equal(sample["labels"], labels)
    np.testing.assert_array_equal(sample["source"], other)


def test_val_places_are_fixed_and_not_among_the_training_places():
    few, many = town("semantic", "val", places=1), town("semantic", "val", places=1000)
    assert len(few) == len(many) == VAL_PLACES == 64
    np.testing.assert_array_equal(few.load(0)["image"], many.load(0)["image"])
    train = {town("semantic").load(i)["image"].tobytes() for i in range(3)}
    val = {few.load(i)["image"].tobytes() for i in range(3)}
    assert len(train | val) == 6
    assert not set(few.names) & set(town("semantic").names)


@pytest.mark.parametrize("dataset", ["town_semantic", "town_cross_view"])
def test_opened_by_its_word_it_draws_each_place_once(dataset):
    source = open_source(dataset, "", "train", height=HEIGHT, width=WIDTH, town_places=2)
    assert len(source) == 2
    assert source.load(1) is source.load(1)
    assert source.load(1)["labels"].max() < source.classes.num_labels
