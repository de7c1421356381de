"""Convolutions with the explicit padding of the authors' networks.

All take and give `[batch, height, width, channels]`. TensorFlow's "same" pads strided convolutions
on the other side than the reference does, so the padding is always written out here.
"""

import keras
import tensorflow as tf

from lggan_tf.layers.initializers import kernel_initializer

PADDING_MODES = {"zeros": "CONSTANT", "reflect": "REFLECT"}


def pad_images(images: tf.Tensor, padding: int, mode: str = "zeros") -> tf.Tensor:
    """Pads height and width by `padding` pixels on each side; `mode` is "zeros" or "reflect"."""
    if padding == 0:
        return images
    sides = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    return tf.pad(images, sides, PADDING_MODES[mode])


def convolve(
    images: tf.Tensor, kernel: tf.Tensor, stride: int = 1, padding: int = 0, mode: str = "zeros"
) -> tf.Tensor:
    """`[B,H,W,C]`, padded as `pad_images` does, by a kernel `[k,k,C,filters]` of the same dtype."""
    if stride == 1 and mode == "zeros" and kernel.shape[0] == 2 * padding + 1:
        # The same without a padded copy, for which oneDNN took up to 1.7 times as long.
        return tf.nn.conv2d(images, kernel, 1, "SAME")
    return tf.nn.conv2d(pad_images(images, padding, mode), kernel, stride, "VALID")


@keras.saving.register_keras_serializable(package="lggan_tf")
class PaddedConv2D(keras.layers.Conv2D):
    """A convolution that pads symmetrically by a stated number of pixels.

    Args:
        filters: output channels.
        kernel_size: side of the square kernel.
        strides: step in both directions.
        pad: pixels added on each side.
        padding_mode: "zeros" or "reflect".
        use_bias: whether a bias is added.
        initializer: "normal" or "xavier" (`lggan_tf.layers.initializers`).
        **kwargs: name and dtype, as of any layer.

    Raises:
        TypeError: an argument of Keras' convolution that this one does not have.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        pad: int = 0,
        padding_mode: str = "zeros",
        use_bias: bool = True,
        initializer: str = "normal",
        **kwargs,
    ):
        # Keras' convolution would take them, and `call` would leave them out.
        if foreign := kwargs.keys() - {"name", "dtype", "trainable"}:
            raise TypeError(f"{type(self).__name__} has no argument {min(foreign)!r}")
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding="valid",
            data_format="channels_last",
            use_bias=use_bias,
            kernel_initializer=kernel_initializer(initializer),
            **kwargs,
        )
        self.pad = pad
        self.padding_mode = padding_mode
        self.initializer = initializer

    def call(self, inputs):
        """`[B,H,W,C] -> [B, (H + 2 pad - kernel) // strides + 1, ..., filters]`."""
        return self.convolve(inputs, self.kernel)

    def convolve(self, inputs, kernel):
        """`call` with another kernel than the layer's own."""
        kernel = tf.cast(kernel, inputs.dtype)
        outputs = convolve(inputs, kernel, self.strides[0], self.pad, self.padding_mode)
        if not self.use_bias:
            return outputs
        return tf.nn.bias_add(outputs, tf.cast(self.bias, outputs.dtype))

    def compute_output_shape(self, input_shape):
        """The shape of `call`'s result."""
        batch, *sides, channels = input_shape
        padded = [None if n is None else n + 2 * self.pad for n in sides]
        return super().compute_output_shape((batch, *padded, channels))

    def get_config(self):
        """Constructor arguments."""
        base = keras.layers.Layer.get_config(self)
        return base | {
            "filters": self.filters,
            "kernel_size": self.kernel_size[0],
            "strides": self.strides[0],
            "pad": self.pad,
            "padding_mode": self.padding_mode,
            "use_bias": self.use_bias,
            "initializer": self.initializer,
        }


@keras.saving.register_keras_serializable(package="lggan_tf")
class UpConv2D(keras.layers.Conv2DTranspose):
    """Transposed 3x3 convolution that exactly doubles height and width.

    Stride 2, padding 1, output padding 1 in PyTorch's words. Keras' "same" crops the other
    side; the reference equals the "valid" result without its first row and column.
    """

    def __init__(self, filters: int, initializer: str = "normal", **kwargs):
        super().__init__(
            filters,
            3,
            strides=2,
            padding="valid",
            data_format="channels_last",
            kernel_initializer=kernel_initializer(initializer),
            **kwargs,
        )
        self.initializer = initializer

    def call(self, inputs):
        """`[B,H,W,C] -> [B,2H,2W,filters]`."""
        return super().call(inputs)[:, 1:, 1:, :]

    def compute_output_shape(self, input_shape):
        """The shape of `call`'s result."""
        batch, height, width, _ = input_shape
        double = [None if n is None else 2 * n for n in (height, width)]
        return (batch, *double, self.filters)

    def get_config(self):
        """Constructor arguments."""
        base = keras.layers.Layer.get_config(self)
        return base | {"filters": self.filters, "initializer": self.initializer}
