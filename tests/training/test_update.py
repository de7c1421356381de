"""Clipping and loss scale over two devices; accumulation; steps in one call."""

import dataclasses
import json

import child_process
import keras
import numpy as np
import pytest
import tensorflow as tf
from without_effect import biases_without_effect

from lggan_tf.config import Config
from lggan_tf.errors import UserError
from lggan_tf.layers.spectral import SpectralConv2D
from lggan_tf.training.accumulation import accumulate, split
from lggan_tf.training.build import build_lggan
from lggan_tf.training.compiled_step import CompiledStep
from lggan_tf.training.guard import Guard
from lggan_tf.training.strategy import build_strategy
from lggan_tf.training.update import with_loss_scale

# Two devices with the gradients g and 3 g of two variables.
SCRIPT = """
import json
import keras, numpy as np
from lggan_tf.runs.adam import Adam
from lggan_tf.training.guard import Guard
from lggan_tf.training.update import with_loss_scale

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def run(clip_norm, scaled, overflows, adam=False):
    with strategy.scope():
        variables = [keras.Variable([1.0, 1.0]), keras.Variable(1.0)]
        optimizer = Adam(1.0, 0.5, 0.5) if adam else keras.optimizers.SGD(1.0)
        if scaled:
            optimizer = with_loss_scale(optimizer)
            optimizer.initial_scale = 16.0
        optimizer.build(variables)
        guard = Guard({'net': ('loss',)})

    def step(overflows):
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        factor = 1.0 + 2.0 * tf.cast(number, "float32")
        loss = optimizer.scale_loss(factor)
        loss = tf.where(overflows & (number == 1), np.inf, loss)
        gradients = [loss * tf.constant([0.25, 0.5]), loss * tf.constant(0.5)]
        terms = {"loss": tf.constant(1.0)}
        metrics = guard.update("net", optimizer, terms, gradients, variables, clip_norm)
        return metrics["metric/gradient_norm_net"]

    update = tf.function(lambda flag: strategy.reduce("SUM", strategy.run(step, (flag,)), None))
    found = []
    for flag in overflows:
        norm = float(update(tf.constant(flag)))
        shown = optimizer._momentums if adam else variables
        local = [strategy.experimental_local_results(v.value) for v in shown]
        values = [[np.asarray(v).tolist() for v in copies] for copies in local]
        scale = ([float(v) for v in strategy.experimental_local_results(
            optimizer.dynamic_scale.value)] if scaled else None)
        found.append((values, scale, norm))
    return found


print(json.dumps([run(0.0, False, [False]), run(1.5, False, [False]),
                  run(0.0, True, [False, True, False]), run(1.5, True, [False]),
                  run(0.0, False, [False], True)]))
"""


def test_two_devices_agree_on_clip_and_overflow():
    script = child_process.LOGICAL_CPUS + SCRIPT
    out = child_process.run("-W", "ignore", "-c", script, 2)
    plain, clipped, scaled, both, adam = json.loads(out.splitlines()[-1])
    # The sum is 4 (0.25, 0.5 | 0.5), of norm 3: clipped to 1.5, 2 (0.25, 0.5 | 0.5).
    whole, half = [[[0.0, -1.0]] * 2, [-1.0] * 2], [[[0.5, 0.0]] * 2, [0.0] * 2]
    assert plain == [[whole, None, 3.0]] and clipped == [[half, None, 3.0]]
    assert both == [[half, [16.0, 16.0], 3.0]]
    # Half of the sum: the first moment, which begins at 0.
    assert adam == [[[[[0.5, 1.0]] * 2, [1.0] * 2], None, 3.0]]
    first, overflow, last = scaled
    assert first == [whole, [16.0, 16.0], 3.0]
    # One device alone overflowed: both keep their weights and lower the scale.
    assert overflow[:2] == [whole, [8.0, 8.0]] and not np.isfinite(overflow[2])
    assert last == [[[[-1.0, -3.0]] * 2, [-3.0] * 2], [8.0, 8.0], 3.0]


RESTORED = """
import json
import numpy as np
from lggan_tf.layers.normalization import BatchNorm
from lggan_tf.layers.spectral import SpectralConv2D
from lggan_tf.training.update import restore_unless

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    norm, convolution = BatchNorm(), SpectralConv2D(4, 3)
    norm.build((None, 8, 8, 2))
    convolution.build((None, 8, 8, 2))
moving = norm.non_trainable_variables + convolution.non_trainable_variables

@tf.function
def run(allowed):
    def step():
        before = [tf.identity(v.value) for v in moving]
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        x = tf.random.stateless_uniform((2, 8, 8, 2), (1, number))
        convolution(norm(x, training=True), training=True)
        restore_unless(allowed, moving, before)
    strategy.run(step)

def copies():
    local = [strategy.experimental_local_results(v.value) for v in moving]
    return [[np.array(value) for value in both] for both in local]

def same(one, two):
    return [all(np.array_equal(a, b) for a, b in zip(*pair)) for pair in zip(one, two)]

start = copies()
run(tf.constant(False))
kept = same(start, copies())
run(tf.constant(True))
print(json.dumps({
    "kept": kept, "moved": same(start, copies()), "copies": [len(both) for both in start]}))
"""


@pytest.mark.slow
def test_two_devices_give_back_what_a_step_moved():
    script = child_process.LOGICAL_CPUS + RESTORED
    told = json.loads(child_process.run("-W", "ignore", "-c", script, 2).splitlines()[-1])
    # Two statistics and two spectral vectors.
    assert told == {"kept": [True] * 4, "moved": [False] * 4, "copies": [2] * 4}


def test_a_variable_without_a_gradient_stays():
    variables = [keras.Variable(1.0), keras.Variable(1.0)]
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(variables)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        guard = Guard({"net": ("loss",)})
        terms, gradients = {"loss": tf.constant(1.0)}, [tf.constant(2.0), None]
        guard.update("net", optimizer, terms, gradients, variables, clip_norm=1.0)
    assert [float(v) for v in variables] == [0.0, 1.0]


def test_the_loss_scale_is_put_on_once():
    scaled = with_loss_scale(keras.optimizers.SGD())
    assert isinstance(scaled, keras.optimizers.LossScaleOptimizer)
    assert with_loss_scale(scaled) is scaled


def test_a_batch_in_parts():
    batch = {"a": tf.range(6), "b": tf.reshape(tf.range(12), (6, 2))}
    parts = split(batch, 3)
    assert [part["a"].numpy().tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    assert parts[2]["b"].numpy().tolist() == [[8, 9], [10, 11]]
    with pytest.raises(ValueError, match="6 images cannot be shared evenly by 4"):
        split(batch, 4)
    firsts = []

    def gradients_of(part, is_first):
        firsts.append(is_first)
        return {"t": tf.reduce_sum(part["a"])}, [part["a"], None]

    terms, gradients = accumulate(parts, gradients_of)
    assert firsts == [True, False, False] and int(terms["t"]) == 15
    assert gradients[0].numpy().tolist() == [6, 9] and gradients[1] is None


@pytest.mark.parametrize("order", ["discriminator_first", "generator_first"])
def test_accumulated_parts_update_as_the_whole(plain, random_batch, classes, order):
    """No batch norm; spectral vectors move once; classes are not spread evenly over the images.

    In float64: in float32 rounding makes some activation change sides at zero.
    """
    settings = plain | {
        "update_order": order, "discriminator": "multiscale", "global_batch_size": 4,
        "lambda_tv": 1e-6, "lambda_l1": 1.0,
    }  # fmt: skip
    found = []
    for parts in (1, 2):
        keras.backend.clear_session()
        config = Config.from_flat(settings).check()
        train = dataclasses.replace(config.train, precision="float64")  # no setting of a run
        model = build_lggan(dataclasses.replace(config, train=train), classes, 10)
        batch = dict(random_batch(config, classes, 4))
        labels = np.array(batch["labels"])
        labels[2:] = 1
        batch["labels"] = tf.constant(labels)
        rates = [keras.optimizers.SGD(0.05) for _ in range(2)]
        model.compile(*rates, model.objective, accumulate_steps=parts, clip_norm=1.0)
        start = [np.array(v) for v in model.variables]
        terms = tf.function(model.step)(batch)
        found.append((terms, start, [np.array(v) for v in model.variables]))
    (one, start, whole), (two, start_two, parted) = found
    for a, b in zip(start, start_two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert max(np.abs(a - b).max() for a, b in zip(start, whole, strict=True)) > 1e-3
    for variable, a, b in zip(model.variables, whole, parted, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-5, rtol=1e-5, err_msg=variable.path)
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert float(two[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), name
    # Both survive a round trip through the saved configuration.
    saved = model.get_compile_config()
    assert (saved["accumulate_steps"], saved["clip_norm"]) == (2, 1.0)


SPADE = {"image_height": 32, "image_width": 32, "latent_stride": 16}
NETWORKS = {
    "semantic": SPADE,
    "cross_view": {
        "dataset": "town_cross_view",
        "image_height": 32,
        "image_width": 32,
        "global_generator": "resnet",
        "residual_blocks_in": "encoder",
        "merge": "sum",
        "discriminator": "patch",
        "discriminator_layers": 3,
        "discriminator_views": "semantic,source",
        "gan_loss": "cross_entropy",
    },
    "phone": SPADE | {"local_rank": 2, "implementation": "dense"},
}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_steps_in_half_precision(tiny, classes, random_batch, kind, precision):
    """All weights move, and what spectral normalisation keeps is as exact as in float32.

    An update that float16's scale skips counts for no learning rate.
    """
    settings = tiny | NETWORKS[kind] | {"precision": precision, "beta_1": 0.5, "epochs": 1}
    config = Config.from_flat(settings).check()
    model = build_lggan(config, classes, 10)
    optimizers = model.generator_optimizer, model.discriminator_optimizer
    is_scaled = precision == "mixed_float16"
    assert is_scaled == all(isinstance(o, keras.optimizers.LossScaleOptimizer) for o in optimizers)
    before = [np.array(v) for v in model.variables]
    step, batch, skipped = tf.function(model.step), random_batch(config, classes), 0
    for _ in range(16):  # the scale falls until nothing overflows
        count = int(model.generator_optimizer.iterations)
        terms = step(batch)
        is_skipped = int(model.generator_optimizer.iterations) == count
        skipped += is_skipped
        norm = float(terms.pop("metric/gradient_norm_generator"))
        assert np.isfinite(norm) != is_skipped
        assert np.isfinite([float(v) for n, v in terms.items() if "norm" not in n]).all()
    assert skipped > 0 if is_scaled else skipped == 0
    inner = getattr(model.generator_optimizer, "inner_optimizer", model.generator_optimizer)
    assert int(inner.iterations) == 16 - skipped
    after = [np.array(v) for v in model.variables]
    assert all(np.isfinite(v).all() for v in after)
    networks = model.generator, *model.discriminators.values()
    spectral = [
        layer
        for network in networks
        for layer in network._flatten_layers()
        if isinstance(layer, SpectralConv2D)
    ]
    assert (len(spectral) > 0) == (kind != "cross_view")
    for layer in spectral:
        u, v = (np.array(w, "float64") for w in (layer.vector_u, layer.vector_v))
        assert [np.linalg.norm(u), np.linalg.norm(v)] == pytest.approx([1, 1], abs=1e-6)
        # Both are rounded where they are read in 16 bits.
        assert not np.array_equal(u, np.array(tf.cast(tf.cast(u, "bfloat16"), "float64")))
    idle = {id(v) for v in biases_without_effect(networks)}
    still = [
        v.path
        for v, a, b in zip(model.variables, before, after, strict=True)
        if v.trainable and id(v) not in idle and np.array_equal(a, b)
    ]
    assert still == []


@pytest.mark.parametrize("scaled", [False, True])
def test_an_update_under_a_strategy_of_one_device(scaled):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        variable = keras.Variable([1.0, 1.0])
        optimizer = keras.optimizers.SGD(1.0)
        optimizer = with_loss_scale(optimizer) if scaled else optimizer
        optimizer.build([variable])
        guard = Guard({"net": ("loss",)})

    def step(loss):
        guard.begin_step()
        gradients = [optimizer.scale_loss(loss) * tf.constant([0.25, 0.5])]
        guard.update("net", optimizer, {"loss": loss}, gradients, [variable], 0.0)

    update = tf.function(lambda loss: strategy.run(step, (loss,)))
    for loss, expected in ((1.0, [0.75, 0.5]), (np.inf, [0.75, 0.5])):
        update(tf.constant(loss))
        np.testing.assert_array_equal(variable, expected)


EXTRAS = {"ema_decay": 0.5, "pool_size": 4, "discriminator_steps": 2, "clip_norm": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("extras", [EXTRAS, {"accumulate_steps": 2}], ids=["extras", "parts"])
def test_a_strategy_of_one_device_makes_the_same_step(plain, classes, random_batch, extras):
    config = Config.from_flat(plain | extras).check()
    batch, found = random_batch(config, classes), []
    mirrored = tf.distribute.MirroredStrategy(["CPU:0"])
    for strategy in (tf.distribute.get_strategy(), mirrored):
        keras.backend.clear_session()
        with strategy.scope():
            model = build_lggan(config, classes, 10)
            rates = [keras.optimizers.SGD(0.05) for _ in range(2)]
            options = {"clip_norm": model.clip_norm, "accumulate_steps": model.accumulate_steps}
            model.compile(*rates, model.objective, **options)
        start = [np.array(v) for v in model.variables]
        terms = CompiledStep(strategy, model.step)(iter([batch]))
        found.append((dict(terms), [np.array(v) for v in model.variables]))
        moved = [np.abs(a - b).max() for a, b in zip(start, found[-1][1], strict=True)]
        assert max(moved) > 1e-3
    (alone, weights), (terms, same) = found
    assert terms == pytest.approx(alone, rel=1e-4, abs=1e-6)
    for a, b in zip(weights, same, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-6)


def test_several_steps_in_a_call():
    total = tf.Variable(0.0)

    def step(batch):
        total.assign(total * 2.0 + batch["x"])
        return {"x": batch["x"], "total": tf.identity(total)}

    results = []
    for size in (1, 3):
        total.assign(0.0)
        data = tf.data.Dataset.counter().map(lambda n: {"x": tf.cast(n, "float32")})
        update, iterator = CompiledStep(tf.distribute.get_strategy(), step), iter(data)
        calls = [3, 3, 1] if size == 3 else [1] * 7
        logs = [update(iterator, count) for count in calls]
        results.append((dict(sum(logs[1:], logs[0])), float(total)))
    assert results[0] == results[1] and results[0][0]["x"] == 3.0


def test_a_step_compiled_by_xla():
    data = tf.data.Dataset.counter(1).map(lambda n: {"x": tf.cast(n, "float32")})

    def step(batch):
        return {"x": batch["x"] * 2.0, "y": tf.constant(1.0)}

    update = CompiledStep(tf.distribute.get_strategy(), step, jit_compile=True)
    iterator = iter(data)
    assert [dict(update(iterator)) for _ in range(2)] == [
        {"x": 2.0, "y": 1.0},
        {"x": 4.0, "y": 1.0},
    ]


CONFIG = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}}


@pytest.mark.parametrize(
    ("settings", "environment", "words"),
    [
        ({"strategy": "multi_worker"}, "", "needs the environment variable TF_CONFIG"),
        ({}, "{", "TF_CONFIG={ does not name the hosts"),
        ({}, json.dumps(CONFIG), "does not name the hosts .*KeyError: 'task'"),
        ({}, json.dumps(CONFIG | {"task": {"type": "worker", "index": 2}}), "should look like"),
        ({"strategy": "one", "global_batch_size": 6, "accumulate_steps": 4}, "",
         "--global_batch_size=6 cannot be shared evenly by 1 device in --accumulate_steps=4 parts; "
         "make it a multiple of 4"),
        ({"strategy": "tpu", "implementation": "dense"}, "",
         "--strategy=tpu: no TPU was found .* TPU_NAME"),
    ],
)  # fmt: skip
def test_devices_that_there_are_not(monkeypatch, settings, environment, words):
    monkeypatch.setenv("TF_CONFIG", environment)
    config = Config.from_flat({"lambda_perceptual": 0.0} | settings).check()
    with pytest.raises(UserError, match=words):
        build_strategy(config.train)


def test_devices_that_cannot_share():
    script = child_process.LOGICAL_CPUS + (
        "from lggan_tf.settings import TrainConfig\n"
        "from lggan_tf.errors import UserError\n"
        "from lggan_tf.training.strategy import build_strategy\n"
        "for own in ({'global_batch_size': 5}, {'jit_compile': True}):\n"
        "    try:\n"
        "        build_strategy(TrainConfig(strategy='mirrored', **own))\n"
        "    except UserError as error:\n"
        "        print(error)\n"
    )
    uneven, compiled = child_process.run("-c", script, 2).splitlines()[-2:]
    assert uneven.startswith("--global_batch_size=5 cannot be shared evenly by 2 devices; make it")
    assert compiled.startswith("--jit_compile does not work on 2 CPU devices")
