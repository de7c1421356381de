"""The graph of an exported model: checks, preparation, generator, pixels, and its signatures.

| signature | inputs | outputs |
|---|---|---|
| `serving_default` | `labels` `[B,H,W]` uint8 (uint16 above 256 ids); `edges` `[B,H,W]`, `colours`, `source` `[B,H,W,3]` uint8 where the model wants them | `image` `[B,H,W,3]` uint8 |
| `png` | `labels_bytes`, `edges_bytes`, `colours_bytes`, `source_bytes` `[B]` string | `image_bytes` `[B]` string |
| `explain` | those of `serving_default` | `image`, `image_global`, `image_local` `[B,H,W,3]` in [-1, 1], `weight_global`, `weight_local` `[B,H,W,1]` in [0, 1], float32; those that exist |

A sum of class images leaves [-1, 1]; pixels are clipped. What holds encoded pictures ends in
`_bytes`, nothing else does: TensorFlow Serving codes these by base64.
"""  # noqa: E501

from collections.abc import Callable

import tensorflow as tf

from lggan_tf.data.classes import ClassTable
from lggan_tf.export import pictures

SMALLEST_SIDE = 8  # a quarter of it is padded by reflection
EXPLAINED = ("image", "image_global", "image_local", "weight_global", "weight_local")


def to_pixels(image: tf.Tensor, how: str = "rounded") -> tf.Tensor:
    """[-1, 1] float32 -> uint8.

    Args:
        image: of any shape.
        how: "rounded" and clipped; "cut", clipped and without its fraction, as the authors'
            semantic code saves pictures; "wrapped" as numpy's cast does it and so their cross-view
            code: fractions are cut off, and what leaves [-1, 1] wraps around.
    """
    if how == "wrapped":
        return tf.cast(tf.cast((image + 1.0) / 2.0 * 255.0, "int32"), "uint8")
    if how == "cut":
        return tf.cast(tf.clip_by_value((image + 1.0) / 2.0 * 255.0, 0.0, 255.0), "uint8")
    return tf.cast(tf.clip_by_value(tf.round((image + 1.0) * 127.5), 0.0, 255.0), "uint8")


def input_specs(prepare, classes: ClassTable, shape=(None, None, None)) -> dict[str, tf.TensorSpec]:
    """Inputs of `serving_default`; batch, height and width are free unless `shape` says them."""
    specs = {"labels": tf.TensorSpec(shape, tf.as_dtype(classes.label_dtype), "labels")}
    if prepare.semantic_input == "colours":
        specs["colours"] = tf.TensorSpec([*shape, 3], tf.uint8, "colours")
    elif prepare.edges:
        specs["edges"] = tf.TensorSpec(shape, tf.uint8, "edges")
    if "source" in prepare.conditions:
        specs["source"] = tf.TensorSpec([*shape, 3], tf.uint8, "source")
    return specs


class DrawingGraph:
    """A prepared generator as functions from the compact batch (`Prepare.call`).

    Args:
        prepare: of the model.
        generator: of the model.
        classes: its class table.
        pixels: see `to_pixels`.

    Attributes:
        specs: the inputs of `explain` and `draw`.
        explain: the images and weight maps after checks that speak in words; a `tf.function`, so
            that what calls it traces the networks once.
    """

    def __init__(self, prepare, generator, classes: ClassTable, pixels: str = "rounded"):
        self.prepare, self.generator, self.classes = prepare, generator, classes
        self.pixels = pixels
        self.specs = input_specs(prepare, classes)
        self.explain = tf.function(self._explain, input_signature=[self.specs])

    def images(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The images and weight maps, float32, without checks."""
        outputs = self.generator(self.prepare(batch), training=False)
        return {name: tf.cast(outputs[name], "float32") for name in EXPLAINED if name in outputs}

    def _explain(self, batch):
        with tf.control_dependencies(self._checks(batch)):
            checked = {name: tf.identity(value) for name, value in batch.items()}
        return self.images(checked)

    def draw(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`image` as pixels."""
        return {"image": to_pixels(self.explain(batch)["image"], self.pixels)}

    def draw_png(self, encoded: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`image_bytes`, PNG, from encoded pictures."""
        image = self.draw(self._decode(encoded))["image"]
        spec = tf.TensorSpec([], tf.string)
        return {"image_bytes": tf.map_fn(tf.io.encode_png, image, fn_output_signature=spec)}

    @property
    def signatures(self) -> dict[str, tuple[Callable, dict[str, tf.TensorSpec]]]:
        """Every signature: name -> function and its inputs."""
        encoded = {f"{n}_bytes": tf.TensorSpec([None], tf.string, f"{n}_bytes") for n in self.specs}
        return {
            "serving_default": (self.draw, self.specs),
            "png": (self.draw_png, encoded),
            "explain": (self.explain, self.specs),
        }

    def _decode(self, encoded):
        size, batch = pictures.common_size(encoded["labels_bytes"]), {}
        for name, spec in self.specs.items():
            content = encoded[f"{name}_bytes"]
            decode = pictures.decode_photos if len(spec.shape) == 4 else pictures.decode_ids
            values = decode(content, f"{name}_bytes", size)
            if name == "labels":
                for void in self.classes.void_values:
                    values = tf.where(values == void, self.classes.void_ids[0], values)
                with tf.control_dependencies([self._check_ids(values)]):
                    values = tf.identity(values)
            batch[name] = tf.cast(values, spec.dtype)
        return batch

    def _checks(self, batch):
        labels, multiple = batch["labels"], self.generator.side_multiple
        sides = tf.shape(labels)[1:]
        checks = [
            tf.debugging.Assert(
                tf.reduce_all(sides % multiple == 0),
                [f"height and width must be multiples of {multiple}, and they are", sides],
            ),
            tf.debugging.Assert(
                tf.reduce_all(sides >= SMALLEST_SIDE),
                [f"height and width must be at least {SMALLEST_SIDE}, and they are", sides],
            ),
            self._check_ids(labels),
        ]
        for name, value in batch.items():
            checks.append(
                tf.debugging.Assert(
                    tf.reduce_all(tf.shape(value)[:3] == tf.shape(labels)),
                    [
                        f"{name} must have the batch, height and width of labels, and they are",
                        tf.shape(value)[:3],
                        "and",
                        tf.shape(labels),
                    ],
                )
            )
        return checks

    def _check_ids(self, labels):
        largest = tf.reduce_max(tf.cast(labels, "int32"))
        count = self.classes.num_labels
        return tf.debugging.Assert(
            largest < count,
            [f"labels must be below {count}, the number of ids, and one is", largest],
        )
