import numpy as np
import pytest

NAME = "semantic_discriminator"


@pytest.fixture(scope="module")
def images(reference, to_nhwc):
    return to_nhwc(reference.rule.rule_input("sem.d.input", (2, 39, 64, 128)))


@pytest.fixture(scope="module")
def task():
    """The published arrays are of Cityscapes' discriminator."""
    return "city"


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_maps_and_vectors(reference, images, to_nchw, semantic_discriminator, mode):
    arrays = reference.arrays(NAME)
    semantic_discriminator.restore()
    scales = semantic_discriminator.network(images, training=mode == "train")
    vectors = {
        slot.key: slot.read()
        for slot in semantic_discriminator.slots
        if slot.key.endswith("weight_u")
    }
    semantic_discriminator.restore()
    ours = {}
    for i, maps in enumerate(scales):
        *features, logits = (to_nchw(value).astype("float64") for value in maps)
        assert len(features) == 4
        for j, value in enumerate(features):
            stem = f"{mode}_D{i}_layer{j}"
            np.testing.assert_array_equal(value.shape, arrays[f"{stem}_shape"])
            ours[f"{stem}_first32"] = value.ravel()[:32]
            ours[f"{stem}_mean_std"] = [value.mean(), value.std()]
        ours[f"{mode}_D{i}_layer4"] = logits
    if mode == "train":
        assert len(vectors) == 6
        ours |= {f"after/{key}": value for key, value in vectors.items()}
    for tensor, value in ours.items():
        allowed = reference.allowed(NAME, tensor)
        reference.compare(NAME, tensor, value, arrays[tensor], allowed)


def test_keys_and_parameters(reference, semantic_discriminator):
    for name, channels in (("city", 39), ("ade", 154)):
        listed = reference.json(f"semantic_{name}_discriminator_keys")
        expected = {tensor["key"]: tuple(tensor["shape"]) for tensor in listed["tensors"]}
        ours = {slot.key: slot.read().shape for slot in semantic_discriminator.slots}
        for i in (0, 1):
            key = f"discriminator_{i}.model0.0.weight"
            ours[key] = (64, channels, 4, 4)
        assert ours == expected
    assert not semantic_discriminator.unused
    own = sum(int(np.prod(v.shape)) for v in semantic_discriminator.network.trainable_variables)
    assert own == reference.json("semantic_city_discriminator_keys")["parameter_count"]


def test_slots_read_what_was_assigned(reference, semantic_discriminator):
    """v is stored in another order than ours, so its way back needs a look of its own."""
    folder = reference.folder / "semantic_city_discriminator_keys.json"
    state = reference.rule.rule_state_dict(reference.rule.load_spec(folder))
    for slot in semantic_discriminator.slots:
        np.testing.assert_array_equal(slot.read(), state[slot.key], err_msg=slot.key)
    assert sum(slot.key.endswith("weight_v") for slot in semantic_discriminator.slots) == 6
