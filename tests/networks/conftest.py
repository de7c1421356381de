import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def randomize():
    """Kernels large enough that every part of a network shows in its result."""

    def fill(network, seed=1):
        rng = np.random.default_rng(seed)
        for variable in network.trainable_variables:
            fan_in = max(1, int(np.prod(variable.shape[:-1])))
            deviation = 0.3 if len(variable.shape) < 3 else fan_in**-0.5
            variable.assign(rng.normal(0, deviation, variable.shape))

    return fill
