"""What `tools/benchmark.py` runs: a part of a recipe, or the class-specific convolution alone.

Each is opened with an implementation ("label-aware", "dense" or "dense_xla").
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from absl import flags

from lggan_tf.bin import config_flags, recipes
from lggan_tf.config import Config
from lggan_tf.errors import UserError

# What the layers call them.
IMPLEMENTATIONS = {"label-aware": "auto", "dense": "dense", "dense_xla": "dense"}
# Of the class-specific convolution alone: 256x256 pixels, 64 channels, 12 classes present.
LAYER = {
    "classes": 35,
    "present": 12,
    "side": 256,
    "batch": 1,
    "noise": 0.0,
    "merge": "conv",
    "training": True,
}


@dataclass
class Case:
    """Something to measure.

    Attributes:
        name: what it is, as the table says.
        images: per run.
        compiled: a `tf.function`; called with `arguments` it runs the part once.
        arguments: tensors or dicts of them, all `[B,H,W,...]`.
        small: height and width that the function also takes.
        windows: share of distinct 5x5 windows of labels, of the pixels.
        boundaries: share of pixels with another class beside or below.
    """

    name: str
    images: int
    compiled: Any
    arguments: tuple
    small: tuple[int, int]
    windows: float
    boundaries: float
    _concrete: Any = field(default=None, repr=False)

    def function(self):
        """For the size of the arguments, traced once."""
        self._concrete = self._concrete or self.compiled.get_concrete_function(*self.arguments)
        return self._concrete

    def function_of_any_size(self):
        """The same with height and width unknown."""
        import tensorflow as tf

        def spec(x):
            return tf.TensorSpec([x.shape[0], None, None, *x.shape[3:]], x.dtype)

        return self.compiled.get_concrete_function(*tf.nest.map_structure(spec, self.arguments))

    @property
    def small_arguments(self):
        """The top left corner of the arguments."""
        import tensorflow as tf

        height, width = self.small
        return tf.nest.map_structure(lambda x: x[:, :height, :width], self.arguments)


def label_maps(batch: int, height: int, width: int, labels_dir: str, zoom: float):
    """Maps `[B,H,W]` int64: the town's, or those of a folder, cut out of their middle by `zoom`."""
    import numpy as np
    from PIL import Image

    from lggan_tf.data.town_source import TownSource

    if labels_dir:
        files = sorted(Path(labels_dir).glob("*.png"))[:batch]
        if len(files) < batch:
            raise UserError(f"--labels_dir={labels_dir} holds {len(files)} of {batch} PNG maps")
        maps = [Image.open(file) for file in files]
        if bad := [f for f, m in zip(files, maps, strict=True) if m.mode not in ("L", "P", "I;16")]:
            raise UserError(f"{bad[0]} is no label map: it has several channels")
        maps = [Image.fromarray(np.asarray(m).astype("int32")) for m in maps]
    else:
        source = TownSource("semantic", "val", 0, height, width)
        maps = [Image.fromarray(source.load(i)["labels"].astype("int32")) for i in range(batch)]
    resized = []
    for whole in maps:
        sides = [side / zoom for side in whole.size]
        left, top = ((side - part) / 2 for side, part in zip(whole.size, sides, strict=True))
        box = (left, top, left + sides[0], top + sides[1])
        resized.append(np.asarray(whole.resize((width, height), Image.Resampling.NEAREST, box)))
    return np.stack(resized).astype("int64")


def spread_ids(maps, num_labels: int):
    """The ids of the maps, first seen first, spread over `num_labels`."""
    import numpy as np

    found, places = np.unique(maps, return_inverse=True)
    spread = np.arange(len(found)) * max(num_labels // len(found), 1) % num_labels
    return spread[places].reshape(maps.shape)


def edges_of(labels):
    """Where the label differs from the one at the left."""
    import numpy as np

    return np.pad(labels[:, :, 1:] != labels[:, :, :-1], ((0, 0), (0, 0), (1, 0)))


def distinct_share(symbols) -> float:
    """Distinct 5x5 windows of symbols `[B,H,W]` over the number of pixels."""
    import tensorflow as tf

    from lggan_tf.layers.label_windows import LabelMap
    from lggan_tf.layers.spade import spade_windows

    symbols = tf.constant(symbols, "int32")
    one_channel = tf.zeros([int(tf.reduce_max(symbols)) + 1, 1])
    windows = spade_windows(LabelMap(symbols, one_channel))
    return float("nan") if windows is None else len(windows.outer.windows) / int(tf.size(symbols))


def boundary_share(labels) -> float:
    """Pixels of `[B,H,W]` with another label at the right or below, over all pixels."""
    import numpy as np

    right, below = np.zeros(labels.shape, bool), np.zeros(labels.shape, bool)
    right[:, :, :-1] = labels[:, :, 1:] != labels[:, :, :-1]
    below[:, :-1] = labels[:, 1:] != labels[:, :-1]
    return float((right | below).mean())


def zoomed_to(share: float, batch, height, width, labels_dir, edges: bool):
    """Maps as `label_maps` has them, of the least zoom at which so few windows are distinct."""
    zoom = 1.0
    while True:
        maps = label_maps(batch, height, width, labels_dir, zoom)
        found = distinct_share(maps + 1000 * edges_of(maps) if edges else maps)
        if not share or found <= share:
            return maps
        if zoom > 64:
            raise UserError(f"--window_share={share:g} is not reached by any enlargement")
        zoom *= 1.1


def recipe_case(recipe: str, part: str, implementation: str, options: dict) -> Case:
    """The generator (drawing) or a whole training step, without the perceptual term."""
    import numpy as np
    import tensorflow as tf

    from lggan_tf.data.sources import open_classes
    from lggan_tf.training.build import build_lggan

    values = flags.FlagValues()
    recipes.define(values)
    config_flags.define(values)
    values(["benchmark", *recipes.expand([f"--recipe={recipe}"], values)])
    # Weights for a perceptual term would have to be there, and for a check the data.
    config = Config.from_flat(
        config_flags.given(values) | options["settings"] | {"lambda_perceptual": 0.0}
    )
    data, batch = config.data, options["batch"]
    height, width = data.image_height, data.image_width
    classes = open_classes(data.dataset, data.data_dir)
    maps = zoomed_to(
        options["window_share"], batch, height, width, options["labels_dir"], data.edges
    )
    labels = spread_ids(maps, classes.num_labels)
    edges = edges_of(maps)
    picture = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3)).astype("uint8")
    given = {
        "labels": labels.astype(classes.label_dtype),
        "edges": edges.astype("uint8"),
        "source": picture,
        "colours": picture,
        "image": picture,
    }
    given = {name: tf.constant(value) for name, value in given.items()}
    model = build_lggan(config, classes, 100)
    model.generator.implementation = IMPLEMENTATIONS[implementation]
    if part == "generator":
        model.generator.fold()  # as whoever draws has it

    def draw(batch):
        return model(batch, training=False)["image"]

    compiled = tf.function(
        model.step if part == "step" else draw, jit_compile=implementation == "dense_xla" or None
    )
    return Case(
        f"{recipe} {part} {height}x{width}x{batch}",
        batch,
        compiled,
        (given,),
        (2 * config.side_multiple, 2 * config.side_multiple),
        distinct_share(labels + 1000 * edges if data.edges else labels),
        boundary_share(labels),
    )


def layer_case(settings: dict, implementation: str) -> Case:
    """The class-specific convolution alone, forward or forward and backward."""
    import numpy as np
    import tensorflow as tf

    from lggan_tf.layers.class_specific import ClassSpecificConv2D

    given = LAYER | settings
    side, batch, classes = given["side"], given["batch"], given["classes"]
    labels = label_maps(batch, side, side, "", 1.0) % given["present"]
    labels = spread_ids(labels, classes)
    rng = np.random.default_rng(0)
    is_noise = rng.random(labels.shape) < given["noise"]
    labels = np.where(is_noise, rng.integers(0, classes, labels.shape), labels)
    features = tf.random.normal([batch, side, side, 64])
    layer = ClassSpecificConv2D(
        3,
        7,
        classes,
        merge=given["merge"],
        initializer="xavier",
        implementation=IMPLEMENTATIONS[implementation],
    )
    layer.build(features.shape)
    ids = tf.constant(labels, "int32")

    def train(features, ids):
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = tf.reduce_mean(tf.square(layer(features, ids)))
        return tape.gradient(loss, [features, *layer.trainable_variables])

    compiled = tf.function(
        train if given["training"] else lambda features, ids: layer(features, ids),
        jit_compile=implementation == "dense_xla" or None,
    )
    kind = "training" if given["training"] else "forward"
    return Case(
        f"class convolution, {kind}, {classes} classes, {len(np.unique(labels))} present, "
        f"merge={given['merge']}, {side}x{side}x{batch}, noise {given['noise']:g}",
        batch,
        compiled,
        (features, ids),
        (32, 32),
        distinct_share(labels),
        boundary_share(labels),
    )
