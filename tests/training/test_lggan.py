"""The Keras model: what fit, evaluate and predict do, and in which order G and D move."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.losses.objective import Objective
from lggan_tf.training.build import build_lggan
from lggan_tf.training.lggan import LGGAN
from lggan_tf.training.step_metrics import metric_names


@pytest.fixture(scope="module")
def still(plain, make_model, random_batch, classes):
    """A model that does not move, and three different batches."""
    config, model = make_model(plain)
    return model, [random_batch(config, classes, seed=seed) for seed in range(3)]


def dataset(batches):
    everything = {key: tf.concat([b[key] for b in batches], 0) for key in batches[0]}
    return tf.data.Dataset.from_tensor_slices(everything).batch(2)


def floats(terms):
    return {name: float(value) for name, value in terms.items()}


class Pixels(keras.layers.Layer):
    """Stands for a feature network: one map, the picture itself."""

    layer_weights = (1.0,)

    def build(self, input_shape):
        self.pretrained = self.add_weight(shape=(7,), name="pretrained", trainable=False)

    def call(self, images):
        return [images]


def test_fit_and_evaluate_show_means_over_the_epoch(still):
    model, batches = still
    steps = [floats(model.step(batch)) for batch in batches]
    means = {name: np.mean([step[name] for step in steps]) for name in steps[0]}
    assert len({step["g_total"] for step in steps}) == 3

    history = model.fit(dataset(batches), epochs=2, shuffle=False, verbose=0).history
    assert {name: values[0] for name, values in history.items()} == pytest.approx(means, rel=1e-4)
    assert {name: values[1] for name, values in history.items()} == pytest.approx(means, rel=1e-4)
    evaluated = model.evaluate(dataset(batches), return_dict=True, verbose=0)
    norms = [f"metric/gradient_norm_{network}" for network in ("generator", "discriminator")]
    assert all(means.pop(name) > 0 for name in norms)
    assert evaluated == pytest.approx(means, rel=1e-4)
    for network in ("g", "d"):
        terms = [
            value
            for name, value in means.items()
            if name.startswith("d_") == (network == "d")
            and not name.startswith("metric/")
            and not name.endswith("_total")
        ]
        assert means[f"{network}_total"] == pytest.approx(sum(terms), rel=1e-5)


@pytest.mark.slow
def test_fit_under_xla(plain, make_model, random_batch, classes):
    """What follows the labels cannot go there; the dense formulation does, with the same terms."""
    config, model = make_model(plain)
    assert model.generator.implementation == "auto"
    batch = random_batch(config, classes)
    terms = floats(model.step(batch))
    rates = [keras.optimizers.SGD(0.0) for _ in range(2)]
    model.compile(*rates, model.objective, jit_compile=True)
    assert model.generator.implementation == "dense"
    assert model.generator.local_generator.class_convolution.implementation == "dense"
    history = model.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0).history
    assert {name: values[0] for name, values in history.items()} == pytest.approx(terms, rel=1e-4)


def test_a_step_that_is_not_finite_leaves_all_that_moves_as_it_was(
    plain, random_batch, classes, values_of
):
    """Batch statistics, spectral vectors and the pool, too; what comes later trains nothing."""
    settings = {"discriminator": "multiscale", "global_generator": "spade", "latent_stride": 16}
    config = Config.from_flat(plain | settings | {"pool_size": 4, "lambda_perceptual": 0.0}).check()
    model = build_lggan(config, classes, 10)
    optimizers = model.generator_optimizer, model.discriminator_optimizer
    variables = [*model.variables, *(v for o in optimizers for v in o.variables)]
    model.step(random_batch(config, classes))
    moved = {name for name in ("moving_mean", "vector_u", "calls") if name in str(variables)}
    assert len(moved) == 3
    bias = model.generator.trainable_variables[-1]
    bias.assign(tf.fill(bias.shape, float("nan")))
    before = values_of(variables)
    for seed in (1, 2):
        model.step(random_batch(config, classes, seed=seed))
        for variable, old, new in zip(variables, before, values_of(variables), strict=True):
            np.testing.assert_array_equal(old, new, err_msg=variable.path)


def test_fit_says_that_a_step_was_not_finite_and_can_go_on(plain, random_batch, classes, values_of):
    config = Config.from_flat(plain | {"lambda_perceptual": 0.0}).check()
    model = build_lggan(config, classes, 10)
    bias = model.generator.trainable_variables[-1]
    good = np.array(bias)
    bias.assign(tf.fill(bias.shape, float("nan")))
    data = tf.data.Dataset.from_tensors(random_batch(config, classes))
    with pytest.raises(FloatingPointError, match="is nan in step 1 of this call of fit"):
        model.fit(data, shuffle=False, verbose=0)
    bias.assign(good)
    before = values_of(model.discriminator_variables)
    model.fit(data, shuffle=False, verbose=0)
    after = values_of(model.discriminator_variables)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_fit_trains(plain, make_model, random_batch, classes, values_of):
    config, model = make_model(plain | {"lambda_l1": 10.0})
    model.compile("adam", "adam", model.objective)
    batch = random_batch(config, classes)
    before = values_of(model.discriminator_variables)
    first = floats(model.step(batch))
    repeated = tf.data.Dataset.from_tensors(batch).repeat(12)
    history = model.fit(repeated, epochs=2, shuffle=False, verbose=0).history
    assert history["l1"][1] < history["l1"][0] < first["l1"]
    after = values_of(model.discriminator_variables)
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    # Adam: two slots per variable, its step and its rate; D's are not G's business.
    count = 2 * len(model.generator.trainable_variables) + 2
    assert len(model.generator_optimizer.variables) == count


def test_predict_gives_the_generators_pictures(still):
    model, batches = still
    outputs = model.predict(dataset(batches), verbose=0)
    assert outputs["image"].shape == (6, 32, 32, 3)
    np.testing.assert_allclose(outputs["image"][2:4], model(batches[1])["image"], atol=1e-6)
    labels_alone = {"labels": batches[1]["labels"]}
    np.testing.assert_array_equal(model(labels_alone)["image"], model(batches[1])["image"])
    assert "class_l1" not in outputs


@pytest.mark.parametrize("order", ["discriminator_first", "generator_first"])
def test_who_sees_whom_after_the_update(plain, make_model, random_batch, classes, order):
    """One of the two moves a lot: the other's terms tell whether they were taken after that."""
    settings = plain | {"update_order": order, "lambda_l1": 1.0}

    def terms(generator_rate, discriminator_rate):
        config, model = make_model(settings, generator_rate, discriminator_rate)
        return floats(model.step(random_batch(config, classes)))

    still, g_moves, d_moves = terms(0.0, 0.0), terms(0.5, 0.0), terms(0.0, 0.5)
    assert (g_moves["d_semantic_fake"] != still["d_semantic_fake"]) == (order == "generator_first")
    assert (d_moves["gan_semantic"] != still["gan_semantic"]) == (order == "discriminator_first")
    for moved in (g_moves, d_moves):
        assert moved["l1"] == still["l1"] and moved["d_semantic_real"] == still["d_semantic_real"]


@pytest.mark.parametrize("generator_moves", [True, False])
def test_each_optimizer_touches_its_own_network(
    plain, make_model, random_batch, classes, values_of, generator_moves
):
    config, model = make_model(plain, 0.5 * generator_moves, 0.5 * (not generator_moves))
    g, d = model.generator.trainable_variables, model.discriminator_variables
    before_g, before_d = values_of(g), values_of(d)
    model.step(random_batch(config, classes))
    moved_g = [not np.array_equal(a, b) for a, b in zip(before_g, values_of(g), strict=True)]
    moved_d = [not np.array_equal(a, b) for a, b in zip(before_d, values_of(d), strict=True)]
    assert (any(moved_g), any(moved_d)) == (generator_moves, not generator_moves)


def test_one_joint_pass_of_d_equals_separate_ones(
    plain, make_model, random_batch, classes, values_of
):
    views = {"dataset": "town_cross_view", "discriminator_views": "semantic,source"}
    results = []
    for joint in (True, False):
        config, model = make_model(plain | views | {"gan_loss": "cross_entropy"}, 0.1, 0.1)
        model.joint_passes = joint
        start = values_of(model.trainable_variables)
        terms = floats(model.step(random_batch(config, classes)))
        results.append((terms, start, values_of(model.trainable_variables)))
    (terms, start, weights), (other_terms, other_start, other_weights) = results
    assert other_terms == pytest.approx(terms, rel=1e-5)
    for a, b in zip(start, other_start, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(weights, start, strict=True)) > 1e-3


def test_spectral_vectors_move_once_per_pass(plain, make_model, random_batch, classes):
    """Once for D's and once for G's terms if joint, three times each in passes of their own."""
    moved = {}
    for joint in (True, False):
        config, model = make_model(plain | {"discriminator": "multiscale"})
        model.joint_passes = joint
        layer = model.discriminators["semantic"].scales[0].convolutions[1]
        matrix = np.reshape(np.asarray(layer.kernel, "float64"), [-1, layer.filters])
        u = np.asarray(layer.vector_u, "float64")
        model.step(random_batch(config, classes))
        for _ in range(2 if joint else 6):
            v = matrix @ u
            u = matrix.T @ (v / np.linalg.norm(v))
            u /= np.linalg.norm(u)
        np.testing.assert_allclose(layer.vector_u, u, atol=1e-5)
        moved[joint] = np.asarray(layer.vector_u)
    assert np.abs(moved[True] - moved[False]).max() > 1e-3


def test_the_class_term_is_a_mean_over_the_present_classes_of_the_batch(still):
    """Near the start every logit is about 0, so each present class costs log K, K = 4."""
    model, batches = still
    assert float(model.step(batches[0])["class"]) == pytest.approx(np.log(4), rel=0.02)


def test_a_perceptual_weight_needs_features_at_compile(plain, make_model):
    _, model = make_model(plain)
    bare = LGGAN(model.prepare, model.generator, model.discriminators)
    with pytest.raises(ValueError, match="lambda_perceptual=0"):
        bare.compile("sgd", "sgd", Objective(lambda_perceptual=1.0))
    with pytest.raises(ValueError, match="lambda_perceptual=0"):
        bare.compile("sgd", "sgd")  # the paper's own weights have one


def test_the_feature_network_is_used_but_is_no_part_of_the_model(
    plain, make_model, random_batch, classes
):
    config, model = make_model(plain | {"lambda_l1": 2.0})
    features = Pixels()
    features.build(None)
    count = len(model.variables)
    model.compile("sgd", "sgd", Objective(lambda_l1=2.0, lambda_perceptual=3.0), features)
    terms = floats(model.step(random_batch(config, classes)))
    # The three images' L1 in either case.
    assert terms["perceptual"] == pytest.approx(1.5 * terms["l1"], rel=1e-5)
    assert len(model.variables) == count
    assert not any(isinstance(layer, Pixels) for layer in model._flatten_layers())


def test_a_built_model_can_be_compiled_again(plain, make_model, random_batch, classes):
    config, model = make_model(plain)
    batch = random_batch(config, classes)
    assert (
        "l1" not in model.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0).history
    )
    model.compile("adam", "adam", Objective(lambda_l1=1.0, lambda_perceptual=0.0))
    history = model.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0).history
    names = model.objective.term_names(("semantic",)) + metric_names(("semantic",), True)
    assert set(history) == set(names) and "l1" in history
