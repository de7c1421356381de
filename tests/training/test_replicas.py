"""Several devices or hosts, each with its part of a batch, do what one does with the whole."""

import json

import child_process
import numpy as np
import pytest

# Trains on a fixed batch, on the devices that there are, and writes the weights to argv[2].
SCRIPT = """
import json, sys
import keras, numpy as np, tensorflow as tf
from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.layers.spectral import SpectralConv2D
from lggan_tf.runs.build import (
    build_average, build_networks, build_objective, build_optimizer)
from lggan_tf.training.compiled_step import CompiledStep
from lggan_tf.training.image_pool import ImagePool
from lggan_tf.training.lggan import LGGAN
from lggan_tf.training.strategy import build_strategy, is_chief
from without_effect import biases_without_effect

settings, file, mode, precision, optimizer, steps, calm, draws = json.loads(sys.argv[1])
config = Config.from_flat(settings).check()
strategy = build_strategy(config.train)
keras.config.set_dtype_policy(precision)
table = ClassTable(tuple("abcdef"), tuple((i, i, i) for i in range(6)), (5,))
side = config.data.image_height // 8

def draw(number):
    rng = np.random.default_rng(number)
    ids = rng.integers(0, 6, (4, 8, 8))
    ids[2:] %= 2  # the second half has fewer classes
    labels = ids.repeat(side, 1).repeat(side, 2).astype("uint8")
    image = rng.integers(0, 128, (*labels.shape, 3)) + rng.integers(0, 128, (6, 3))[labels]
    batch = {"labels": labels, "image": image.astype("uint8")}
    if config.is_cross_view:
        batch["source"] = rng.integers(0, 256, image.shape, "uint8")
    return batch

with strategy.scope():
    keras.utils.set_random_seed(0)
    size = config.train.pool_size
    model = LGGAN(
        *build_networks(config, table),
        config.train.update_order,
        average=build_average(config),
        pool=ImagePool(size, side * 8, side * 8) if size else None,
        discriminator_steps=config.train.discriminator_steps,
    )
    make = {
        "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.5),
        "adam": lambda rate: build_optimizer(config, rate, 10),
    }[optimizer]
    rates = config.train.generator_learning_rate, config.train.discriminator_learning_rate
    model.compile(*map(make, rates), build_objective(config, table),
                  clip_norm=config.train.clip_norm, accumulate_steps=config.train.accumulate_steps)
networks = model.generator, *model.discriminators.values()
# What makes much of rounding: sigma of two random vectors, and Adam where the true gradient is 0,
# as it is for D's last bias, too, while no patch is beyond hinge's margin.
if calm:
    for layer in (layer for network in networks for layer in network._flatten_layers()):
        if isinstance(layer, SpectralConv2D):
            for _ in range(30):
                layer.sigma(training=True)
    idle = biases_without_effect(networks)
    for discriminator in model.discriminators.values():
        idle += [scale.to_logits.bias for scale in discriminator.scales]
    for bias in idle:
        bias.trainable = False
start = [np.array(v) for v in model.variables]
found = {f"start/{i:04d}": value for i, value in enumerate(start)}
many = [draw(number) for number in range(draws)]
stacked = {key: np.stack([batch[key] for batch in many]) for key in many[0]}
data = tf.data.Dataset.from_tensor_slices(stacked)
data = data.flat_map(lambda batch: tf.data.Dataset.from_tensors(batch).repeat(steps))
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
data = data.with_options(options)
optimizers = model.generator_optimizer, model.discriminator_optimizer
if mode == "fit":
    with strategy.scope():
        history = model.fit(data, epochs=1, shuffle=False, verbose=0).history
    found |= {f"0/terms/{name}": values[0] for name, values in history.items()}
    found |= {f"0/end/{i:04d}/{v.path}": np.array(v) for i, v in enumerate(model.variables)}
else:
    iterator = iter(strategy.experimental_distribute_dataset(data))
    update = CompiledStep(strategy, model.step)
    size = config.train.steps_per_execution
    for number in range(draws):
        if number:
            for variable, value in zip(model.variables, start):
                variable.assign(value)
            for variable in (v for o in optimizers for v in o.variables):
                if variable.name != "learning_rate":
                    variable.assign(np.zeros(variable.shape, variable.dtype))
        logs = [update(iterator, min(size, steps - n)) for n in range(0, steps, size)]
        terms = dict(sum(logs[1:], logs[0]))
        found |= {f"{number}/terms/{name}": value for name, value in terms.items()}
        values = ((i, v.path, np.array(v)) for i, v in enumerate(model.variables))
        found |= {f"{number}/end/{i:04d}/{path}": value for i, path, value in values}
counts = len(model.generator.trainable_variables), len(model.discriminator_variables)
found["slots"] = [len(o.variables) - n for o, n in zip(optimizers, counts)]
found["replicas"] = strategy.num_replicas_in_sync
if is_chief(strategy):
    np.savez(file, **found)
"""
COMMON = {
    "image_height": 32,
    "image_width": 32,
    "filters": 4,
    "spade_hidden": 4,
    "discriminator_filters": 4,
    "discriminator_layers": 3,
    "residual_blocks": 1,
    "global_batch_size": 4,
    "lambda_perceptual": 0.0,
    "lambda_l1": 1.0,
    "lambda_tv": 1e-6,
    "initializer": "normal",
    "implementation": "dense",  # the graph of every device is built in half the time
}
CROSS_VIEW = COMMON | {
    "dataset": "town_cross_view",
    "global_generator": "resnet",
    "residual_blocks_in": "encoder",
    "discriminator": "patch",
    "discriminator_views": "semantic,source",
    "gan_loss": "cross_entropy",
    "merge": "sum",
}
SEMANTIC = COMMON | {"latent_stride": 16, "update_order": "generator_first"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(settings, devices or workers, how) -> what the script found.

    What one device finds is computed once.
    """
    known = {}

    def train(settings, devices=1, mode="step", precision="float32", optimizer="sgd", steps=2,
              workers=1, calm=False, draws=1, strategy=None):  # fmt: skip
        several = "multi_worker" if workers > 1 else "mirrored" if devices > 1 else "one"
        strategy = strategy or several
        how = [mode, precision, optimizer, steps, calm, draws]
        key = json.dumps([settings, devices, workers, strategy, how])
        if key not in known:
            file = tmp_path_factory.mktemp("replicas") / "found.npz"
            told = [settings | {"strategy": strategy}, str(file), *how]
            script = child_process.LOGICAL_CPUS + SCRIPT
            arguments = ["-W", "error::UserWarning:keras", "-c", script, devices, json.dumps(told)]
            if strategy == "multi_worker":
                configs = child_process.cluster(child_process.free_ports(workers))
                child_process.finish(
                    *(child_process.start(*arguments, TF_CONFIG=text) for text in configs)
                )
            else:
                child_process.run(*arguments)
            known[key] = dict(np.load(file))
        return known[key]

    return train


def apart(one, two, prefix):
    """Largest difference and its variable, relative to values above 1."""
    names = [n for n in one if n.startswith(prefix)]
    assert names and set(names) <= set(two)
    found = {
        n: float((np.abs(one[n] - two[n]) / np.maximum(np.abs(one[n]), 1.0)).max()) for n in names
    }
    return max(found.items(), key=lambda item: item[1])


def compare(one, two, replicas, draw=0):
    assert (one["replicas"], two["replicas"]) == (1, replicas)
    assert apart(one, two, "start/")[1] == 0.0
    ends = [name for name in one if name.startswith(f"{draw}/end/")]
    moved = [np.abs(one[name] - one[f"start/{name.split('/')[2]}"]).max() for name in ends]
    assert max(moved) > 1e-4
    name, difference = apart(one, two, f"{draw}/end/")
    assert difference < 1e-5, (name, difference)
    terms = [name for name in one if name.startswith(f"{draw}/terms/")]
    assert len(terms) > 6
    for name in terms:
        assert float(two[name]) == pytest.approx(float(one[name]), rel=1e-4, abs=1e-6), name


def compare_draws(one, two, replicas, draws):
    """At least one of several batches leaves the same weights.

    All do in double precision. In single precision the sum of parts is not bit for bit the sum of
    the whole, and where that turns the sign of a unit at a kink (ReLU, hinge), the weights go other
    ways: one device parts from itself alike when its images come in another order. Chance spares
    some batches and a fault would spare none.
    """
    differences = [apart(one, two, f"{draw}/end/") for draw in range(draws)]
    best = min(range(draws), key=lambda draw: differences[draw][1])
    print(f"{sum(d < 1e-5 for _, d in differences)} of {draws} batches within 1e-5")
    compare(one, two, replicas, best)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_devices_equal_one(trained, devices, optimizer):
    """Five steps in single precision, with Adam at the recipes' rates."""
    how = {"optimizer": optimizer, "steps": 5, "calm": optimizer == "adam"}
    compare(trained(CROSS_VIEW, **how), trained(CROSS_VIEW, devices, **how), devices)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["mirrored", "multi_worker"])
def test_a_strategy_of_one_device_equals_none(trained, strategy):
    """Who writes `MirroredStrategy()` and has one GPU, or names one host in TF_CONFIG."""
    how = {"optimizer": "adam", "steps": 5, "calm": True}
    compare(trained(CROSS_VIEW, **how), trained(CROSS_VIEW, strategy=strategy, **how), 1)


@pytest.mark.slow
def test_two_workers_equal_one_device(trained):
    compare(trained(CROSS_VIEW, steps=5), trained(CROSS_VIEW, workers=2, steps=5), 2)


@pytest.mark.slow
def test_batch_statistics_and_spectral_vectors(trained):
    """In double precision; batch norms that are not synchronised are off by 0.4."""
    settings = SEMANTIC | {"implementation": "auto"}
    how = {"precision": "float64", "steps": 2}
    compare(trained(settings, **how), trained(settings, 2, **how), 2)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("parts", [{"devices": 2}, {"devices": 4}, {"workers": 2}])
def test_batch_statistics_and_spectral_vectors_in_single_precision(trained, parts, optimizer):
    """Five steps at the recipes' rates."""
    how = {"optimizer": optimizer, "steps": 5, "calm": True, "draws": 12}
    one, two = trained(SEMANTIC, **how), trained(SEMANTIC, **parts, **how)
    vectors = [name for name in one if name.startswith("0/end/") and "/vector_" in name]
    assert len(vectors) > 30
    assert max(np.abs(one[v] - one[f"start/{v.split('/')[2]}"]).max() for v in vectors) > 1e-3
    compare_draws(one, two, max(parts.values()), 12)


@pytest.mark.slow
def test_fit_on_two_devices(trained):
    """The end of data of unknown length is found by a step without any, which must not count."""
    one, two = trained(CROSS_VIEW, mode="fit"), trained(CROSS_VIEW, 2, mode="fit")
    compare(one, two, 2)
    compare(one, trained(CROSS_VIEW, mode="fit", strategy="mirrored"), 1)
    compare(one, trained(CROSS_VIEW), 1)
    assert two["slots"].tolist() == [2, 2]  # besides one per variable: the step and the rate


@pytest.mark.slow
def test_the_average_and_the_pool_are_those_of_one_device(trained):
    """Five steps of four images: the pool of six is full after two, and exchanged from then on."""
    extras = {"ema_decay": 0.5, "pool_size": 6, "discriminator_steps": 2}
    one, two = (trained(CROSS_VIEW | extras, devices, steps=5) for devices in (1, 2))
    compare(one, two, 2)
    kept = [name for name in one if name.startswith("0/end/") and "image_pool" in name]
    averages = [name for name in one if name.startswith("0/end/") and "average_0" in name]
    assert len(kept) == 7 and len(averages) > 20, (kept, averages)
    held = next(one[name] for name in kept if name.endswith("/held"))
    assert held == 6


@pytest.mark.slow
def test_several_steps_in_one_call_and_a_clipped_norm(trained):
    settings = CROSS_VIEW | {"clip_norm": 0.5}
    one = trained(settings, steps=5)
    compare(one, trained(settings | {"steps_per_execution": 3}, 2, steps=5), 2)
    assert apart(one, trained(CROSS_VIEW, steps=5), "0/end/")[1] > 1e-3
