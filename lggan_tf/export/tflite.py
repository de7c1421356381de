"""TFLite files of a run's generator, for phones and other small devices.

A file takes one label map of a fixed size (and the model's other inputs) as `serving_default` does
and gives `image` `[1,H,W,3]` float32, in [-1, 1] before clipping. TFLite has no checks in words:
at a wrong id its runtime ends with the index of an inner table. `lggan_tf.export.tflite_check`
proves every file before it appears.
"""

import dataclasses
import io
import itertools
import json
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.user_errors import raised_as_user_error
from lggan_tf.errors import UserError
from lggan_tf.export import tflite_check
from lggan_tf.export.card import as_markdown, input_contract, model_card
from lggan_tf.export.drawing import load_graph
from lggan_tf.export.graph import SMALLEST_SIDE, DrawingGraph, input_specs
from lggan_tf.export.saved_model import write_signatures
from lggan_tf.export.trial_maps import trial_maps
from lggan_tf.runs.build import build_source, build_transform
from lggan_tf.runs.folder import RunFolder, write_atomically

REPRESENTATIVE = 32  # training maps that ranges of activations are taken from
HELD_OUT = 8  # maps of the data that a file is checked on


def export_tflite(
    folder: RunFolder,
    file: Path,
    quantize: str = "none",
    height: int = 0,
    width: int = 0,
    min_psnr: float = 20.0,
    checkpoint: str = "latest",
) -> tflite_check.Findings:
    """Converts a run's generator and checks the file against the SavedModel it was made from.

    Args:
        folder: of the run.
        file: the new file; it appears only if it passes.
        quantize: one of `tflite_check.BOUNDS`: "none" (float32), "float16" (weights), "dynamic"
            (weights of 8 bits), "int16x8" (activations of 16 bits, weights of 8), "int8" (both).
        height: pixels; 0 for the run's.
        width: as `height`.
        min_psnr: lowest PSNR for int8, in decibels (peak 2).
        checkpoint: "latest" or "best" of the run.

    Raises:
        UserError: no trained run, its data cannot be read, a size that the networks cannot have, a
            file below its bound, no `ai-edge-litert`.
    """
    tflite_check.load_interpreter()  # before minutes of work
    graph, step = load_graph(folder, "dense", checkpoint)
    config = _resized(folder.read_config(), graph, height, width)
    card = model_card(file.stem, folder, graph, step)
    with tempfile.TemporaryDirectory(prefix="lggan-tflite-") as temporary:
        saved = Path(temporary) / "model"
        _write_saved_model(graph, config, saved)
        trials = trial_maps(graph, config.data.image_height, config.data.image_width)
        content = _convert(saved, quantize, config, graph, trials)
        content += _metadata(graph, config, folder, card, quantize)
        held_out = enumerate(_samples(config, graph, "val", HELD_OUT), 1)
        loaded = tf.saved_model.load(str(saved))
        findings = tflite_check.check(
            content,
            lambda sample: loaded.signatures["explain"](**sample)["image"].numpy(),
            {f"held-out map {number}": sample for number, sample in held_out} | trials,
            quantize,
            min_psnr,
            parameters=sum(int(np.prod(v.shape)) for v in _drawing_variables(graph)),
        )
    write_atomically(file, content)
    return findings


def _resized(config: Config, graph: DrawingGraph, height: int, width: int) -> Config:
    """The config with the file's size in place of the training's."""
    multiple = graph.generator.side_multiple
    height, width = height or config.data.image_height, width or config.data.image_width
    for name, side in (("height", height), ("width", width)):
        if side % multiple or side < SMALLEST_SIDE:
            raise UserError(
                f"--{name}={side} is not a multiple of {multiple} of at least {SMALLEST_SIDE}, "
                "which the networks demand"
            )
    size = {"image_height": height, "image_width": width, "load_height": 0, "load_width": 0}
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **size))


def _write_saved_model(graph: DrawingGraph, config: Config, path: Path) -> None:
    """`serving_default` of a fixed size to convert; `explain`, as exported, to compare with."""
    shape = (1, config.data.image_height, config.data.image_width)
    specs = input_specs(graph.prepare, graph.classes, shape)

    def draw(batch):
        return {"image": graph.images(batch)["image"]}

    signatures = {"serving_default": (draw, specs), "explain": graph.signatures["explain"]}
    write_signatures(signatures, path)


def _drawing_variables(graph: DrawingGraph):
    """The weights that the image depends on: those of the classification head do not count."""
    generator = graph.generator
    unused = set()
    if generator.branches != "global" and generator.local_generator.num_classified:
        unused = {id(v) for v in generator.local_generator.classifier.variables}
    return [v for v in generator.trainable_variables if id(v) not in unused]


def _convert(saved: Path, quantize: str, config: Config, graph: DrawingGraph, trials) -> bytes:
    # From a SavedModel: from functions the weights of a Keras 3 model would be left out.
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved), signature_keys=["serving_default"]
    )
    ops = tf.lite.OpsSet
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize in ("int16x8", "int8"):
        # Behind a norm an odd pixel has values that no map of the data gives.
        converter.representative_dataset = lambda: itertools.chain(
            _samples(config, graph, "train", REPRESENTATIVE), trials.values()
        )
        exact = {
            "int16x8": ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
            "int8": ops.TFLITE_BUILTINS_INT8,
        }[quantize]
        # One-hot maps, say, are made in no other way than the builtin one.
        converter.target_spec.supported_ops = [exact, ops.TFLITE_BUILTINS]
    with warnings.catch_warnings():
        # It calibrates in the interpreter that TensorFlow will drop.
        warnings.filterwarnings("ignore", r"\s*Warning. tf.lite.Interpreter is deprecated")
        return converter.convert()


def _samples(
    config: Config, graph: DrawingGraph, split: str, count: int
) -> Iterator[dict[str, tf.Tensor]]:
    """Up to `count` batches of one sample, spread over a split, as the file takes them."""
    source = build_source(config, split)
    transform = build_transform(config, source.classes, training=False)
    numbers = np.unique(np.linspace(0, len(source) - 1, count).astype(int))
    with raised_as_user_error():
        for number in numbers:
            sample = transform.apply(source.load(int(number)))
            yield {
                name: tf.constant(sample[name][None], spec.dtype)
                for name, spec in graph.specs.items()
            }


def _metadata(
    graph: DrawingGraph, config: Config, folder: RunFolder, card: dict, quantize: str
) -> bytes:
    """A zip archive to stand behind the model, where TFLite's readers expect metadata."""
    size = [1, config.data.image_height, config.data.image_width]
    shapes = {n: [*size, *list(s.shape)[3:]] for n, s in graph.specs.items()}
    contract = {
        "inputs": {
            name: {"shape": shapes[name], "dtype": spec.dtype.name}
            for name, spec in graph.specs.items()
        },
        "outputs": {"image": {"shape": [*size, 3], "dtype": "float32", "range": [-1, 1]}},
        "quantize": quantize,
        "words": [
            *input_contract(graph)[:-1],
            f"Batch, height and width are {size}, fixed.",
            "image: float32 RGB in [-1, 1]; clip, then (image + 1) * 127.5 rounded is the pixel.",
            "Nothing is checked in words at run time: at an id out of range LiteRT 2.3 ends with "
            "'gather index out of bounds'.",
        ],
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("contract.json", json.dumps(contract, indent=1) + "\n")
        members.writestr("classes.json", folder.classes_file.read_text(encoding="utf-8"))
        members.writestr("labels.txt", "".join(f"{name}\n" for name in graph.classes.names))
        members.writestr("card.json", json.dumps(card, indent=1) + "\n")
        members.writestr("card.md", as_markdown(card))
    return archive.getvalue()
