import itertools

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.data.classes import ClassTable
from lggan_tf.data.edges import instance_edges
from lggan_tf.data.transforms import Transform
from lggan_tf.errors import UserError


def coordinates(height, width):
    """A sample whose maps all hold the coordinates of their pixels."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    picture = np.stack([y, x, np.zeros_like(x)], axis=-1)
    return {
        "labels": x,
        "instances": y.astype(np.uint16) * 256 + x,
        "image": picture,
        "source": picture + np.array([0, 0, 1], np.uint8),
        "colours": picture + np.array([0, 0, 2], np.uint8),
    }


def test_without_generator_the_centre_is_cut_out():
    result = Transform(2, 4, load_height=6, load_width=6, flip=True).apply(coordinates(6, 6))
    assert set(result) == {"labels", "image", "source"}
    assert result["labels"].tolist() == [[1, 2, 3, 4]] * 2
    assert result["image"][:, 0, 0].tolist() == [2, 3]


def test_crop_and_flip_move_all_maps_alike_and_reach_every_window():
    transform = Transform(4, 5, 6, 8, flip=True, colours=True)
    sample, seen = coordinates(6, 8), set()
    for seed in range(300):
        result = transform.apply(sample, np.random.default_rng(seed))
        y, x = result["image"][..., 0].astype(int), result["image"][..., 1].astype(int)
        np.testing.assert_array_equal(result["labels"], x)
        np.testing.assert_array_equal(result["source"][..., :2], result["image"][..., :2])
        np.testing.assert_array_equal(result["colours"][..., :2], result["image"][..., :2])
        assert (result["source"][..., 2] == 1).all()
        assert (result["colours"][..., 2] == 2).all()
        mirrored = x[0, 0] > x[0, 1]
        expected = np.arange(x.min(), x.min() + 5)
        np.testing.assert_array_equal(x, np.tile(expected[::-1] if mirrored else expected, (4, 1)))
        np.testing.assert_array_equal(y[:, 0], np.arange(y.min(), y.min() + 4))
        seen.add((int(y.min()), int(x.min()), bool(mirrored)))
    assert seen == set(itertools.product(range(3), range(4), (False, True)))


def test_no_flip_unless_asked():
    for seed in range(20):
        result = Transform(3, 3).apply(coordinates(3, 3), np.random.default_rng(seed))
        assert result["labels"].tolist() == [[0, 1, 2]] * 3


@pytest.mark.parametrize("size", [(5, 9), (16, 16), (7, 40)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_labels_take_the_pixel_under_the_centre_as_tensorflow_does(size, dtype):
    labels = np.random.default_rng(1).integers(0, 200, (12, 20)).astype(dtype)
    result = Transform(*size).apply({"labels": labels})["labels"]
    rows = ((np.arange(size[0]) + 0.5) * 12 / size[0]).astype(int)
    columns = ((np.arange(size[1]) + 0.5) * 20 / size[1]).astype(int)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, labels[rows][:, columns])
    by_tf = tf.image.resize(labels[..., None].astype(np.int32), size, method="nearest")
    np.testing.assert_array_equal(result, by_tf[..., 0])


def test_large_ids_survive_resizing():
    values = np.array([[0, 300], [999, 65535]], np.uint16)
    result = Transform(4, 4).apply({"labels": values})["labels"]
    np.testing.assert_array_equal(result, values.repeat(2, 0).repeat(2, 1))


def test_photos_are_resized_smoothly_and_labels_are_not():
    step = np.zeros((8, 8), np.uint8)
    step[:, 4:] = 100
    sample = {"labels": step, "image": np.dstack([step] * 3)}
    result = Transform(12, 12).apply(sample)
    assert set(np.unique(result["labels"])) == {0, 100}
    assert len(np.unique(result["image"])) > 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_edges_are_those_of_the_resized_crop(dtype):
    """In the middle of an even size, where a crop cut through objects would differ."""
    instances = np.zeros((8, 8), dtype)
    instances[:, 4:] = 200
    sample = {"labels": np.zeros((8, 8), np.uint8), "instances": instances}
    edges = Transform(4, 4, edges=True).apply(sample)["edges"]
    assert edges.dtype == np.uint8
    assert edges.tolist() == [[0, 1, 1, 0]] * 4
    edges = Transform(4, 4, 8, 8, edges=True).apply(sample)["edges"]
    assert edges.tolist() == [[0, 1, 1, 0]] * 4
    instances[:, 6:] = 90
    edges = Transform(4, 4, 8, 8, edges=True).apply(sample)["edges"]
    assert edges.tolist() == [[0, 1, 1, 0]] * 4, "the border at the crop's own rim is no edge"


def test_edges_follow_crop_and_flip():
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 4, (10, 10))
    sample = {
        "labels": numbers.astype(np.uint8),
        "instances": numbers.astype(np.uint16) * 1000,
    }
    transform = Transform(6, 6, 10, 10, flip=True, edges=True)
    for seed in range(20):
        result = transform.apply(sample, np.random.default_rng(seed))
        np.testing.assert_array_equal(result["edges"], instance_edges(result["labels"]))


def test_edges_without_instances_are_refused():
    with pytest.raises(UserError, match="--edges"):
        Transform(2, 2, edges=True).apply({"labels": np.zeros((2, 2), np.uint8)})


def test_colours_are_painted_after_resizing_where_the_sample_has_none():
    palette = np.array([[0, 0, 0], [255, 0, 9]], np.uint8)
    labels = np.array([[0, 1]], np.uint8)
    result = Transform(1, 4, colours=True, palette=palette).apply({"labels": labels})
    assert result["colours"].tolist() == [[[0, 0, 0]] * 2 + [[255, 0, 9]] * 2]


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize("keys", [{"labels", "instances"}, None])
def test_result_spec_is_what_apply_returns(edges, colours, keys):
    sample = {k: v for k, v in coordinates(6, 7).items() if keys is None or k in keys}
    classes = ClassTable(tuple("abcdefg"), ((0, 0, 0),) * 7)
    transform = Transform(3, 4, edges=edges, colours=colours, palette=classes.palette)
    result = transform.apply(sample)
    found = {key: (value.shape, value.dtype) for key, value in result.items()}
    assert found == transform.result_spec(frozenset(sample), classes)
    assert all(value.flags.c_contiguous for value in result.values())


def test_grey_labels_are_resized_bicubically_and_then_looked_up():
    """Along a border the values in between belong to no class; windows move with the photos."""
    step = np.full((8, 8), 10, np.uint8)
    step[:, 4:] = 60
    table = np.full(256, 6, np.uint8)
    table[[10, 60]] = 0, 5
    sample = {"labels": np.zeros((8, 8), np.uint8), "grey": step, "image": np.dstack([step] * 3)}
    transform = Transform(9, 9, 12, 12, flip=True, grey_table=table)
    for seed in range(10):
        result = transform.apply(sample, np.random.default_rng(seed))
        assert set(result) == {"labels", "image"}
        np.testing.assert_array_equal(result["labels"], table[result["image"][..., 0]])
        assert set(np.unique(result["labels"])) == {0, 5, 6}
    unresized = Transform(8, 8, grey_table=table).apply(sample)["labels"]
    np.testing.assert_array_equal(unresized, table[step])
    del sample["grey"]  # a folder of label maps has none
    assert not Transform(12, 12, grey_table=table).apply(sample)["labels"].any()


def test_the_sample_itself_is_not_changed():
    sample = coordinates(6, 6)
    for array in sample.values():
        array.flags.writeable = False
    Transform(3, 3, 4, 4, flip=True, edges=True).apply(sample, np.random.default_rng(0))
