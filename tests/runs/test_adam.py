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


def test_it_is_saved_by_its_name():
    adam = Adam(0.1, 0.2, 0.3, epsilon=1e-4)
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(adam))
    assert type(restored) is Adam and restored.get_config() == adam.get_config()
