import numpy as np
import pytest

from lggan_tf.errors import UserError
from lggan_tf.runs.pytorch_state import StateDict

ONES = np.ones((2, 3), "float32")


def state(*keys, **tensors):
    return StateDict("net.pth", dict.fromkeys(keys, ONES) | tensors)


def test_tensors_are_taken_once_under_plain_keys():
    found = state("module.conv1.weight", "conv2.weight")
    np.testing.assert_array_equal(found.take("conv1.weight", (2, 3)), ONES)
    found.take("conv2.weight", (2, 3))
    assert found.ignored() == {}
    with pytest.raises(ValueError, match="twice"):
        found.take("conv1.weight", (2, 3))


def test_half_precision_is_widened():
    half = StateDict("n", {"a": np.array([0.5], "float16")}).take("a", (1,))
    assert half.dtype == np.float32 and half[0] == 0.5


@pytest.mark.parametrize(
    ("found", "key", "words"),
    [
        (state("a"), "b.weight", "net.pth has no tensor b.weight"),
        (state("a"), "b.weight_v", "net.pth has no tensor b.weight_v"),
        (state(a=ONES.T), "a", "a has the shape (3, 2), but the network .* has (2, 3)"),
        (state(a=ONES.astype(int)), "a", "a holds int64"),
        (state(a=ONES * np.nan), "a", "a holds other than finite numbers"),
        (state(a=ONES * np.inf), "a", "a holds other than finite numbers"),
    ],
)
def test_a_tensor_that_is_not_there_as_it_should_be_is_named(found, key, words):
    with pytest.raises(UserError) as caught:
        found.take(key, (2, 3))
    assert words.partition(" .* ")[0] in str(caught.value)
    assert words.rpartition(" .* ")[2] in str(caught.value)


def test_with_and_without_prefix_is_one_too_many():
    with pytest.raises(UserError, match="net.pth holds conv1.weight twice"):
        state("conv1.weight", "module.conv1.weight")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("fc.weight", "defines fc and never uses it"),
        ("fc.bias", "defines fc and never uses it"),
        ("deconv5_7.weight", "a seventh class head"),
        ("deconv5_7.bias", "a seventh class head"),
        ("conv1_norm.running_mean", "a statistic of an instance norm"),
        ("deconv3_norm_local.running_var", "a statistic of an instance norm"),
        ("resnet_blocks1.conv1_norm.num_batches_tracked", "a counter that nothing reads"),
        ("head_0.norm_0.param_free_norm.num_batches_tracked", "a counter that nothing reads"),
        ("model.3.running_mean", "a statistic of an instance norm"),
        ("discriminator_0.model1.0.1.running_var", "a statistic of an instance norm"),
        ("head_0.conv_0.weight", "divided by its largest singular value"),
    ],
)
def test_what_may_go_unused_has_a_reason(key, reason):
    used = ("resnet_blocks1.conv1.weight", "head_0.conv_0.weight_orig", "model.2.weight",
            "discriminator_0.model0.0.weight")  # fmt: skip
    found = state(key, *used)
    for name in used:
        found.take(name, (2, 3))
    assert list(found.ignored()) == [key]
    assert reason in found.ignored()[key]


@pytest.mark.parametrize(
    "key",
    [
        "conv9.weight",
        "fc3.weight",
        "fc.running_mean",
        "deconv5_8.weight",
        "up_4.anything.running_mean",
        "epoch",
        "conv1.weight_g",
    ],
)
def test_everything_else_that_is_left_over_is_an_error(key):
    found = state(key, "conv1.weight")
    found.take("conv1.weight", (2, 3))
    with pytest.raises(UserError, match=f"net.pth holds {key}, which the network"):
        found.ignored()


def test_a_class_head_number_seven_that_is_used_is_no_spare_one():
    found = state("deconv5_7.weight")
    found.take("deconv5_7.weight", (2, 3))
    assert found.ignored() == {}


def spectral(rng, iterations=3):
    """W, u, W / sigma and the true sigma as PyTorch 0.4 left them after some steps."""
    w = rng.normal(0, 0.3, (5, 4, 3, 3))
    matrix, u = w.reshape(5, -1), rng.normal(size=5)
    for _ in range(iterations):
        v = matrix.T @ u
        v /= np.linalg.norm(v)
        u = matrix @ v
        u /= np.linalg.norm(u)
    sigma = u @ matrix @ v
    old = {"c.weight_orig": w, "c.weight_u": u, "c.weight": w / sigma}
    return {key: value.astype("float32") for key, value in old.items()}, sigma


def test_spectral_vectors_of_old_files_give_their_sigma_back():
    old, sigma = spectral(np.random.default_rng(0))
    found = StateDict("net.pth", old)
    w, u = found.take("c.weight_orig", (5, 4, 3, 3)), found.take("c.weight_u", (5,))
    v = found.take("c.weight_v", (36,))
    assert v.dtype == np.float32
    assert u @ w.reshape(5, -1) @ v == pytest.approx(sigma, rel=1e-6)
    assert list(found.ignored()) == ["c.weight"]


@pytest.mark.parametrize("spoil", ["not divided", "another shape", "absent"])
def test_old_spectral_form_that_makes_no_sense(spoil):
    old, _ = spectral(np.random.default_rng(1))
    if spoil == "not divided":
        old["c.weight"] = np.random.default_rng(2).normal(size=(5, 4, 3, 3))
    elif spoil == "another shape":
        old["c.weight"] = old["c.weight"][:3]
    else:
        del old["c.weight"]
    found = StateDict("net.pth", old)
    with pytest.raises(UserError, match=r"net.pth.* c\.weight"):
        found.take("c.weight_v", (36,))
