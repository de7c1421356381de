"""The class-specific convolution on two devices: each its half of the batch, gradients summed."""

import json

import child_process
import pytest

SCRIPT = """
import json, sys
import numpy as np
from lggan_tf.layers.class_specific import ClassSpecificConv2D

rng = np.random.default_rng(0)
labels = rng.integers(0, 6, (4, 6, 6)).repeat(2, 1).repeat(2, 2).astype("int32")
labels[2:] %= 2  # the second device's half has fewer classes
features, target = rng.normal(size=(4, 12, 12, 3)), rng.normal(size=(4, 12, 12, 3))


def run(strategy):
    with strategy.scope():
        layer = ClassSpecificConv2D(
            3, 5, 5, merge="conv", implementation=sys.argv[1], dtype="float64"
        )
        layer.build((None, None, None, 3))
    weights = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign(weights.normal(0, 0.3, variable.shape))

    @tf.function
    def gradients(features, labels, target):
        variables = [variable.value for variable in layer.trainable_variables]

        def own_part(features, labels, target):
            with tf.GradientTape() as tape:
                image, class_l1 = layer(features, labels, target=target)
                loss = tf.reduce_sum(image**2) + tf.reduce_sum(class_l1)
            return tape.gradient(loss, variables)

        parts = strategy.run(own_part, (features, labels, target))
        return [strategy.reduce("SUM", part, None) for part in parts]

    data = tf.data.Dataset.from_tensors((features, labels, target)).unbatch().batch(4)
    (batch,) = strategy.experimental_distribute_dataset(data)
    return gradients(*batch)


devices = [device.name for device in tf.config.list_logical_devices("CPU")]
two, one = (run(s) for s in (tf.distribute.MirroredStrategy(devices), tf.distribute.get_strategy()))
print(json.dumps([float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(two, one)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["auto", "sorted"])
def test_two_devices_equal_one(implementation):
    out = child_process.run("-c", child_process.LOGICAL_CPUS + SCRIPT, 2, implementation)
    differences = json.loads(out.splitlines()[-1])
    assert len(differences) == 4 and max(differences) < 1e-12
