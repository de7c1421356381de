"""As test_cross_view_step.py, for the two published semantic networks."""

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.losses.objective import Objective
from lggan_tf.losses.reconstruction import l1_loss
from lggan_tf.training.lggan import LGGAN

# Their Cityscapes generator returns class 26's label map in place of 27's, for L1_Local.
SLIP = {"city": (*range(27), 26, *range(28, 35)), "ade": None}


@pytest.mark.slow
def test_semantic(
    reference, networks, task, to_nhwc, semantic_inputs, is_noise, semantic_generator, steps,
    monkeypatch,
):  # fmt: skip
    name = f"semantic_{task}_train_step"
    # There is no float64 twin of the larger one; its noise is like the smaller one's.
    twin = "semantic_ade_train_step"
    # As training computes it, whatever the share of distinct windows of labels.
    monkeypatch.setattr("lggan_tf.layers.label_windows.LARGEST_SHARE", 2.0)
    arrays, names = reference.arrays(name), reference.json(f"{name}_loss_names")
    inputs = semantic_inputs(task, arrays["input_label"], arrays["input_instance"])
    shape = {"city": (1, 3, 128, 256), "ade": (2, 3, 64, 64)}[task]
    image_name = {"city": "sem.cityT.image", "ade": "sem.ade.image"}[task]
    image = to_nhwc(reference.rule.rule_input(image_name, shape))
    batch = {key: tf.constant(value) for key, value in (inputs | {"image": image}).items()}
    semantic_discriminator = networks.semantic_discriminator(task)
    generator, discriminator = semantic_generator.network, semantic_discriminator.network
    generator.implementation = "auto"

    semantic_generator.restore()
    outputs = generator(batch, training=True)
    plain_l1 = sum(
        float(l1_loss(outputs[key], image)) for key in ("image", "image_global", "image_local")
    )
    del outputs
    semantic_generator.restore()

    model = LGGAN(
        steps.AsItIs(semantic=batch["semantic"].shape[-1]),
        generator,
        {"semantic": discriminator},
        "generator_first",
        False,
    )
    recorded = {}
    objective = Objective(lambda_perceptual=0, target_masks=SLIP[task])
    model.compile(
        steps.adam(1e-4, 0.0, 0.9, recorded), steps.adam(4e-4, 0.0, 0.9, recorded), objective
    )
    filled = {"G": semantic_generator, "D": semantic_discriminator}
    slots = steps.slots_by_key(filled)

    def step():
        terms = {key: float(value) for key, value in model.step(batch).items()}
        g = {
            "GAN": terms["gan_semantic"],
            "GAN_Feat": terms["feature_matching_semantic"],
            "L1": plain_l1,
            "L1_Local": terms["l1_local"],
            "class": terms["class"],
        }
        d = {"D_Fake": terms["d_semantic_fake"], "D_real": terms["d_semantic_real"]}
        total = sum(value for key, value in g.items() if key != "L1")
        assert terms["g_total"] == pytest.approx(total, rel=1e-5)
        return g, d

    def compare(tensor, values, order, relative):
        got, want = np.array([values[key] for key in order]), arrays[tensor]
        reference.compare(name, tensor, got, want, relative * np.abs(want))

    try:
        g, d = step()
        compare("all_terms", g, names["all_terms"], 1e-4)
        compare("step1_G_losses", g, names["G_losses"], 1e-4)
        # Behind G's update already.
        compare("step1_D_losses", d, names["D_losses"], 1e-4)

        norms = steps.gradient_norms(slots, recorded)
        after = {key: np.linalg.norm(slot.read()) for key, slot in slots.items()}
        for network in "GD":
            keys = list(arrays[f"{network}_grad_keys"])
            tensor = f"step1_{network}_grad_norms"
            noise = 10 * reference.noise[twin][tensor][0]
            count = steps.compare_norms(
                reference, name, tensor, keys, norms, arrays[tensor], is_noise, 1e-3, noise
            )
            assert count == sum(not is_noise(key) and ".fc." not in key for key in keys)
            tensor = f"after_step1_{network}_param_norms"
            noise = 10 * reference.noise[twin][tensor][0]
            steps.compare_norms(
                reference, name, tensor, keys, after, arrays[tensor], is_noise, 1e-4, noise
            )
            tensor = f"step1_total_grad_norm_{network}"
            own = [value for key, value in norms.items() if key.startswith(f"{network}.")]
            allowed = 1e-3 * arrays[tensor]
            reference.compare(name, tensor, np.linalg.norm(own), arrays[tensor], allowed)
        g, d = step()
        compare("step2_G_losses", g, names["G_losses"], 1e-3)
        compare("step2_D_losses", d, names["D_losses"], 1e-3)
        # See the head of this file: these are weights and buffers after the second step.
        tensor = "after_step1_G_conv1_weight"
        ours = slots["G.conv1.weight"].read()[:2]
        reference.compare(name, tensor, ours, arrays[tensor], reference.allowed(twin, tensor))
        cosine = steps.same_direction(reference, "conv1.weight", ours, arrays[tensor])
        # Without first moments Adam's steps are hardly more than signs.
        reference.compare(name, tensor, cosine, 1, 0.3, "direction")
        buffers = sorted(key for key in arrays if key.startswith("after_step1/"))
        assert len(buffers) == 3
        for tensor in buffers:
            network, key = tensor.removeprefix("after_step1/net").split(".", 1)
            allowed = reference.allowed(twin, tensor)
            reference.compare(name, tensor, filled[network].read(key), arrays[tensor], allowed)
    finally:
        for network in filled.values():
            network.refill()
