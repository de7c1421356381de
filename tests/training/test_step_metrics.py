import pytest
import tensorflow as tf

from lggan_tf.training.step_metrics import accuracies, metric_names, weight_means


def scale(*logits):
    """A discriminator's maps: features, then logits."""
    return [tf.zeros([1, 2, 2, 3]), tf.reshape(tf.constant(logits), [1, 1, -1, 1])]


def test_accuracies_by_head():
    """Fakes below 0 and photos above 0 are right: a mean over scales and images, not patches."""
    fakes = {
        "semantic": {
            "image": [scale(-1.0, -2.0, -0.1, 3.0), scale(-1.0)],  # 3/4 and 1
            "image_local": [scale(1.0, 2.0), scale(-1.0, 1.0)],  # 0 and 1/2
        }
    }
    reals = {"semantic": {"image": [scale(1.0), scale(-1.0)], "image_local": [scale(1.0)]}}
    found = accuracies("hinge", fakes, reals)
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {"metric/accuracy_fake_semantic": 2.25 / 4, "metric/accuracy_real_semantic": 2 / 3}
    )


def test_least_squares_is_right_on_either_side_of_a_half():
    fakes, reals = ({"image": {"image": [scale(0.4, 0.6)]}} for _ in range(2))
    hinge = accuracies("cross_entropy", fakes, reals)
    assert (hinge["metric/accuracy_fake_image"], hinge["metric/accuracy_real_image"]) == (0, 1)
    squares = accuracies("least_squares", fakes, reals)
    assert (squares["metric/accuracy_fake_image"], squares["metric/accuracy_real_image"]) == (
        0.5,
        0.5,
    )


def test_weight_means():
    """In half precision a mean over many pixels would lose its last digits."""
    weights = tf.cast(tf.fill([1, 64, 64, 1], 0.25), "bfloat16")
    found = weight_means({"weight_global": weights, "weight_local": 1 - weights})
    assert found == {"metric/weight_global": 0.25, "metric/weight_local": 0.75}
    assert all(value.dtype == tf.float32 for value in found.values())
    assert weight_means({"image": weights}) == {}


def test_names():
    assert metric_names(("source",), True) == (
        "metric/accuracy_fake_source",
        "metric/accuracy_real_source",
        "metric/weight_global",
        "metric/weight_local",
        "metric/gradient_norm_generator",
        "metric/gradient_norm_discriminator",
    )
    assert metric_names((), False) == ("metric/gradient_norm_generator",)


def test_parts_add_up_to_the_whole():
    weights = {"weight_global": tf.constant([0.25, 0.75]), "weight_local": tf.constant([0.5, 1.0])}
    halves = weight_means(weights, parts=2)
    assert halves == {"metric/weight_global": 0.25, "metric/weight_local": 0.375}
    opinions = {"image": {"image": [scale(-1.0)]}}
    assert accuracies("hinge", opinions, opinions, 4)["metric/accuracy_fake_image"] == 0.25
