"""What a step consists of, in one go or in accumulated parts: inputs, terms, gradients, updates.

`model` is an `LGGAN` that is compiled; `prepared` is what its `Prepare` makes of a compact batch.
Terms and gradients are a device's share.
"""

import tensorflow as tf

from lggan_tf.losses.objective import Judged, drawn_images
from lggan_tf.training.judging import judge
from lggan_tf.training.step_metrics import accuracies


def with_targets(model, batch) -> dict[str, tf.Tensor]:
    """The prepared batch and `taught`, the teacher's images; not to be called under a tape."""
    prepared, teacher = model.prepare(batch), model.untracked.teacher
    return prepared | ({"taught": teacher(batch)} if teacher else {})


def networks_input(prepared) -> dict[str, tf.Tensor]:
    """What the generator sees of a prepared batch."""
    return {k: value for k, value in prepared.items() if k not in ("image", "taught")}


def class_targets(model, prepared) -> dict:
    """What the generator compares its class images with, if a loss asks for that."""
    if not model.objective.lambda_l1_local:
        return {}
    return {
        "target": prepared["image"],
        "target_masks": model.objective.target_masks,
        "class_weights": model.objective.class_weights,
    }


def opinions(model, prepared, images, training, **how) -> tuple[Judged, Judged]:
    """`judge` by the model's discriminators."""
    groups = [list(images)] if model.joint_passes else [[name] for name in images]
    return judge(model.discriminators, prepared, images, groups, training, **how)


def generator_terms(model, prepared, outputs, training, **shares) -> dict[str, tf.Tensor]:
    """Terms of G's update, of what it has drawn.

    Args:
        model: see above.
        prepared: with targets.
        outputs: the generator's.
        training: whether spectral vectors of D move.
        **shares: `Objective.generator_terms`' arguments for a part of a batch.
    """
    objective = model.objective
    needs_real = objective.lambda_feature_matching > 0
    fakes, reals = {}, {}
    if objective.lambda_gan or needs_real:
        images = drawn_images(outputs)
        fakes, reals = opinions(model, prepared, images, training, with_real=needs_real)
    return objective.generator_terms(
        outputs,
        prepared["image"],
        prepared["local_labels"],
        fakes,
        reals,
        model.untracked.features,
        taught=prepared.get("taught"),
        **shares,
    )


def discriminator_gradients(
    model, prepared, images, training=True, parts=1, drawn_for=None
) -> tuple[dict[str, tf.Tensor], list]:
    """Terms and metrics of D's update, and its gradients.

    Args:
        model: see above.
        prepared: the batch, with its photo.
        images: drawn images by name; no gradient passes through them.
        training: whether spectral vectors move.
        parts: of how many equal parts of the device's share this is one.
        drawn_for: the prepared batch that the images were drawn for, if it is another one.
    """
    images = {name: tf.stop_gradient(x) for name, x in images.items()}
    with tf.GradientTape() as tape:
        judged = opinions(model, prepared, images, training, drawn_for=drawn_for)
        terms = model.objective.discriminator_terms(*judged, parts)
        total = tf.add_n(list(terms.values()))
        scaled = model.discriminator_optimizer.scale_loss(total)
    gradients = tape.gradient(scaled, model.discriminator_variables)
    metrics = accuracies(model.objective.gan_loss, *judged, parts)
    return terms | {"d_total": total} | metrics, gradients


def update_generator(model, terms, gradients) -> dict[str, tf.Tensor]:
    """Makes G's update, guarded; returns the metric of its gradient's norm."""
    variables = model.generator.trainable_variables
    return _update(model, "generator", model.generator_optimizer, terms, gradients, variables)


def update_discriminators(model, terms, gradients) -> dict[str, tf.Tensor]:
    """The same for all discriminators."""
    variables, optimizer = model.discriminator_variables, model.discriminator_optimizer
    return _update(model, "discriminator", optimizer, terms, gradients, variables)


def _update(model, network, optimizer, terms, gradients, variables):
    return model.guard.update(network, optimizer, terms, gradients, variables, model.clip_norm)
