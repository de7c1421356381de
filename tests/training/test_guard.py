"""Updates that are not finite are left out, and the first one is named exactly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import lggan_tf
from lggan_tf.training.guard import Guard

INF, NAN = float("inf"), float("nan")


class Bench:
    """D and G of three weights each; the loss of either is a * sum(w) + b * sum(w^2)."""

    def __init__(self):
        self.weights = {n: keras.Variable(np.ones(3), dtype="float32") for n in ("d", "g")}
        self.optimizers = {n: keras.optimizers.Adam(0.1) for n in ("d", "g")}
        for name, optimizer in self.optimizers.items():
            optimizer.build([self.weights[name]])
        self.guard = Guard({"d": ("d_a", "d_b"), "g": ("g_a", "g_b")})
        self.run = tf.function(self.step)

    def step(self, factors):
        self.guard.begin_step()
        metrics = {}
        for name in ("d", "g"):
            with tf.GradientTape() as tape:
                w = tf.convert_to_tensor(self.weights[name])
                tape.watch(w)
                a, b = factors[name][0] * tf.reduce_sum(w), factors[name][1] * tf.reduce_sum(w**2)
                loss = a + b
            terms = {f"{name}_b": b, f"{name}_a": a}
            gradients = [tape.gradient(loss, w)]
            metrics |= self.guard.update(
                name, self.optimizers[name], terms, gradients, [self.weights[name]]
            )
        return metrics

    def state(self):
        variables = [*self.weights.values()]
        for optimizer in self.optimizers.values():
            variables += optimizer.variables
        return [np.array(v) for v in variables]


def factors(d=(1.0, 0.5), g=(1.0, 0.5)):
    return {"d": tf.constant(d), "g": tf.constant(g)}


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_updates_that_are_finite_are_adams():
    bench, plain = Bench(), keras.Variable(np.ones(3), dtype="float32")
    adam = keras.optimizers.Adam(0.1)
    adam.build([plain])
    bench.guard.start(0)
    for step in range(3):
        metrics = bench.run(factors())
        if step == 0:
            # Gradients 1 + 2 * 0.5 * 1, three of them.
            norm = metrics["metric/gradient_norm_g"]
            assert float(norm) == pytest.approx(np.sqrt(3 * 2.0**2))
        adam.apply([1.0 + tf.convert_to_tensor(plain)], [plain])
    assert bench.guard.failure() is None
    np.testing.assert_array_equal(bench.weights["g"], plain)


@pytest.mark.parametrize(
    ("wrong", "culprit", "moved"),
    [
        ({"d": (NAN, 0.5)}, "d_a", []),
        ({"d": (1.0, INF)}, "d_b", []),
        ({"d": (NAN, NAN)}, "d_a", []),
        # D's own update of that step is made: nothing was wrong with it.
        ({"g": (1.0, NAN)}, "g_b", ["d"]),
        # Terms that are finite: 3e38 * 0.1 is, its gradient's square is not.
        ({"g": (3e37, 0.0)}, "gradients of g", ["d"]),
    ],
)
def test_the_first_failure_is_named_and_all_stays_as_it_was(wrong, culprit, moved):
    bench = Bench()
    bench.guard.start(7)
    bench.run(factors())
    before = bench.state()
    bench.run(factors(**wrong))
    after = bench.state()
    for name in ("d", "g"):
        is_same = np.array_equal(before[name == "g"], after[name == "g"])
        assert is_same == (name not in moved)
    # What follows, be it finite or not, neither trains nor takes the blame.
    bench.run(factors())
    bench.run(factors(d=(NAN, NAN), g=(NAN, NAN)))
    assert same(after, bench.state()) and np.isfinite(np.concatenate(after, axis=None)).all()
    failure = bench.guard.failure()
    assert (failure.step, failure.culprit, list(failure.updated)) == (9, culprit, moved)
    assert not np.isfinite(failure.values[culprit])
    if "g" in wrong:
        assert failure.values["d_b"] == pytest.approx(float(0.5 * np.sum(before[0] ** 2)), rel=1e-6)


def test_a_guard_that_starts_again():
    bench = Bench()
    bench.run(factors(d=(NAN, 0.0)))
    assert bench.guard.failure().step == 1
    bench.guard.start(0)
    before = bench.state()
    bench.run(factors())
    assert bench.guard.failure() is None and not same(before, bench.state())


def test_a_gradient_that_no_loss_scale_makes_finite():
    """The scale is halved from 8 to 1, which is no failure; at 1 it is the gradient's fault."""
    variables = [keras.Variable(np.ones(2), dtype="float32")]
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0), initial_scale=8.0)
    optimizer.build(variables)
    guard = Guard({"g": ("a",)})
    gradients = [tf.constant([1.0, NAN])]
    found = []
    for _ in range(5):
        guard.begin_step()
        guard.update("g", optimizer, {"a": tf.constant(1.0)}, gradients, variables)
        found.append(guard.failure())
    assert found[:3] == [None] * 3 and found[3] is not None
    assert (found[3].step, found[3].culprit) == (4, "gradients of g")
    np.testing.assert_array_equal(variables[0], [1.0, 1.0])


def test_an_update_that_was_made_before_another_of_the_same_network():
    """With two steps of D the first is in the weights if the second fails."""
    variables = [keras.Variable(np.ones(2), dtype="float32")]
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(variables)
    guard = Guard({"d": ("a",)})
    for losses in ((1.0, 1.0), (1.0, NAN)):
        guard.begin_step()
        for loss in losses:
            guard.update("d", optimizer, {"a": tf.constant(loss)}, [tf.ones([2])], variables)
    failure = guard.failure()
    assert (failure.step, failure.culprit, failure.updated) == (2, "a", ("d",))


def test_gradients_of_what_has_no_influence():
    """Keras leaves such variables alone, and so does the norm."""
    variables = [keras.Variable(np.ones(2), dtype="float32") for _ in range(2)]
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(variables)
    guard = Guard({"g": ("a",)})
    gradients = [tf.constant([3.0, 4.0]), None]
    with pytest.warns(UserWarning, match="Gradients do not exist|gradient"):
        metrics = guard.update("g", optimizer, {"a": tf.constant(1.0)}, gradients, variables)
    assert float(metrics["metric/gradient_norm_g"]) == 5.0
    np.testing.assert_array_equal(variables[0], [-2.0, -3.0])


# Logical devices must be there before TensorFlow looks at the machine: a process of its own.
SCRIPT = """
import json, sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, sys.argv[1])
from test_guard import Bench, factors

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    bench = Bench()

@tf.function
def run(factors):
    return strategy.run(bench.step, (factors,))

def shares(first, second):
    pairs = zip(tf.nest.flatten(first), tf.nest.flatten(second))
    split = [
        strategy.experimental_distribute_values_from_function(
            lambda c, pair=pair: pair[c.replica_id_in_sync_group]
        )
        for pair in pairs
    ]
    return tf.nest.pack_sequence_as(first, split)

run(shares(factors(), factors()))
good = bench.state()
run(shares(factors(), factors(g=(1.0, float("nan")))))
bad = bench.state()
run(shares(factors(), factors()))
end, failure = bench.state(), bench.guard.failure()
print(json.dumps({
    "first": good[1].tolist(), "g_stays": (good[1] == bad[1]).all().item(),
    "d_moves": (good[0] != bad[0]).all().item(),
    "frozen": all((a == b).all() for a, b in zip(bad, end)),
    "failure": [failure.step, failure.culprit],
}))
"""


@pytest.mark.slow
def test_one_device_of_two_that_is_not_finite_stops_both():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)],
        env=os.environ | {"PYTHONPATH": str(Path(lggan_tf.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("first") == pytest.approx([0.9] * 3, abs=1e-5)
    assert told == {"g_stays": True, "d_moves": True, "frozen": True, "failure": [2, "g_b"]}
