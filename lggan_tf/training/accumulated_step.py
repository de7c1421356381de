"""A training step in parts, one after the other: the memory of a part, the update of the whole."""

import tensorflow as tf

from lggan_tf.losses.classification import present_weight
from lggan_tf.losses.objective import drawn_images
from lggan_tf.training import step_parts
from lggan_tf.training.accumulation import accumulate, split
from lggan_tf.training.step_metrics import weight_means


def accumulated_step(model, batch) -> dict[str, tf.Tensor]:
    """What `LGGAN.step` does, in `model.accumulate_steps` parts.

    G draws twice for each part, once for D's update and once for its own. Batch statistics are
    those of a part.
    """
    parts, objective = split(batch, model.accumulate_steps), model.objective
    shares = {"parts": len(parts)}
    if objective.lambda_class:
        # The class term is a mean over the classes of the whole batch.
        rows = model.generator.local_generator.num_classified
        counts = [
            present_weight(model.prepare(part)["local_labels"], rows, objective.class_weights)
            for part in parts
        ]
        shares["class_count"] = tf.add_n(counts)

    def of_generator(part, is_first):
        prepared = step_parts.with_targets(model, part)
        with tf.GradientTape() as tape:
            inputs = step_parts.networks_input(prepared)
            targets = step_parts.class_targets(model, prepared)
            outputs = model.generator(inputs, training=True, **targets)
            # Spectral vectors move once a batch: with the first part.
            terms = step_parts.generator_terms(model, prepared, outputs, is_first, **shares)
            total = tf.add_n(list(terms.values()))
            scaled = model.generator_optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, model.generator.trainable_variables)
        terms |= {"g_total": total} | weight_means(outputs, len(parts))
        return terms, gradients

    def of_discriminators(part, is_first):
        prepared = model.prepare(part)
        outputs = model.generator(step_parts.networks_input(prepared), training=True)
        images = drawn_images(outputs)
        return step_parts.discriminator_gradients(model, prepared, images, is_first, len(parts))

    updates = [(of_generator, step_parts.update_generator)]
    if model.discriminators:
        of_d = (of_discriminators, step_parts.update_discriminators)
        updates.insert(0 if model.update_order == "discriminator_first" else 1, of_d)
    terms = {}
    for gradients_of, update in updates:
        more, gradients = accumulate(parts, gradients_of)
        terms |= more | update(model, more, gradients)
    return terms
