import pytest
import tensorflow as tf

from lggan_tf.losses.adversarial import (
    cross_entropy_loss,
    hinge_generator_loss,
    least_squares_loss,
    multiscale_adversarial_loss,
)

NAME = "gan_losses"
# The authors' word, ours; their Wasserstein mode is not offered.
MODES = [("ls", "least_squares"), ("original", "cross_entropy"), ("hinge", "hinge")]


@pytest.fixture(scope="module")
def arrays(reference):
    return reference.arrays(NAME)


@pytest.fixture(scope="module")
def maps(arrays):
    return [[tf.constant(arrays[f"input_sem_map_{scale}"])] for scale in "ab"]


@pytest.fixture(scope="module")
def compare(reference, arrays):
    """To 1e-4 of the loss, and where it is near 0 to rounding."""

    def run(tensor, loss):
        reference.compare(NAME, tensor, loss, arrays[tensor], 1e-4 * abs(arrays[tensor]) + 1e-8)

    return run


@pytest.mark.parametrize("real", [True, False])
def test_cross_view(arrays, compare, real):
    """On probabilities there; our cross entropy takes their logits."""
    probabilities = arrays["input_cross_prob"]
    logits = tf.math.log(probabilities) - tf.math.log1p(-probabilities)
    kind = "real" if real else "fake"
    compare(f"cross_bce_{kind}", cross_entropy_loss(logits, real))
    compare(f"cross_lsgan_{kind}", least_squares_loss(tf.constant(probabilities), real))


@pytest.mark.parametrize("theirs, ours", MODES)
def test_semantic(compare, maps, theirs, ours):
    for real, for_generator in ((True, True), (True, False), (False, False)):
        kind = f"{'real' if real else 'fake'}_for{'G' if for_generator else 'D'}"
        loss = multiscale_adversarial_loss(ours, maps, real, for_generator)
        compare(f"sem_{theirs}_{kind}", loss)


def test_towards_fake_for_the_generator(compare, maps):
    """Which nothing asks for: the authors have it, but for hinge, as the same number as for D."""
    for theirs, ours in MODES[:2]:
        loss = multiscale_adversarial_loss(ours, maps, real=False, for_generator=False)
        compare(f"sem_{theirs}_fake_forG", loss)
    with pytest.raises(ValueError, match="towards real"):
        multiscale_adversarial_loss("hinge", maps, real=False, for_generator=True)


def test_wasserstein_is_minus_and_plus_the_mean(compare, maps):
    """A mode that no script of theirs uses and ours does not offer; G's hinge is its real half."""
    loss = sum(hinge_generator_loss(scale[-1]) for scale in maps) / len(maps)
    for whom in "DG":
        compare(f"sem_w_real_for{whom}", loss)
        compare(f"sem_w_fake_for{whom}", -loss)
