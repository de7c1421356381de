import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.normalization import EPSILON
from lggan_tf.layers.spade import LEAKY_SLOPE

NAME, JUDGE = "cross_generator", "cross_discriminator"


@pytest.fixture(scope="module")
def arrays(reference):
    return reference.arrays(NAME)


@pytest.fixture(scope="module")
def inputs(arrays, to_nhwc, to_cross_view_labels):
    x = to_nhwc(arrays["input_x"])
    labels = to_cross_view_labels(arrays["input_mask"][:, 0])
    return {"source": x[..., :3], "semantic": x[..., 3:], "local_labels": labels}


def test_masks(reference, arrays, inputs):
    for i in range(6):
        mask = (inputs["local_labels"] == i)[:, None]
        reference.compare_exactly(NAME, f"mask_{i + 1}", mask, arrays[f"mask_{i + 1}"])


@pytest.mark.parametrize("training", [False, True])
def test_images_and_layers(
    reference, arrays, inputs, to_nchw, cross_generator, generator_trace, compare_trace, training
):
    """Instance norms take the image's own statistics: the authors' two modes are one."""
    outputs, rows = generator_trace(cross_generator.network, inputs, training)
    ours = {
        "fused": outputs["image"],
        "global": outputs["image_global"],
        "local": outputs["image_local"],
        "attention_local": outputs["weight_local"],
        "attention_global": outputs["weight_global"],
    }
    ours |= {f"local_{i + 1}": outputs["class_images"][..., i, :] for i in range(6)}
    mode = "training" if training else "inference"
    for tensor, value in ours.items():
        allowed = 10 * reference.noise[NAME][tensor][0] if training else 5e-5
        reference.compare(NAME, tensor, to_nchw(value), arrays[tensor], allowed, mode)
    if not training:
        compare_trace(NAME, rows)


@pytest.fixture(scope="module")
def judged(reference):
    return reference.arrays(JUDGE)


def test_discriminator_and_its_layers(
    reference, judged, to_nhwc, to_nchw, traced, compare_trace, cross_discriminators
):
    network = cross_discriminators["source"].network
    (scale,) = network.scales
    convolutions = (*scale.convolutions, scale.to_logits)
    layers = {str(max(0, 3 * i - 1)): layer for i, layer in enumerate(convolutions)}
    layers |= {str(3 * i): norm for i, norm in enumerate(scale.norms, 1)}
    (maps,), seen, _ = traced(layers, lambda: network(to_nhwc(judged["input_x"]), training=True))
    seen |= {str(3 * i + 1): value for i, value in enumerate(maps[:-1])}
    seen["12"] = tf.sigmoid(maps[-1])
    rows = {name: [to_nchw(value)] for name, value in seen.items()}
    compare_trace(JUDGE, rows, "train_")
    (ours,), allowed = rows["12"], 10 * reference.noise[JUDGE]["output_train"][0]
    reference.compare(JUDGE, "output_train", ours, judged["output_train"], allowed)


def test_what_the_discriminator_would_do_with_running_statistics(
    reference, judged, to_nhwc, to_nchw, compare_trace, cross_discriminators
):
    """The authors' norms keep statistics, which nothing but their evaluation mode would read.

    They never judge in that mode, so our norms keep none: our convolutions are put together with
    the statistics of the rule here.
    """
    filled = cross_discriminators["source"]
    (scale,), state = filled.network.scales, reference.state(JUDGE)
    x, rows = to_nhwc(judged["input_x"]), {}
    for index, convolution in enumerate(scale.convolutions):
        x = rows[str(max(0, 3 * index - 1))] = convolution(x)
        if index:
            norm = f"model.{3 * index}"
            assert {f"{norm}.running_mean", f"{norm}.running_var"} <= filled.unused
            mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
            x = rows[str(3 * index)] = (x - mean) / np.sqrt(variance + EPSILON)
        x = rows[str(3 * index + 1)] = tf.nn.leaky_relu(x, LEAKY_SLOPE)
    rows["11"] = scale.to_logits(x)
    rows["12"] = tf.sigmoid(rows["11"])
    rows = {name: [to_nchw(value)] for name, value in rows.items()}
    compare_trace(JUDGE, rows, "eval_", "by hand, not built here")
    wanted = judged["output_eval"]
    reference.compare(JUDGE, "output_eval", *rows["12"], wanted, 5e-5, "by hand, not built here")


def test_statistics_that_the_discriminators_norms_would_have_kept(
    reference, judged, to_nhwc, traced, cross_discriminators
):
    """A tenth of the batch's, the variance unbiased, in each image; nine tenths of the rule's."""
    (scale,) = cross_discriminators["source"].network.scales
    state = reference.state(JUDGE)
    layers = {f"{3 * i}": norm for i, norm in enumerate(scale.norms, 1)}
    _, _, seen = traced(layers, lambda: scale(to_nhwc(judged["input_x"])))
    for number, value in seen.items():
        value = np.asarray(value, "float64")
        batch = {
            "mean": value.mean(axis=(1, 2)).mean(axis=0),
            "var": value.var(axis=(1, 2), ddof=1).mean(axis=0),
        }
        for kind, own in batch.items():
            tensor = f"after_running_{kind}_{number}"
            ours = 0.9 * state[f"model.{number}.running_{kind}"] + 0.1 * own
            allowed = reference.allowed(JUDGE, tensor)
            note = "by hand, not built here"
            reference.compare(JUDGE, tensor, ours, judged[tensor], allowed, note)
