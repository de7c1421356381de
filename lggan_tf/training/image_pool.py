"""Drawn images of earlier steps for the discriminator (Shrivastava et al. 2017, section 2.3).

As in CycleGAN: until the pool is full every image is kept and shown; then each is shown itself or,
with probability 1/2, exchanged for one from the pool.
"""

from collections.abc import Iterable

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="lggan_tf")
class ImagePool(keras.layers.Layer):
    """Keeps drawn images together with the part of the batch that they were drawn for.

    Its random numbers are a function of the seed and of its own count of calls, which is saved with
    the images. Several devices have one pool together, the same as one device with the whole batch.

    Args:
        size: images kept; at least those of a step over all devices.
        height: of the images, pixels.
        width: of the images, pixels.
        seed: of the choices.
    """

    def __init__(self, size: int, height: int, width: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.size, self.height, self.width, self.seed = size, height, width, seed
        self.built = True
        self.images: dict[str, keras.Variable] = {}
        self.inputs: dict[str, keras.Variable] = {}

    def create(self, images: Iterable[str], inputs: dict[str, int]) -> None:
        """Creates the variables.

        Args:
            images: names of the drawn images, `[B,H,W,3]`.
            inputs: name of a compact batch's entry -> its channels, 0 for `[B,H,W]`.
        """
        if self.weights:
            return
        self.held, self.calls = (self._state(name, (), "int64") for name in ("held", "calls"))
        sides = (self.size, self.height, self.width)
        self.images = {name: self._state(name, (*sides, 3), "float32") for name in images}
        # int32, since not every device has scatters and gathers of smaller integers.
        self.inputs = {
            name: self._state(f"for_{name}", (*sides, channels) if channels else sides, "int32")
            for name, channels in inputs.items()
        }

    def _state(self, name, shape, dtype):
        return self.add_weight(
            shape=shape,
            dtype=dtype,
            name=name,
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def exchange(self, batch, images):
        """This device's part of a step -> as much from the step or from the pool.

        Args:
            batch: the compact batch.
            images: drawn for it, `[B,H,W,3]`, by name.

        Returns:
            Both again: the compact batch, without its photos, and the images drawn for it.
        """
        count, first = tf.shape(batch["labels"])[0], 0
        context = tf.distribute.get_replica_context()
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            first = count * context.replica_id_in_sync_group
        places, stored, is_full = self._choose(count * replicas)

        def shown(new, variable):
            cast = tf.cast(new, variable.dtype)
            if replicas > 1:
                cast = context.all_gather(cast, 0)
            pool = tf.convert_to_tensor(variable)
            from_pool = tf.reshape(stored & is_full, [-1] + [1] * (len(variable.shape) - 1))
            both = tf.where(from_pool, tf.gather(pool, places), cast)
            rows = tf.boolean_mask(places, stored)[:, None]
            variable.assign(tf.tensor_scatter_nd_update(pool, rows, tf.boolean_mask(cast, stored)))
            return tf.cast(both[first : first + count], new.dtype)

        earlier = {name: shown(batch[name], variable) for name, variable in self.inputs.items()}
        return earlier, {name: shown(images[name], v) for name, v in self.images.items()}

    def _choose(self, count):
        """For a step's images: their place in the pool, whether they get it, is the pool full."""
        held, calls = tf.convert_to_tensor(self.held), tf.convert_to_tensor(self.calls)
        seed = tf.stack([tf.constant(self.seed, "int64"), calls])
        random = tf.random.stateless_uniform([self.size + count], seed)
        is_full = held >= self.size
        following = tf.cast(held, "int32") + tf.range(count)
        places = tf.where(is_full, tf.argsort(random[: self.size], stable=True)[:count], following)
        stored = tf.where(is_full, random[self.size :] < 0.5, following < self.size)
        after = held + tf.cast(count, "int64")
        self.held.assign(tf.minimum(after, tf.constant(self.size, "int64")))
        self.calls.assign(calls + 1)
        return tf.minimum(places, self.size - 1), stored, is_full

    def get_config(self):
        """Constructor arguments."""
        own = {name: getattr(self, name) for name in ("size", "height", "width", "seed")}
        return super().get_config() | own
