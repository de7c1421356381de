"""Layers folded for inference against the same ones unfolded."""

import numpy as np
import pytest

from lggan_tf.layers.spade import SPADE, SPADEResnetBlock
from lggan_tf.layers.spectral import SpectralConv2D
from lggan_tf.networks.generator import Generator


def fill(layer, rng):
    for variable in layer.variables:
        value = rng.normal(0.1, 0.4, variable.shape)
        variable.assign(1e-3 + 9 * np.abs(value) if "variance" in variable.path else value)


def unused(layer):
    """What a folded layer must not look at any more."""
    return [v for v in layer.variables if "moving" in v.path or "vector" in v.path]


@pytest.mark.parametrize("kind", ["spade", "spectral", "block"])
def test_the_same_but_for_rounding(rng, kind):
    layer = {
        "spade": lambda: SPADE(3, hidden=4),
        "spectral": lambda: SpectralConv2D(5, 3, pad=1),
        "block": lambda: SPADEResnetBlock(3, 4, hidden=4),
    }[kind]()
    x, semantic = rng.normal(size=(2, 6, 7, 3)), rng.normal(size=(2, 6, 7, 5))
    given = [x] if kind == "spectral" else [x, semantic]
    layer.build(*(value.shape for value in given))
    fill(layer, rng)
    before = layer(*given, training=False).numpy()
    layer.fold()
    layer.fold()  # the second changes nothing
    for variable in unused(layer):
        variable.assign(np.full(variable.shape, 77.0))
    after = layer(*given, training=False).numpy()
    np.testing.assert_allclose(after, before, atol=2e-5 * np.abs(before).max())
    with pytest.raises(ValueError, match="cannot be trained any more"):
        layer(*given, training=True)


def test_a_generator_without_spade_has_nothing_to_fold(rng):
    generator = Generator(2, filters=2, residual_blocks=1, global_generator="resnet")
    generator.build({"semantic": (None, None, None, 3), "local_labels": (None, None, None)})
    before = [variable.numpy() for variable in generator.variables]
    generator.fold()
    for variable, value in zip(generator.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
