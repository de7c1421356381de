"""A first request to every signature that draws: TensorFlow optimises a graph when it first runs.

It is made up from the signature: label maps of class 0, black pictures.
"""

import io
import logging
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from lggan_tf.serving.loaded_model import LoadedModel, Signature

log = logging.getLogger(__name__)
SIDE = 128  # pixels; a multiple of whatever side a generator asks for


def load_warm(path: Path) -> LoadedModel:
    """A SavedModel that has answered once."""
    model = LoadedModel(path)
    warm_up(model)
    return model


def warm_up(model: LoadedModel) -> None:
    """Runs `png` and `serving_default` once, if they are those of a label-to-picture model.

    A model that refuses such a request is as good as one that does not: it is only noted.
    """
    for name in ("png", "serving_default"):
        signature = model.signatures.get(name)
        inputs = signature and _inputs(signature)
        if not inputs:
            continue
        start = time.monotonic()
        try:
            signature(inputs)
        except Exception as error:  # whatever it is, requests may be other than ours
            log.info("not warmed up", extra={"signature": name, "reason": str(error)[:300]})
            continue
        seconds = round(time.monotonic() - start, 3)
        log.info("warmed up", extra={"signature": name, "seconds": seconds})


def _inputs(signature: Signature) -> dict[str, np.ndarray] | None:
    """One image for each input; None if an input is neither a map nor a picture."""
    found = {}
    for name, spec in signature.inputs.items():
        rank = spec.shape.rank
        if spec.dtype == tf.string and rank == 1 and name.endswith("_bytes"):
            is_map = name in ("labels_bytes", "edges_bytes")
            found[name] = np.array([_png("L" if is_map else "RGB")], object)
        elif spec.dtype in (tf.uint8, tf.uint16) and rank in (3, 4):
            sizes = zip(spec.shape, (1, SIDE, SIDE, 3), strict=False)
            found[name] = np.zeros([size or ours for size, ours in sizes], spec.dtype.name)
        else:
            return None
    return found


def _png(mode: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (SIDE, SIDE)).save(file, "PNG")
    return file.getvalue()
