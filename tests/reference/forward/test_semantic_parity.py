import numpy as np
import pytest

from lggan_tf.losses.classification import present_classes

HEADS = {"ade": 52, "city": 35}
SHOWN = {"ade": (0, 1, 50, 51), "city": (3, 7, 26, 27, 33)}
IMAGES = {
    "fused": "image",
    "global": "image_global",
    "local": "image_local",
    "attention_global": "weight_global",
    "attention_local": "weight_local",
}


@pytest.fixture
def evaluated(reference, task):
    return reference.arrays(f"semantic_{task}_generator_eval")


@pytest.fixture
def inputs(task, evaluated, semantic_inputs):
    return semantic_inputs(task, evaluated["input_label"], evaluated["input_instance"])


def test_inference(
    reference, task, evaluated, inputs, generator_trace, compare_trace, to_nchw,
    semantic_generator, implementation,
):  # fmt: skip
    file, generator = f"semantic_{task}_generator_eval", semantic_generator.network
    generator.implementation = implementation
    if task == "city":
        np.testing.assert_array_equal(
            to_nchw(inputs["semantic"][..., -1:]), evaluated["input_edge"]
        )
    semantic_generator.restore()
    outputs, rows = generator_trace(generator, inputs, training=False)
    images = outputs["class_images"]
    shown = {tensor: to_nchw(outputs[key]) for tensor, key in IMAGES.items()}
    shown |= {f"class_{k}": to_nchw(images[..., k, :]) for k in SHOWN[task]}
    for tensor, value in shown.items():
        reference.compare(file, tensor, value, evaluated[tensor], 5e-5)
    classified = outputs["class_logits"].shape[-1]
    means = {
        "class_mean": images.mean(axis=(0, 1, 2, 4), dtype="float64"),
        "class_abs_mean": np.abs(images).mean(axis=(0, 1, 2, 4), dtype="float64"),
        # The authors' rows are class-major, then sample.
        "feature_score": np.swapaxes(outputs["class_logits"], 0, 1).reshape(-1, classified),
    }
    for tensor, value in means.items():
        reference.compare(file, tensor, value, evaluated[tensor], reference.allowed(file, tensor))
    present = present_classes(inputs["local_labels"], classified).numpy()
    pixels = np.bincount(inputs["local_labels"].ravel(), minlength=HEADS[task])
    if task == "city":
        # The published generator hands out class 26's label map in place of 27's.
        pixels[27] = pixels[26]
    whole = {
        "target": np.repeat(np.arange(classified), len(inputs["semantic"])),
        "valid_index": present.T.ravel(),
        "mask_pixels": pixels,
    }
    for tensor, value in whole.items():
        reference.compare_exactly(file, tensor, value, evaluated[tensor])
    compare_trace(file, rows)


def test_training(
    reference, task, generator_trace, compare_trace, semantic_inputs, inputs, to_nchw,
    semantic_generator, implementation,
):  # fmt: skip
    """Batch statistics and one power iteration; the state afterwards, too."""
    file, generator = f"semantic_{task}_generator_train", semantic_generator.network
    generator.implementation = implementation
    arrays, step = reference.arrays(file), 1
    if task == "city":
        inputs, step = semantic_inputs(task, arrays["input_label"], arrays["input_instance"]), 2
    semantic_generator.restore()
    outputs, rows = generator_trace(generator, inputs, training=True)
    stored = [slot for slot in semantic_generator.slots if f"after/{slot.key}" in arrays]
    after = {f"after/{slot.key}": slot.read() for slot in stored}
    semantic_generator.restore()
    for tensor in ("fused", "global", "local"):
        ours = to_nchw(outputs[IMAGES[tensor]])[:, :, ::step, ::step]
        allowed = 10 * reference.noise[file][tensor][0]
        reference.compare(file, tensor, ours, arrays[tensor], allowed)
    assert len(after) == 7
    for tensor, value in after.items():
        reference.compare(file, tensor, value, arrays[tensor], reference.allowed(file, tensor))
    compare_trace(file, rows)
