"""Weights of a run of another class count."""

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.errors import UserError
from lggan_tf.runs.build import build_networks
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import GeneratorOnly
from lggan_tf.runs.warm_start import warm_start, weights_by_place

SETTINGS = {
    "image_height": 32,
    "image_width": 32,
    "filters": 4,
    "spade_hidden": 4,
    "residual_blocks": 1,
    "discriminator_filters": 4,
    "lambda_perceptual": 0.0,
}


def table(count):
    names = tuple(f"class {i}" for i in range(count))
    return ClassTable(names, tuple((i, i, i) for i in range(count)))


def saved(path, generator, judges=None, step=7, settings=SETTINGS):
    """A run of three classes with these networks."""
    folder = RunFolder(path)
    folder.create(Config.from_flat(settings).check(), table(3))
    networks = GeneratorOnly(generator, judges) if judges else GeneratorOnly(generator)
    Checkpoints(folder, networks, tf.Variable(step, dtype=tf.int64)).save()
    return folder


def test_what_fits_is_taken_over_and_the_rest_is_named(tmp_path):
    config = Config.from_flat(SETTINGS).check()
    _, generator, judges = build_networks(config, table(3))
    rng = np.random.default_rng(0)
    for network in (generator, *judges.values()):
        for variable in network.variables:
            variable.assign(rng.normal(size=variable.shape))
    folder = saved(tmp_path / "three", generator, judges)

    _, other, other_judges = build_networks(config, table(5))
    before = {k: np.array(v.value) for k, v in weights_by_place(other, "generator").items()}
    left = warm_start(folder, other, other_judges)
    named = {line.split(" ")[0] for line in left}
    assert "generator/local_generator/class_convolution/kernels" in named
    assert "generator/local_generator/class_convolution/kernels (there 3x7x7x4x3, here" in str(left)
    assert any(place.startswith("discriminator_semantic") for place in named)
    theirs = weights_by_place(generator, "generator")
    taken = 0
    for place, variable in weights_by_place(other, "generator").items():
        expected = before[place] if place in named else np.array(theirs[place].value)
        np.testing.assert_array_equal(np.array(variable.value), expected, err_msg=place)
        taken += place not in named
    # All but the first convolutions of the label map and what has a class axis.
    assert taken > 3 * len(named)


def test_the_same_networks_are_taken_over_whole(tmp_path):
    config = Config.from_flat(SETTINGS).check()
    _, generator, _ = build_networks(config, table(3))
    folder = saved(tmp_path / "three", generator)
    _, other, _ = build_networks(config, table(3))
    assert warm_start(folder, other, {}) == []
    for mine, theirs in zip(other.variables, generator.variables, strict=True):
        np.testing.assert_array_equal(np.array(mine.value), np.array(theirs.value))


def test_no_run_to_start_from(tmp_path):
    config = Config.from_flat(SETTINGS).check()
    _, generator, judges = build_networks(config, table(3))
    with pytest.raises(UserError):
        warm_start(RunFolder(tmp_path / "missing"), generator, judges)


def test_discriminators_that_the_checkpoint_does_not_hold_are_new(tmp_path):
    """Such as those of an import of a generator alone: what its config would build is random."""
    config = Config.from_flat(SETTINGS).check()
    _, generator, _ = build_networks(config, table(3))
    folder = saved(tmp_path / "three", generator, step=0)
    _, other, judges = build_networks(config, table(3))
    before = {k: np.array(v.value) for k, v in judge_weights(judges).items()}
    left = warm_start(folder, other, judges)
    assert left == [f"{place} (not in that run)" for place in before]
    for place, variable in judge_weights(judges).items():
        np.testing.assert_array_equal(np.array(variable.value), before[place], err_msg=place)


def test_weights_that_have_no_place_here_are_named(tmp_path):
    """One block less, and no discriminator."""
    settings = SETTINGS | {"residual_blocks": 2}
    _, generator, judges = build_networks(Config.from_flat(settings).check(), table(3))
    folder = saved(tmp_path / "two", generator, judges, settings=settings)
    _, other, _ = build_networks(Config.from_flat(SETTINGS).check(), table(3))
    left = warm_start(folder, other, {})
    mine, theirs = weights_by_place(other, "generator"), weights_by_place(generator, "generator")
    wanted = [*(place for place in theirs if place not in mine), *judge_weights(judges)]
    assert [line for line in left if line.endswith("(there only)")] == [
        f"{place} (there only)" for place in wanted
    ]
    assert len(wanted) > len(judge_weights(judges)) > 0


def judge_weights(judges):
    return weights_by_place(judges["semantic"], "discriminator_semantic")
