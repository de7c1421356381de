"""The kernel's update is Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.runs.adam import Adam
from lggan_tf.runs.schedule import LinearDecay


def updater(optimizer, variables):
    @tf.function
    def update(*gradients):
        optimizer.apply(list(gradients), variables)

    return update


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("betas", [(0.0, 0.999), (0.5, 0.99)])
def test_it_moves_variables_and_moments_as_keras_does(dtype, betas):
    """Keras mixes 1 - beta with 1 - beta rounded to float32, 0.001 with 0.00100005, so 1e-5."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape) for shape in ((3, 3, 2, 4), (4,), ())]
    gradients = [[rng.normal(size=x.shape).astype(dtype) for x in start] for _ in range(4)]
    gradients[2] = [0 * g for g in gradients[2]]
    found = []
    for kind in (keras.optimizers.Adam, Adam):
        optimizer = kind(LinearDecay(0.1, 1, 4), *betas, epsilon=1e-8)
        variables = [keras.Variable(x, dtype=dtype) for x in start]
        optimizer.build(variables)
        apply = updater(optimizer, variables)
        for step in gradients:
            apply(*step)
        found.append([np.array(v) for v in [*variables, *optimizer.variables]])
    assert len(found[0]) == len(found[1]) == 3 + 1 + 6
    for ours, theirs, before in zip(found[1], found[0], start, strict=False):
        assert np.abs(theirs - before).max() > 0.05
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def torch_adam(gradients, rate, beta_1, beta_2, epsilon):
    """Sum of the steps that PyTorch's Adam makes (its documentation's algorithm), in float64."""
    first = second = moved = 0.0
    for step, gradient in enumerate(np.asarray(gradients, "float64"), 1):
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        corrected = first / (1 - beta_1**step)
        moved -= rate * corrected / (np.sqrt(second / (1 - beta_2**step)) + epsilon)
    return moved


@pytest.mark.parametrize("size", [1e-7, 1e-3])
@pytest.mark.parametrize("betas", [(0.0, 0.9), (0.5, 0.999)])
def test_with_the_corrected_epsilon_its_steps_are_pytorchs(size, betas):
    gradients = size * np.random.default_rng(0).choice([-1.0, 0.5, 1.0], 6)
    optimizer = Adam(0.1, *betas, epsilon=1e-8, corrected_epsilon=True)
    variable = keras.Variable(0.0)
    optimizer.build([variable])
    for number, gradient in enumerate(gradients, 1):
        optimizer.apply([tf.constant(gradient, "float32")], [variable])
        expected = torch_adam(gradients[:number], 0.1, *betas, 1e-8)
        assert float(variable) == pytest.approx(expected, rel=2e-4, abs=2e-6)


@pytest.mark.parametrize(("corrected", "share"), [(True, 0.909), (False, 0.240)])
def test_the_first_step_of_a_small_gradient(corrected, share):
    """Of g = 1e-7: g / (g + 1e-8), or g / (g + 1e-8 / sqrt(0.001)) with Keras' epsilon."""
    optimizer = Adam(1.0, 0.5, 0.999, epsilon=1e-8, corrected_epsilon=corrected)
    variable = keras.Variable(0.0)
    optimizer.build([variable])
    optimizer.apply([tf.constant(1e-7)], [variable])
    assert float(variable) == pytest.approx(-share, abs=1e-3)


def test_it_is_saved_by_its_name():
    adam = Adam(0.1, 0.2, 0.3, epsilon=1e-4, corrected_epsilon=True)
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(adam))
    assert type(restored) is Adam and restored.get_config() == adam.get_config()
