"""Label maps as they are found in files, made into the one kind that every decoder reads alike.

TensorFlow's PNG operator turns colours and palettes into brightness and cuts 16 bits to 8: the
values that come out look like ids and are none.
"""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from lggan_tf.serving import pictures
from lggan_tf.serving.loaded_model import LoadedModel
from lggan_tf.serving.request_error import RequestError

# Inputs that hold ids, by the names that this package's models have.
_MAPS = ("labels", "edges")
_GREY, _PALETTE = 0, 3


def with_plain_maps(
    inputs: dict[str, np.ndarray], loaded: LoadedModel, max_pixels: int
) -> dict[str, np.ndarray]:
    """Inputs `[1]` of encoded PNGs, those that hold ids in one grey channel.

    A palette's indices are the ids, and one bit is 0 and 1, as everywhere in this package.

    Raises:
        RequestError: 400, a label map in colours, of 2 or 4 grey bits, or with more bits than the
            model's ids; 413, more than `max_pixels`.
    """
    plain = dict(inputs)
    for key, array in inputs.items():
        name = key.removesuffix("_bytes")
        if name in _MAPS:
            plain[key] = np.empty(1, object)
            plain[key][0] = _plain(array[0], name, _is_small(loaded, name), max_pixels)
    return plain


def _is_small(loaded: LoadedModel, name: str) -> bool:
    """Whether the model's ids have 8 bits, as its signature for arrays tells."""
    signature = loaded.signatures.get("serving_default")
    return signature is not None and getattr(signature.inputs.get(name), "dtype", 0) == tf.uint8


def _plain(data: bytes, name: str, small: bool, max_pixels: int) -> bytes:
    width, height = pictures.png_size(data, name)
    bits, kind = data[24], data[25]
    if kind not in (_GREY, _PALETTE):
        raise RequestError(
            400, f"{name} is a PNG in colours; send one channel whose values are ids"
        )
    if bits == 16 and small:
        raise RequestError(400, f"{name} is a PNG of 16 bits, and this model's ids have 8")
    if kind == _GREY and bits in (2, 4):
        raise RequestError(
            400,
            f"{name} is a grey PNG of {bits} bits, whose values readers stretch to 0..255; send 8 "
            "bits, or a palette",
        )
    if kind == _GREY and bits >= 8:
        return data
    if width * height > max_pixels:
        raise pictures.too_many_pixels(width * height, max_pixels)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            indices = np.asarray(picture).astype(np.uint8)
    except Exception:
        raise RequestError(400, f"{name} is a broken PNG") from None
    encoded = io.BytesIO()
    Image.fromarray(indices).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()
