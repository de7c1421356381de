import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.data.prepare import Prepare

# Label 0 is void; labels 1 and 3 share sub-generator 0, label 2 has 1; K is 2.
TABLE = (2, 0, 1, 0)
LABELS = np.array([[[0, 1], [2, 3]]], "uint8")


def pictures(*values):
    return np.array(values, "uint8").reshape(1, 2, 2, 1).repeat(3, axis=-1)


def test_one_hot_has_a_channel_per_label():
    prepared = Prepare(TABLE)({"labels": LABELS})
    assert set(prepared) == {"semantic", "symbols", "symbol_values", "local_labels"}
    expected = np.eye(4).reshape(1, 2, 2, 4)
    np.testing.assert_array_equal(prepared["semantic"], expected)
    assert prepared["semantic"].dtype == tf.float32


def test_local_labels_follow_the_table_and_void_is_k():
    prepared = Prepare(TABLE)({"labels": LABELS})
    np.testing.assert_array_equal(prepared["local_labels"], [[[2, 0], [1, 0]]])
    assert prepared["local_labels"].dtype == tf.int32


def test_edges_are_the_last_channel():
    edges = np.array([[[1, 0], [0, 1]]], "uint8")
    prepare = Prepare(TABLE, edges=True)
    semantic = prepare({"labels": LABELS, "edges": edges})["semantic"]
    assert prepare.channels("semantic") == semantic.shape[-1] == 5
    np.testing.assert_array_equal(semantic[..., :4], np.eye(4).reshape(1, 2, 2, 4))
    np.testing.assert_array_equal(semantic[..., 4], edges)


def test_whatever_is_not_0_is_an_edge():
    """A mask of 0 and 255, as pictures hold them, is one."""
    prepare, edges = Prepare(TABLE, edges=True), np.array([[[1, 0], [0, 1]]], "uint8")
    one, other = (prepare({"labels": LABELS, "edges": edges * bit}) for bit in (1, 255))
    for name in ("semantic", "symbols"):
        np.testing.assert_array_equal(one[name], other[name])


def test_dropped_labels_have_no_channel():
    """Void's pixel is zero everywhere; the others move up, in their order."""
    prepare = Prepare(TABLE, dropped_labels=(0,))
    prepared = prepare({"labels": LABELS})
    expected = np.eye(4)[:, 1:].reshape(1, 2, 2, 3)
    np.testing.assert_array_equal(prepared["semantic"], expected)
    assert prepare.channels("semantic") == 3 and prepare.num_labels == 4
    # In the middle, too, and who owns the pixel is unchanged.
    other = Prepare(TABLE, dropped_labels=(2, 0))({"labels": LABELS})
    np.testing.assert_array_equal(other["semantic"][0], [[[0, 0], [1, 0]], [[0, 0], [0, 1]]])
    np.testing.assert_array_equal(other["local_labels"], prepared["local_labels"])


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("dropped", [(), (0,), (2, 0)])
def test_symbols_stand_for_the_channels_of_a_pixel(edges, dropped):
    labels = np.arange(8, dtype="uint8").reshape(1, 2, 4) % 4
    prepare = Prepare(TABLE, edges=edges, dropped_labels=dropped)
    given = {"edges": np.arange(8, dtype="uint8").reshape(1, 2, 4) // 4} if edges else {}
    prepared = prepare({"labels": labels} | given)
    told = tf.gather(prepared["symbol_values"], prepared["symbols"])
    np.testing.assert_array_equal(told, prepared["semantic"])
    assert prepared["symbols"].dtype == tf.int32 and told.dtype == tf.float32


def test_pictures_are_scaled():
    """0, 51, 204 and 255 are -1, -0.6, 0.6 and 1."""
    prepare = Prepare(TABLE, conditions=("source", "semantic"), semantic_input="colours")
    batch = {
        "labels": LABELS,
        "source": pictures(0, 51, 204, 255),
        "colours": pictures(255, 0, 0, 0),
        "image": pictures(0, 0, 255, 255),
    }
    prepared = prepare(batch)
    assert set(prepared) == {"semantic", "source", "image", "local_labels"}
    for name, values in (
        ("source", [-1, -0.6, 0.6, 1]),
        ("semantic", [1, -1, -1, -1]),
        ("image", [-1, -1, 1, 1]),
    ):
        assert prepared[name].shape == (1, 2, 2, 3)
        for channel in range(3):
            np.testing.assert_allclose(np.ravel(prepared[name][..., channel]), values, atol=1e-6)
    assert prepare.channels("source") == prepare.channels("semantic") == 3


def test_more_than_256_labels():
    """Label 299 would be 43 in eight bits."""
    prepare = Prepare(tuple(range(300)))
    prepared = prepare({"labels": np.array([[[299, 43]]], "uint16")})
    assert prepare.channels("semantic") == 300
    np.testing.assert_array_equal(prepared["local_labels"], [[[299, 43]]])
    np.testing.assert_array_equal(np.argmax(prepared["semantic"], -1), [[[299, 43]]])


@pytest.mark.parametrize("labels", [np.uint8, np.uint16, np.int32])
def test_the_same_in_a_pipeline(labels):
    prepare = Prepare(TABLE, edges=True)
    batch = {"labels": LABELS.astype(labels), "edges": np.ones((1, 2, 2), "uint8")}
    (mapped,) = tf.data.Dataset.from_tensors(batch).map(prepare)
    for name, value in prepare(batch).items():
        np.testing.assert_array_equal(mapped[name], value)


def test_half_precision_policy():
    """Labels are not rounded to half precision: 299 stays 299 (bfloat16 knows 298 and 300)."""
    prepare = Prepare(tuple(range(300)), dtype="mixed_bfloat16")
    prepared = prepare(
        {"labels": np.array([[[299]]], "uint16"), "image": pictures(0, 51, 204, 255)}
    )
    assert prepared["semantic"].dtype == tf.bfloat16 and prepared["image"].dtype == tf.bfloat16
    assert int(np.argmax(np.asarray(prepared["semantic"], "float32"))) == 299
    assert int(prepared["local_labels"][0, 0, 0]) == 299


def test_nothing_to_learn_and_a_file_keeps_it(tmp_path):
    inputs = {"labels": keras.Input((None, None), dtype="uint8", name="labels")}
    prepare = Prepare(TABLE, dropped_labels=(0,))
    model = keras.Model(inputs, prepare(inputs))
    assert model.variables == []
    model.save(tmp_path / "prepare.keras")
    restored = keras.models.load_model(tmp_path / "prepare.keras")
    ours, theirs = model({"labels": LABELS}), restored({"labels": LABELS})
    np.testing.assert_array_equal(ours["semantic"], theirs["semantic"])
