"""Reads picture files: photos as `[h, w, 3]` uint8, maps of ids as `[h, w]` integers."""

import re
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from lggan_tf.data.classes import ClassTable
from lggan_tf.errors import UserError

# What Pillow raises on files that are cut off, damaged, or no pictures.
_BROKEN = (
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_ID_MODES = ("1", "L", "P", "I", "I;16", "I;16B")
# Greys of fewer than 8 bits as Pillow names them in files; it stretches them to 0..255.
_STRETCHED = re.compile(r"L;(?P<bits>[2-7])")


def read_photo(path: Path) -> np.ndarray:
    """A photo as `[h, w, 3]` uint8 RGB. Grey and palette pictures become RGB; alpha is dropped.

    Raises:
        UserError: the file cannot be read, or has more than 8 bits per channel.
    """
    picture, _ = _open(path)
    if picture.mode.startswith(("I", "F")):
        raise UserError(f"the photo {path} has more than 8 bits per channel; save it as 8-bit RGB")
    return np.asarray(picture.convert("RGB"))


def read_ids(path: Path) -> np.ndarray:
    """A one-channel map as `[h, w]` uint8, uint16 or int32. A palette picture gives its indices.

    A grey picture of one bit gives 0 and 1.

    Raises:
        UserError: the file cannot be read, has several channels, or is grey of 2 or 4 bits.
    """
    picture, kind = _open(path)
    if stretched := _STRETCHED.match(kind):
        raise UserError(
            f"{path} is a grey picture of {stretched['bits']} bits, whose values readers stretch "
            "to 0..255, so its ids are not certain; save it with 8 bits, or with a palette"
        )
    if picture.mode not in _ID_MODES:
        raise UserError(
            f"{path} is a picture of mode {picture.mode}, but a map of ids has one channel; "
            "save ids, not colours"
        )
    ids = np.asarray(picture)
    return ids.astype(np.uint8) if ids.dtype == bool else ids


def read_labels(path: Path, classes: ClassTable) -> np.ndarray:
    """A label map as `[h, w]` of `classes.label_dtype`, void values replaced by the first void id.

    Raises:
        UserError: the file cannot be read, has several channels, or holds a value that is no id.
    """
    labels = read_ids(path)
    if classes.void_values:
        labels = labels.copy()
        labels[np.isin(labels, classes.void_values)] = classes.void_ids[0]
    is_wrong = (labels < 0) | (labels >= classes.num_labels)
    if is_wrong.any():
        y, x = np.argwhere(is_wrong)[0]
        raise UserError(
            f"{path} holds label id {labels[y, x]} at pixel (x={x}, y={y}), but the class table "
            f"has ids 0 to {classes.num_labels - 1}; add it to classes.json, as a class or to "
            "void_values"
        )
    return labels.astype(classes.label_dtype)


def _open(path: Path) -> tuple[Image.Image, str]:
    """The decoded picture, and what the file holds in Pillow's words ("L;4": grey of 4 bits)."""
    kind = ""
    try:
        with path.open("rb") as file:
            picture = Image.open(file)
            if picture.tile:
                arguments = picture.tile[0][3]
                kind = str(arguments[0] if isinstance(arguments, tuple) else arguments)
            picture.load()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"{path} cannot be read as a picture ({reason}); replace the file"
        ) from error
    except _BROKEN as error:
        raise UserError(
            f"{path} cannot be read as a picture ({error}); replace the file"
        ) from error
    return picture, kind
