"""What G and D minimise: two dicts of named, weighted scalars; the total is their sum.

A name is the Keras metric, the TensorBoard tag and the README's word. A weight of 0 builds nothing.
Every value is a device's share of the global batch's value, so that summing over devices, as Keras'
optimizers do with gradients, gives that value.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from lggan_tf.losses.adversarial import multiscale_adversarial_loss
from lggan_tf.losses.classification import classification_terms
from lggan_tf.losses.feature_matching import feature_matching_loss
from lggan_tf.losses.perceptual import perceptual_loss
from lggan_tf.losses.reconstruction import l1_loss, total_variation
from lggan_tf.losses.shares import sum_over_devices

Judged = dict[str, dict[str, list[list[tf.Tensor]]]]  # view -> image name -> scales of feature maps


def drawn_images(outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The judged images: fused, global and local, or the only one of a single branch."""
    names = ("image", "image_global", "image_local")
    found = {name: outputs[name] for name in names if name in outputs}
    return found if len(found) == len(names) else {"image": outputs["image"]}


@dataclass(frozen=True)
class Objective:
    """The loss terms and their weights (defaults: the paper's semantic synthesis, spec, section 6).

    The weights are explained in `lggan_tf.config.LossConfig`. `images` in a term: fused, global and
    local, summed. `target_masks`: for every class the one whose mask its target in `l1_local` has;
    its own if None. `class_weights`: for every class how much it counts in `class` and
    `l1_local`; all the same if None.
    """

    gan_loss: str = "hinge"
    lambda_gan: float = 1.0
    lambda_discriminator: float = 1.0
    lambda_feature_matching: float = 10.0
    lambda_l1: float = 0.0
    lambda_l1_local: float = 1.0
    lambda_class: float = 1.0
    lambda_perceptual: float = 10.0
    lambda_tv: float = 0.0
    lambda_distillation: float = 0.0
    target_masks: tuple[int, ...] | None = None
    class_weights: tuple[float, ...] | None = None

    def term_names(self, views: tuple[str, ...]) -> tuple[str, ...]:
        """Names of all terms with these discriminators, in the order D, G; the totals last."""
        judges = [f"d_{view}_{kind}" for view in views for kind in ("fake", "real")]
        by_view = ["gan"] * bool(self.lambda_gan) + ["feature_matching"] * bool(
            self.lambda_feature_matching
        )
        own = [f"{name}_{view}" for view in views for name in by_view]
        own += [
            name
            for name in ("l1", "l1_local", "class", "perceptual", "tv", "distillation")
            if getattr(self, f"lambda_{name}")
        ]
        return (*judges, *own, "g_total", *(["d_total"] if views else []))

    def generator_terms(
        self,
        outputs: dict[str, tf.Tensor],
        target: tf.Tensor,
        labels: tf.Tensor,
        fakes: Judged,
        reals: Judged,
        features: Callable | None = None,
        parts: int = 1,
        class_count: tf.Tensor | None = None,
        taught: dict[str, tf.Tensor] | None = None,
    ) -> dict[str, tf.Tensor]:
        """G's weighted terms.

        Args:
            outputs: the generator's; with a weight for `l1_local` its `class_l1`, too, for which
                it was given the photo, `target_masks` and `class_weights`.
            target: photo `[B,H,W,3]` in [-1, 1].
            labels: `local_labels` `[B,H,W]`.
            fakes: D's feature maps of the drawn images.
            reals: D's feature maps of the photo, used by feature matching alone.
            features: the feature network of the perceptual loss, with `layer_weights`; needed if
                its weight is above 0.
            parts: of how many equal parts of the device's share this is one.
            class_count: number of classes present in the images of all parts, each image's
                counted for itself, with their weights; those of `labels` if None.
            taught: a teacher's images by the names that `outputs` has, float32 in [-1, 1] (a
                local image of several classes may leave it); needed if the weight of
                `distillation` is above 0.
        """
        outputs = {name: tf.cast(value, "float32") for name, value in outputs.items()}
        images, target = drawn_images(outputs), tf.cast(target, "float32")
        shares = tf.distribute.get_strategy().num_replicas_in_sync * parts
        terms = {}
        for view, judged in fakes.items():
            if self.lambda_gan:
                losses = [
                    multiscale_adversarial_loss(self.gan_loss, d, True, True)
                    for d in judged.values()
                ]
                terms[f"gan_{view}"] = self.lambda_gan * tf.add_n(losses) / shares
            if self.lambda_feature_matching:
                losses = [feature_matching_loss(d, reals[view][name]) for name, d in judged.items()]
                weight = self.lambda_feature_matching / shares
                terms[f"feature_matching_{view}"] = weight * tf.add_n(losses)
        if self.lambda_l1:
            losses = [l1_loss(image, target) for image in images.values()]
            terms["l1"] = self.lambda_l1 * tf.add_n(losses) / shares
        if self.lambda_l1_local:
            loss = tf.reduce_mean(outputs["class_l1"])
            terms["l1_local"] = self.lambda_l1_local * loss / shares
        if self.lambda_class:
            entropy, count = classification_terms(
                outputs["class_logits"], labels, self.class_weights
            )
            count = count if class_count is None else class_count
            terms["class"] = self.lambda_class * tf.math.divide_no_nan(
                entropy, sum_over_devices([count])[0]
            )
        if self.lambda_perceptual:
            wanted = features(target)
            losses = [
                perceptual_loss(features(image), wanted, features.layer_weights)
                for image in images.values()
            ]
            terms["perceptual"] = self.lambda_perceptual * tf.add_n(losses) / shares
        if self.lambda_tv:
            terms["tv"] = self.lambda_tv * tf.add_n(
                [total_variation(image) for image in images.values()]
            )
        if self.lambda_distillation:
            losses = [l1_loss(image, taught[name]) for name, image in images.items()]
            terms["distillation"] = self.lambda_distillation * tf.add_n(losses) / shares
        return terms

    def discriminator_terms(
        self, fakes: Judged, reals: Judged, parts: int = 1
    ) -> dict[str, tf.Tensor]:
        """D's weighted terms; the photo counts once per drawn image, as in the authors' code."""
        shares = tf.distribute.get_strategy().num_replicas_in_sync * parts
        weight = self.lambda_discriminator / shares
        terms = {}
        for view in fakes:
            for kind, judged in (("fake", fakes[view]), ("real", reals[view])):
                losses = [
                    multiscale_adversarial_loss(self.gan_loss, scales, kind == "real", False)
                    for scales in judged.values()
                ]
                terms[f"d_{view}_{kind}"] = weight * tf.add_n(losses)
        return terms
