"""From the compact batch to what the networks see, in the graph; export uses the same function.

The batch holds labels and pictures as in the files (uint8); the networks see one-hot maps and
values in [-1, 1].
"""

from collections.abc import Sequence

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="lggan_tf")
class Prepare(keras.layers.Layer):
    """One-hot encoding, edges, scaling, and which sub-generator owns each pixel.

    Args:
        local_table: for every label id the sub-generator that owns its pixels; K, the number of
            sub-generators, for void.
        conditions: names of the conditions made, in the generator's order: "semantic", "source".
        semantic_input: "one_hot" or "colours".
        edges: whether the batch's `edges` become the last semantic channel.
        dropped_labels: label ids without a one-hot channel.
    """

    def __init__(
        self,
        local_table: Sequence[int],
        conditions: Sequence[str] = ("semantic",),
        semantic_input: str = "one_hot",
        edges: bool = False,
        dropped_labels: Sequence[int] = (),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.local_table, self.conditions = tuple(local_table), tuple(conditions)
        self.semantic_input, self.edges = semantic_input, edges
        self.dropped_labels = tuple(dropped_labels)
        kept = [i for i in range(len(self.local_table)) if i not in self.dropped_labels]
        self.num_kept = len(kept)
        # A dropped label gets a channel that does not exist: one_hot then gives zeros.
        self.channel_table = [
            kept.index(i) if i in kept else self.num_kept for i in range(len(self.local_table))
        ]

    @property
    def num_labels(self) -> int:
        """Number of label ids, void ones included."""
        return len(self.local_table)

    def channels(self, name: str) -> int:
        """Channels of a condition."""
        if name == "source" or self.semantic_input == "colours":
            return 3
        return self.num_kept + int(self.edges)

    @property
    def batch_channels(self) -> dict[str, int]:
        """What the networks' input is made of: entry of the compact batch -> channels, 0: a map."""
        names = {"labels": 0}
        if self.semantic_input == "colours":
            names["colours"] = 3
        elif self.edges:
            names["edges"] = 0
        return names | ({"source": 3} if "source" in self.conditions else {})

    @property
    def shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Shapes of the generator's input, by name."""
        conditions = {name: (None, None, None, self.channels(name)) for name in self.conditions}
        return conditions | {"local_labels": (None, None, None)}

    def judged_shape(self, view: str) -> tuple[int | None, ...]:
        """Shape of what the discriminator of a view sees: its condition, if any, and an image."""
        condition = 0 if view == "image" else self.channels(view)
        return (None, None, None, condition + 3)

    def call(self, batch):
        """The compact batch -> the generator's input and, if there is a photo, the target.

        Args:
            batch: `labels` `[B,H,W]` uint8 or uint16; `edges` `[B,H,W]` uint8, 0 where there is no
                edge; `source`, `colours`, `image` `[B,H,W,3]` uint8, those that the constructor's
                arguments call for.

        Returns:
            `semantic` `[B,H,W,S]`, `source` `[B,H,W,3]` float in [-1, 1]; `local_labels` `[B,H,W]`
            int32; `image` `[B,H,W,3]` float in [-1, 1] if the batch has one. With one-hot maps
            also `symbols` `[B,H,W]` int32, a number for each combination of `semantic`'s channels,
            and `symbol_values` `[number of symbols,S]`, those channels.
        """
        labels = tf.cast(batch["labels"], "int32")
        prepared = {"local_labels": tf.gather(tf.constant(self.local_table, "int32"), labels)}
        for name in self.conditions:
            if name == "semantic":
                prepared |= self._semantic(batch, labels)
            else:
                prepared[name] = self._scale(batch[name])
        if "image" in batch:
            prepared["image"] = self._scale(batch["image"])
        return prepared

    def _semantic(self, batch, labels):
        if self.semantic_input == "colours":
            return {"semantic": self._scale(batch["colours"])}
        symbols = tf.gather(tf.constant(self.channel_table, "int32"), labels)
        values = tf.one_hot(tf.range(self.num_kept + 1), self.num_kept, dtype=self.compute_dtype)
        semantic = tf.one_hot(symbols, self.num_kept, dtype=self.compute_dtype)
        if self.edges:
            # No comparison: the int16x8 form of TFLite has none.
            edges = tf.cast(tf.cast(batch["edges"], "bool"), "int32")
            semantic = tf.concat([semantic, tf.cast(edges, semantic.dtype)[..., None]], axis=-1)
            symbols += (self.num_kept + 1) * edges
            values = tf.concat(
                [tf.pad(values, [[0, 0], [0, 1]], constant_values=bit) for bit in (0, 1)], axis=0
            )
        return {"semantic": semantic, "symbols": symbols, "symbol_values": values}

    def _scale(self, picture):
        """uint8 0 to 255 -> [-1, 1]."""
        return tf.cast(picture, self.compute_dtype) / 127.5 - 1.0

    def get_config(self):
        """Constructor arguments."""
        own = {
            "local_table": self.local_table,
            "conditions": self.conditions,
            "semantic_input": self.semantic_input,
            "edges": self.edges,
            "dropped_labels": self.dropped_labels,
        }
        return super().get_config() | own
