"""Two steps of `LGGAN.step` against two of the authors' trainers: losses, gradients, weights.

The second step's losses are those behind one update by Adam. It turns tiny differences of tiny
gradients into steps of full size, so its limits are wider (float64_noise.json has the authors').
Weights and buffers that are stored under `after_step1` are those after the second step: the arrays
shared PyTorch's memory, which an update changes in place. Norms are of the first step.
"""

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.backbones.load import load_features
from lggan_tf.losses.adversarial import cross_entropy_loss
from lggan_tf.losses.objective import Objective
from lggan_tf.training.lggan import LGGAN


def test_cross_view(
    reference, to_nchw, to_nhwc, to_cross_view_labels, is_noise, cross_generator,
    cross_discriminators, steps, tmp_path,
):  # fmt: skip
    name = "cross_train_step"
    arrays, names = reference.arrays(name), reference.json("cross_train_step_loss_names")
    rule = reference.rule
    a, b, d = (to_nhwc(rule.rule_input(f"cross.train.{x}", (2, 3, 64, 64))) for x in "ABD")
    batch = {
        "source": tf.constant(a),
        "semantic": tf.constant(d),
        "image": tf.constant(b),
        "local_labels": tf.constant(to_cross_view_labels(arrays["input_labels"])),
    }
    pixels = [np.sum(batch["local_labels"] == i, axis=(1, 2)) for i in range(6)]
    reference.compare(name, "mask_pixels", np.stack(pixels, 1), arrays["mask_pixels"], 1e-9)
    np.savez(
        tmp_path / "vgg19.npz",
        **rule.rule_state_dict(rule.load_spec(reference.folder / "vgg19_keys.json")),
    )
    discriminators = {view: filled.network for view, filled in cross_discriminators.items()}
    model = LGGAN(
        steps.AsItIs(source=3, semantic=3),
        cross_generator.network,
        discriminators,
        "discriminator_first",
    )
    objective = Objective(
        "cross_entropy",
        lambda_discriminator=0.5,
        lambda_feature_matching=0,
        lambda_l1=100,
        lambda_l1_local=100,
        lambda_class=0,
        lambda_perceptual=10,
        lambda_tv=1e-6,
    )
    recorded = {}
    model.compile(
        steps.adam(2e-4, 0.5, 0.999, recorded),
        steps.adam(2e-4, 0.5, 0.999, recorded),
        objective,
        load_features("vgg19", str(tmp_path / "vgg19.npz")),
    )
    networks = {
        "G": cross_generator,
        "D1": cross_discriminators["source"],
        "D2": cross_discriminators["semantic"],
    }
    slots = steps.slots_by_key(networks)

    def step():
        """All 18 of the authors' terms; those of single images from the same weights."""
        outputs = cross_generator.network(batch, training=True)

        def judged(view, key):
            ((*_, logits),) = discriminators[view](tf.concat([batch[view], key], -1), training=True)
            return logits

        values = {}
        for number, view in ((1, "source"), (2, "semantic")):
            for part, key in (
                ("_global", "image_global"),
                ("_local", "image_local"),
                ("", "image"),
            ):
                values[f"D{number}_fake{part}"] = cross_entropy_loss(
                    judged(view, outputs[key]), False
                )
            values[f"D{number}_real"] = cross_entropy_loss(judged(view, batch["image"]), True)
        terms = model.step(batch)
        for number, view in ((1, "source"), (2, "semantic")):
            values[f"G_GAN_D{number}"] = terms[f"gan_{view}"]
            values[f"D{number}"] = terms[f"d_{view}_fake"] + terms[f"d_{view}_real"]
        values |= {
            "G_local_L1": terms["l1_local"],
            "G_global_L1": terms["l1"],
            "G_L1": terms["l1_local"] + terms["l1"],
            "G_VGG": terms["perceptual"],
            "G_TV": terms["tv"],
            "G": terms["g_total"],
        }
        assert set(values) == set(names)
        losses = np.array([float(values[term]) for term in names])
        total = float(terms["d_total"])
        assert total == pytest.approx(float(values["D1"] + values["D2"]), rel=1e-5)
        return losses, to_nchw(outputs["image"])[:, :, ::4, ::4]

    try:
        losses, image = step()
        want = arrays["step1_losses"]
        reference.compare(name, "step1_losses", losses, want, 1e-4 * np.abs(want))
        allowed = reference.allowed(name, "step1_fake_B")
        reference.compare(name, "step1_fake_B", image, arrays["step1_fake_B"], allowed)

        norms = steps.gradient_norms(slots, recorded)
        keys = list(arrays["grad_keys"])
        count = steps.compare_norms(
            reference, name, "step1_grad_norms", keys, norms, arrays["step1_grad_norms"], is_noise,
            1e-3, 2e-3,
        )  # fmt: skip
        # 92 tensors but two of deconv5_7 and the biases of 3 + 18 + 6 layers of G and 3 of each D.
        assert count == 92 - 2 - 27 - 6
        for network in networks:
            own = [value for key, value in norms.items() if key.startswith(f"{network}.")]
            tensor = f"step1_total_grad_norm_{network}"
            want = arrays[tensor]
            reference.compare(name, tensor, np.linalg.norm(own), want, 1e-4 * want)

        after = {key: np.linalg.norm(slot.read()) for key, slot in slots.items()}
        steps.compare_norms(
            reference, name, "after_step1_param_norms", keys, after,
            arrays["after_step1_param_norms"], is_noise, 1e-4, 1e-4,
        )  # fmt: skip
        losses, _ = step()
        want = arrays["step2_losses"]
        reference.compare(name, "step2_losses", losses, want, 1e-3 * np.abs(want))
        # See the head of this file: these are weights after the second step.
        for key, tensor in (
            ("G.conv1.weight", "after_step1_G_conv1_weight"),
            ("D1.model.0.weight", "after_step1_D1_model0_weight"),
        ):
            allowed = reference.allowed(name, tensor)
            ours = slots[key].read()[:4]
            reference.compare(name, tensor, ours, arrays[tensor], allowed)
            cosine = steps.same_direction(reference, key.split(".", 1)[1], ours, arrays[tensor])
            reference.compare(name, f"{tensor}, direction", cosine, 1, 0.02)
    finally:
        for filled in networks.values():
            filled.refill()
