import pytest
import tensorflow as tf

from lggan_tf.losses.adversarial import (
    cross_entropy_loss,
    least_squares_loss,
    multiscale_adversarial_loss,
)

NAME = "gan_losses"
# The authors' word, ours; their Wasserstein mode is not offered.
MODES = [("ls", "least_squares"), ("original", "cross_entropy"), ("hinge", "hinge")]


@pytest.fixture(scope="module")
def arrays(reference):
    return reference.arrays(NAME)


@pytest.mark.parametrize("real", [True, False])
def test_cross_view(reference, arrays, real):
    """On probabilities there; our cross entropy takes their logits."""
    probabilities = arrays["input_cross_prob"]
    logits = tf.math.log(probabilities) - tf.math.log1p(-probabilities)
    kind = "real" if real else "fake"
    ours = {
        f"cross_bce_{kind}": cross_entropy_loss(logits, real),
        f"cross_lsgan_{kind}": least_squares_loss(tf.constant(probabilities), real),
    }
    for tensor, loss in ours.items():
        reference.compare(NAME, tensor, loss, arrays[tensor], 1e-6)


@pytest.mark.parametrize("theirs, ours", MODES)
def test_semantic(reference, arrays, theirs, ours):
    maps = [[tf.constant(arrays[f"input_sem_map_{scale}"])] for scale in "ab"]
    for real, for_generator in ((True, True), (True, False), (False, False)):
        kind = f"{'real' if real else 'fake'}_for{'G' if for_generator else 'D'}"
        tensor = f"sem_{theirs}_{kind}"
        loss = multiscale_adversarial_loss(ours, maps, real, for_generator)
        reference.compare(NAME, tensor, loss, arrays[tensor], 1e-6)
