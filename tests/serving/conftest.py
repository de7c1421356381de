"""A model with the signatures of an exported one, small: a colour per label id."""

import asyncio
import dataclasses
import io
import os
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lggan_tf.serving.app import Api
from lggan_tf.serving.settings import Settings

COLOURS = np.array([[0, 0, 0], [250, 0, 0], [0, 250, 0], [0, 0, 250]], "uint8")
MULTIPLE = 4
LIMITS = Settings(
    max_batch_size=4,
    batch_timeout=0.002,
    queue_size=64,
    max_bytes=200_000,
    max_pixels=64 * 64,
    request_timeout=20.0,
    client_timeout=1.0,
    poll_interval=0.1,
)
_LABELS = tf.TensorSpec([None, None, None], tf.uint8, "labels")
_PICTURE = tf.TensorSpec([None, None, None, 3], tf.uint8, "source")


def _strings(name):
    return tf.TensorSpec([None], tf.string, name)


class Painter(tf.Module):
    """Paints every label in its colour; with a source the two are mixed half and half."""

    def __init__(self, shade, needs_source, slowness=0):
        super().__init__()
        self.colours = tf.Variable((COLOURS * shade).astype("uint8"))
        self.slowness = slowness
        labels_only = {"labels": _LABELS}
        bytes_only = {"labels_bytes": _strings("labels_bytes")}
        if needs_source:
            labels_only["source"] = _PICTURE
            bytes_only["source_bytes"] = _strings("source_bytes")
        self.functions = {
            "serving_default": tf.function(self.paint, input_signature=[labels_only]),
            "png": tf.function(self.paint_png, input_signature=[bytes_only]),
            "explain": tf.function(self.explain, input_signature=[labels_only]),
        }

    def paint(self, inputs):
        labels = tf.cast(inputs["labels"], tf.int32)
        largest, sides = tf.reduce_max(labels), tf.shape(labels)[1:]
        checks = [
            tf.debugging.Assert(largest < 4, ["labels must be below 4, and one is", largest]),
            tf.debugging.Assert(
                tf.reduce_all(sides % MULTIPLE == 0),
                [f"height and width must be multiples of {MULTIPLE}, and they are", sides],
            ),
        ]
        with tf.control_dependencies(checks):
            image = tf.gather(self.colours, labels)
        if self.slowness:  # as long as a square matrix takes to be multiplied with itself
            square = tf.fill([self.slowness, self.slowness], tf.cast(image[0, 0, 0, 0], "float32"))
            image += tf.cast(tf.reduce_mean(square @ square) * 0.0, "uint8")
        if "source" in inputs:
            image = image // 2 + inputs["source"] // 2
        return {"image": image}

    def paint_png(self, inputs):
        decoded = {
            name.removesuffix("_bytes"): tf.map_fn(
                lambda data, channels=1 if name == "labels_bytes" else 3: tf.io.decode_png(
                    data, channels
                ),
                value,
                fn_output_signature=tf.TensorSpec([None, None, None], tf.uint8),
            )
            for name, value in inputs.items()
        }
        decoded["labels"] = decoded["labels"][..., 0]
        image = self.paint(decoded)["image"]
        return {"image_bytes": tf.map_fn(tf.io.encode_png, image, fn_output_signature=tf.string)}

    def explain(self, inputs):
        image = tf.cast(self.paint(inputs)["image"], tf.float32) / 127.5 - 1.0
        weight = tf.fill(tf.shape(image[..., :1]), 0.25)
        return {
            "image": image,
            "image_global": image,
            "image_local": -image,
            "weight_global": weight,
            "weight_local": 1.0 - weight,
        }


class Arithmetic(tf.Module):
    """For all that JSON can say: named inputs of several dtypes, none of our names."""

    def __init__(self):
        super().__init__()
        spec = tf.TensorSpec
        named = {
            "tag": spec([None], tf.string),
            "signal": spec([None, 5], tf.int64),
            "sensor": spec([None, 2, 2], tf.float32),
        }
        self.functions = {
            "serving_default": self._function(
                lambda x: {"y": 0.25 * x["x"] + 1.0}, {"x": spec([None], tf.float32)}
            ),
            "named": self._function(
                lambda i: {
                    "word": i["tag"] + "!",
                    "raw_bytes": i["tag"],
                    "total": tf.reduce_sum(i["signal"], 1),
                    "scaled": i["sensor"] * 2.0,
                },
                named,
            ),
            # Inputs whose first axes differ, and a scalar: columns only.
            "uneven": self._function(
                lambda i: {"sum": tf.reduce_sum(i["left"]) * i["factor"]},
                {"left": spec([None], tf.float32), "factor": spec([], tf.float32)},
            ),
            "types": self._function(
                lambda i: i,
                {
                    name: spec([None], dtype)
                    for name, dtype in (
                        ("yes", tf.bool),
                        ("small", tf.int8),
                        ("large", tf.uint64),
                        ("wide", tf.float64),
                        ("half", tf.bfloat16),
                    )
                },
            ),
        }

    def _function(self, function, specs):
        def call(inputs):
            return {name: tf.identity(value) for name, value in function(inputs).items()}

        named = {name: tf.TensorSpec(s.shape, s.dtype, name) for name, s in specs.items()}
        return tf.function(call, input_signature=[named])


def save(folder, module):
    """Saves as `lggan-export` does: under another name first, so that a version appears whole."""
    temporary = folder.parent / f".{folder.name}"
    tf.saved_model.save(module, str(temporary), signatures=module.functions)
    os.rename(temporary, folder)
    return folder


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    """`painter` 3, `mixer` 1 with a source picture, `arithmetic` 7; read only."""
    folder = tmp_path_factory.mktemp("models")
    for name, number, module in (
        ("painter", 3, Painter(1, needs_source=False)),
        ("mixer", 1, Painter(1, needs_source=True)),
        ("arithmetic", 7, Arithmetic()),
    ):
        (folder / name).mkdir()
        save(folder / name / str(number), module)
    return folder


def _png(array):
    encoded = io.BytesIO()
    Image.fromarray(np.asarray(array, "uint8")).save(encoded, "PNG")
    return encoded.getvalue()


@pytest.fixture(scope="session")
def png():
    """Array -> PNG file."""
    return _png


@pytest.fixture(scope="session")
def pixels():
    """PNG file -> array."""
    return lambda data: np.asarray(Image.open(io.BytesIO(data)))


class InProcess:
    """The application without a socket: requests run in an event loop of its own."""

    def __init__(self, models_dir, settings=LIMITS):
        self.api = Api(models_dir, settings)
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.api.app), base_url="http://server"
        )
        self._stop = asyncio.Event()
        ready = asyncio.Event()
        self._lifespan = self._loop.create_task(self._live(ready))
        self._loop.run_until_complete(ready.wait())

    async def _live(self, ready):
        starlette = self.api.app._app
        async with starlette.router.lifespan_context(starlette):
            while not self.api._versions.scanned:
                await asyncio.sleep(0.01)
            ready.set()
            await self._stop.wait()

    def run(self, coroutine):
        return self._loop.run_until_complete(coroutine)

    async def send(self, method, path, **arguments):
        return await self._client.request(method, path, **arguments)

    def request(self, method, path, **arguments):
        return self.run(self.send(method, path, **arguments))

    def get(self, path, **arguments):
        return self.request("GET", path, **arguments)

    def post(self, path, **arguments):
        return self.request("POST", path, **arguments)

    def close(self):
        self._stop.set()
        self.run(self._lifespan)
        self.run(self._client.aclose())
        self._loop.close()


@pytest.fixture
def start(models_dir):
    """Settings that differ, another folder -> an application of its own."""
    started = []

    def make(folder=models_dir, **changed):
        started.append(InProcess(folder, dataclasses.replace(LIMITS, **changed)))
        return started[-1]

    yield make
    for served in started:
        served.close()


@pytest.fixture(scope="module")
def server(models_dir):
    served = InProcess(models_dir)
    yield served
    served.close()


@pytest.fixture(scope="session")
def save_painter():
    """Folder of a new version, how bright it paints, its slowness -> the version."""
    return lambda folder, shade=1.0, slowness=0: save(folder, Painter(shade, False, slowness))


@pytest.fixture(scope="session")
def colours():
    """`[4,3]`: what `painter` paints."""
    return COLOURS


@pytest.fixture(scope="module")
def maps():
    """Label maps `[2,8,12]` and their picture."""
    labels = np.random.default_rng(0).integers(0, 4, (2, 8, 12), "uint8")
    return SimpleNamespace(labels=labels, image=COLOURS[labels])
