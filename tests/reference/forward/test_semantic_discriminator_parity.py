import pytest

NAME = "semantic_discriminator"


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_maps_and_vectors(reference, networks, to_nchw, to_nhwc, mode):
    """Of Cityscapes' discriminator; the others differ in their input channels alone."""
    arrays, filled = reference.arrays(NAME), networks.semantic_discriminator("city")
    images = to_nhwc(reference.rule.rule_input("sem.d.input", (2, 39, 64, 128)))
    filled.restore()
    scales = filled.network(images, training=mode == "train")
    ours = {}
    if mode == "train":
        vectors = [slot for slot in filled.slots if slot.key.endswith("weight_u")]
        assert len(vectors) == 6
        ours |= {f"after/{slot.key}": slot.read() for slot in vectors}
    filled.restore()
    for i, maps in enumerate(scales):
        *features, logits = (to_nchw(value).astype("float64") for value in maps)
        assert len(features) == 4
        for j, value in enumerate(features):
            stem = f"{mode}_D{i}_layer{j}"
            reference.compare_exactly(NAME, f"{stem}_shape", value.shape, arrays[f"{stem}_shape"])
            ours[f"{stem}_first32"] = value.ravel()[:32]
            ours[f"{stem}_mean_std"] = [value.mean(), value.std()]
        ours[f"{mode}_D{i}_layer4"] = logits
    for tensor, value in ours.items():
        reference.compare(NAME, tensor, value, arrays[tensor], reference.allowed(NAME, tensor))
