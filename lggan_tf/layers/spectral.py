"""Spectral normalisation with the gradient through sigma (Miyato et al. 2018, algorithm 1).

Keras' own `SpectralNormalization` assigns the divided kernel over the variable: no gradient passes
through sigma, and a network called twice in a step changes its weights in between. Here the kernel
stays as it is and is divided on the fly.
"""

import keras
import tensorflow as tf

from lggan_tf.layers.convolution import PaddedConv2D

EPSILON = 1e-12


@keras.saving.register_keras_serializable(package="lggan_tf")
class SpectralConv2D(PaddedConv2D):
    """`PaddedConv2D` whose kernel W is used as W / sigma, sigma = u W v.

    With W as `[kernel * kernel * in, filters]`, every training call makes one power iteration
    v = norm(W u), u = norm(W^T v); u and v are constants for the gradient, sigma is not. Otherwise
    the stored vectors serve. Arguments are those of `PaddedConv2D`.
    """

    folded = False

    def add_weight(self, *args, **kwargs):
        """Keras' own, of what a call reads in float32 also where it computes in 16 bits.

        Sigma is a sum over all of the kernel, and u and v move by less than such a number resolves.
        """
        return super().add_weight(*args, autocast=False, **kwargs)

    def build(self, input_shape):
        """Adds u `[filters]` and v `[kernel * kernel * in]`, which are state, not parameters."""
        super().build(input_shape)
        rows = self.kernel_size[0] * self.kernel_size[1] * input_shape[-1]
        state = {"trainable": False, "dtype": "float32", "aggregation": "only_first_replica"}
        unit = keras.initializers.RandomNormal
        self.vector_u = self.add_weight(
            shape=(self.filters,), initializer=unit(), name="vector_u", **state
        )
        self.vector_v = self.add_weight(shape=(rows,), initializer=unit(), name="vector_v", **state)
        for vector in (self.vector_u, self.vector_v):
            vector.assign(_unit(tf.convert_to_tensor(vector)))

    def sigma(self, training: bool) -> tf.Tensor:
        """Estimate of the kernel's largest singular value, float32; moves u and v if `training`."""
        matrix = tf.reshape(tf.cast(self.kernel, "float32"), [-1, self.filters])
        u, v = tf.convert_to_tensor(self.vector_u), tf.convert_to_tensor(self.vector_v)
        if training:
            fixed = tf.stop_gradient(matrix)
            v = _unit(tf.linalg.matvec(fixed, u))
            u = _unit(tf.linalg.matvec(fixed, v, transpose_a=True))
            self.vector_u.assign(u)
            self.vector_v.assign(v)
        return tf.tensordot(v, tf.linalg.matvec(matrix, u), 1)

    def call(self, inputs, training=None):
        """`[B,H,W,C] -> [B,H',W',filters]` as `PaddedConv2D`, by the normalised kernel.

        Raises:
            ValueError: `training` after `fold`.
        """
        if self.folded:
            if training:
                raise ValueError("the layer was folded, so it cannot be trained any more")
            return super().call(inputs)
        scale = 1.0 / self.sigma(bool(training))
        return self.convolve(inputs, tf.cast(self.kernel, "float32") * scale)

    def fold(self) -> None:
        """For inference alone: the kernel becomes W / sigma for good, and u and v rest."""
        if not self.folded:
            self.kernel.assign(self.kernel / self.sigma(False))
            self.folded = True

    def save_own_variables(self, store):
        """Kernel, bias, u and v; Keras' convolution would save the first two alone."""
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        """The inverse of `save_own_variables`."""
        keras.layers.Layer.load_own_variables(self, store)


def _unit(vector: tf.Tensor) -> tf.Tensor:
    return vector / tf.maximum(tf.norm(vector), EPSILON)
