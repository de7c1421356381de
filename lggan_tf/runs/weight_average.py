"""The exponential moving average of the generator's weights, which is what draws.

Not in the paper; usual for GANs since Yazici et al. 2019.
"""

import keras
import tensorflow as tf

from lggan_tf.layers.spectral import SpectralConv2D

POWER_ITERATIONS = 16


@keras.saving.register_keras_serializable(package="lggan_tf")
class WeightAverage(keras.layers.Layer):
    """average <- decay * average + (1 - decay) * weight, after every step.

    Weights and batch statistics are averaged alike. It starts from the weights before the first
    step (Keras' optimizers start theirs from those after it). Spectral vectors are no average of
    anything: those that belong to the averaged kernels are found by power iterations, from the
    generator's own, when the average is used.

    Args:
        decay: in [0, 1).
    """

    def __init__(self, decay: float, **kwargs):
        super().__init__(**kwargs)
        self.decay, self.built = decay, True

    def follow(self, generator) -> None:
        """Creates the averages of a built generator, equal to its weights."""
        if not self.weights:
            for number, variable in enumerate(self._followed(generator)):
                self.add_weight(
                    shape=variable.shape,
                    dtype=variable.dtype,
                    trainable=False,
                    initializer="zeros",
                    name=f"average_{number:04d}",
                    aggregation="only_first_replica",
                )
            self.restart(generator)

    def restart(self, generator) -> None:
        """The average of the weights as they are now alone."""
        for average, variable in self._pairs(generator):
            average.assign(tf.convert_to_tensor(variable))

    def update(self, generator, moves: tf.Tensor | bool = True) -> None:
        """To be called after every step; it stays as it is where it `moves` not."""
        share = tf.where(moves, 1.0 - self.decay, 0.0)
        for average, variable in self._pairs(generator):
            old, new = tf.convert_to_tensor(average), tf.convert_to_tensor(variable)
            average.assign(old + tf.cast(share, old.dtype) * (new - old))

    def draw(self, generator, inputs, **kwargs):
        """The generator's outputs with the averaged weights."""
        values = self._values(generator)
        trainable, other = (
            [values.get(id(v), v) for v in variables]
            for variables in (generator.trainable_variables, generator.non_trainable_variables)
        )
        outputs, _ = generator.stateless_call(trainable, other, inputs, training=False, **kwargs)
        return outputs

    def copy_to(self, generator) -> None:
        """Gives a generator the averaged weights for good."""
        values = self._values(generator)
        for variable in generator.variables:
            if id(variable) in values:
                variable.assign(values[id(variable)])

    def _values(self, generator):
        """Identity of a generator's variable -> what takes its place."""
        values = {id(v): tf.convert_to_tensor(a) for a, v in self._pairs(generator)}
        for layer in spectral_layers(generator):
            u, v = settled_vectors(values[id(layer.kernel)], tf.convert_to_tensor(layer.vector_u))
            values |= {id(layer.vector_u): u, id(layer.vector_v): v}
        return values

    def _pairs(self, generator):
        return zip(self.weights, self._followed(generator), strict=True)

    def _followed(self, generator):
        vectors = {
            id(v) for layer in spectral_layers(generator) for v in (layer.vector_u, layer.vector_v)
        }
        return [v for v in generator.weights if id(v) not in vectors]

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {"decay": self.decay}


def spectral_layers(network) -> list[SpectralConv2D]:
    """All layers of a network that divide by their kernel's spectral norm."""
    return [layer for layer in network._flatten_layers() if isinstance(layer, SpectralConv2D)]


def settled_vectors(kernel: tf.Tensor, u: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Spectral u `[filters]` and v of a kernel `[k,k,in,filters]`, iterated from u."""
    matrix = tf.reshape(tf.cast(kernel, "float32"), [-1, kernel.shape[-1]])
    for _ in range(POWER_ITERATIONS):
        v = tf.math.l2_normalize(tf.linalg.matvec(matrix, u), epsilon=1e-24)
        u = tf.math.l2_normalize(tf.linalg.matvec(matrix, v, transpose_a=True), epsilon=1e-24)
    return u, v
