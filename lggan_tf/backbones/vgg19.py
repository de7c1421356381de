"""VGG19 up to relu5_1: the features of LGGAN's perceptual loss.

Simonyan and Zisserman, arXiv 1409.1556.

Two sets of ImageNet weights exist, and they expect different inputs:

* PyTorch's (`vgg19-dcbb9e9d.pth` of torchvision). The authors of LGGAN feed it images in [-1, 1] as
  they are, without the ImageNet mean and deviation torchvision asks for; so does `load_vgg19`,
  because their loss weights go with it.
* Keras' (`vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5`, converted from Caffe): BGR in 0..255
  minus a mean.
"""

from __future__ import annotations

from collections.abc import Callable

import h5py
import keras
import numpy as np
import tensorflow as tf

from lggan_tf.backbones.feature_network import FeatureNetwork, FrozenConv2D
from lggan_tf.backbones.torch_file import read_state_dict
from lggan_tf.errors import UserError

# relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 (pix2pixHD's weights, which LGGAN's code keeps).
LAYER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)

# Output channels of the convolutions up to conv5_1; 2x2 max pooling between the blocks.
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512,))
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)

Weights = dict[str, tuple[np.ndarray, np.ndarray]]


class VGG19(FeatureNetwork):
    """Feature maps relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 at strides 1, 2, 4, 8, 16.

    64, 128, 256, 512 and 512 channels. Images must measure at least 16 pixels in both directions.
    """

    def __init__(self, weights: Weights, input_scaling: Callable[[tf.Tensor], tf.Tensor]):
        """Build the network.

        Args:
            weights: "blockB_convC" -> (kernel `[3, 3, in, out]`, bias `[out]`).
            input_scaling: images in [-1, 1] -> what these weights were trained on.
        """
        super().__init__(LAYER_WEIGHTS, name="vgg19")
        self.input_scaling = input_scaling
        self.blocks = [
            [
                FrozenConv2D(*weights[_name(b, c)], activation="relu", name=_name(b, c))
                for c in range(len(channels))
            ]
            for b, channels in enumerate(_BLOCKS)
        ]

    def call(self, images):
        """Images `[batch, height, width, 3]` in [-1, 1] -> list of five feature maps."""
        x = self.input_scaling(tf.cast(images, tf.float32))
        features = []
        for b, block in enumerate(self.blocks):
            if b > 0:
                x = tf.nn.max_pool2d(x, 2, 2, "VALID")
            for c, convolution in enumerate(block):
                x = convolution(x)
                if c == 0:
                    features.append(x)
        return features


def unscaled(images: tf.Tensor) -> tf.Tensor:
    """Input scaling of the PyTorch weights: [-1, 1] as it is (see the head of this file)."""
    return images


def caffe_scaled(images: tf.Tensor) -> tf.Tensor:
    """Input scaling of the Keras weights: RGB in [-1, 1] -> BGR in 0..255 minus a mean."""
    return (images[..., ::-1] + 1.0) * 127.5 - tf.constant(_CAFFE_MEAN_BGR)


def load_vgg19(path: str) -> VGG19:
    """VGG19 with weights in PyTorch's layout.

    Args:
        path: file for `read_state_dict` with torchvision's keys (`features.N.weight`) or those of
            the five slices in the authors' loss (`sliceK.N.weight`). Further keys, such as the
            classifier's, are ignored.

    Raises:
        UserError: the file cannot be read, or is not VGG19.
    """
    state = read_state_dict(path)
    weights, index = {}, 0
    for b, c, shape in _convolutions():
        # In torchvision's list every convolution is followed by its ReLU, every block by its
        # pooling. The slices of the loss end behind relu1_1 .. relu5_1: the later convolutions of
        # block b belong to the next slice.
        slice_number = b + 1 if c == 0 else b + 2
        stem = f"slice{slice_number}.{index}"
        if f"{stem}.weight" not in state:
            stem = f"features.{index}"
        if f"{stem}.weight" not in state or f"{stem}.bias" not in state:
            raise UserError(
                f"The weight file {path} is not VGG19: it lacks {stem}.weight or {stem}.bias; "
                "use torchvision's vgg19-dcbb9e9d.pth."
            )
        kernel = state[f"{stem}.weight"]
        if kernel.ndim == 4:
            kernel = kernel.transpose(2, 3, 1, 0)
        weights[_name(b, c)] = _checked(path, stem, kernel, state[f"{stem}.bias"], shape)
        index += 3 if c == len(_BLOCKS[b]) - 1 else 2
    return VGG19(weights, unscaled)


def load_vgg19_keras(path: str = "") -> VGG19:
    """VGG19 with the weights Keras distributes.

    Args:
        path: `vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5`; "" lets Keras fetch it, or take
            it from its cache.

    Raises:
        UserError: the file cannot be read or is not VGG19, or there is nothing to fetch it from.
    """
    return VGG19(_read_keras_file(path) if path else _fetch_keras_weights(), caffe_scaled)


def _read_keras_file(path: str) -> Weights:
    weights = {}
    try:
        with h5py.File(path, "r") as file:
            for b, c, shape in _convolutions():
                name = _name(b, c)
                # Their names depend on the version that wrote the file; their ranks do not.
                arrays = {array.ndim: array for array in _datasets(file[name])}
                weights[name] = _checked(path, name, arrays[4], arrays[1], shape)
    except (OSError, KeyError) as error:
        raise UserError(
            f"The weight file {path} is missing, damaged or not Keras' VGG19 ({error}); "
            "use vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5."
        ) from error
    return weights


def _datasets(group: h5py.Group) -> list[np.ndarray]:
    found = []
    group.visititems(
        lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None
    )
    return found


def _fetch_keras_weights() -> Weights:
    try:
        model = keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception where a download fails.
        raise UserError(
            f"Keras could not fetch its VGG19 weights ({error}); give the path of "
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 with --perceptual_weights."
        ) from error
    names = [_name(b, c) for b, c, _ in _convolutions()]
    return {name: tuple(model.get_layer(name).get_weights()) for name in names}


def _name(block: int, convolution: int) -> str:
    return f"block{block + 1}_conv{convolution + 1}"


def _convolutions():
    """Yield (block, number in the block, kernel shape), both counted from 0."""
    channels_in = 3
    for b, block in enumerate(_BLOCKS):
        for c, channels in enumerate(block):
            yield b, c, (3, 3, channels_in, channels)
            channels_in = channels


def _checked(path, key, kernel, bias, shape):
    if kernel.shape != shape or bias.shape != shape[3:]:
        raise UserError(
            f"The weight file {path} is not VGG19: {key} has a kernel of {kernel.shape} and a bias "
            f"of {bias.shape} where {shape} and {shape[3:]} are expected."
        )
    return kernel, bias
