"""Read weight files into dicts of NumPy arrays, without PyTorch.

`read_state_dict` tells the format by the file's content, not by its name:

* PyTorch since 1.6: a zip with `NAME/data.pkl` and one member `NAME/data/KEY` per storage;
* PyTorch before 1.6 (torchvision's `vgg19-dcbb9e9d.pth` is such a file): a row of pickles (magic
  number, version, system, state dict, storage keys), then for each key an int64 length and the raw
  elements;
* NumPy `.npz`;
* safetensors: an int64 header length, a JSON header, the raw elements.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lggan_tf.backbones.torch_pickle import (
    BFLOAT16,
    StateDictUnpickler,
    WeightFileError,
    from_bytes,
    item_size,
    tensor_array,
)
from lggan_tf.errors import UserError

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001

_SAFETENSORS_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": BFLOAT16,
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}


def read_state_dict(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read a PyTorch state dict (`.pth`, `.pt`, `.bin`), an `.npz` or a `.safetensors` file.

    Args:
        path: the file. It need not be trusted: no code in it is run.

    Returns:
        Key -> array in the file's layout (PyTorch convolutions: `[out, in, height, width]`), in the
        file's order and of the file's dtype, except that bfloat16 is widened to float32.

    Raises:
        UserError: the file is missing, damaged, truncated, of another format, or asks for code to
            be run.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            head = _peek(file, 9)
            if head[:2] == b"PK":
                return _read_zip(file)
            if head[8:] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
                return _read_safetensors(file)
            if head[:1] == b"\x80":
                return _read_legacy(file, size)
        raise WeightFileError(
            "is no PyTorch, NumPy (.npz) or safetensors file; check that its download is complete"
        )
    except WeightFileError as error:
        raise UserError(f"The weight file {path} {error}.") from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"The weight file {path} cannot be read ({reason}); check the path."
        ) from error
    except Exception as error:
        # A damaged pickle, zip or JSON can fail in any way there is; to the user they are all the
        # same.
        raise UserError(
            f"The weight file {path} is damaged or incomplete ({type(error).__name__}: {error}); "
            "fetch it again."
        ) from error


def _peek(file: BinaryIO, count: int) -> bytes:
    file.seek(0)
    head = file.read(count)
    file.seek(0)
    return head


def _read_zip(file: BinaryIO) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if names and all(name.endswith(".npy") for name in names):
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightFileError("is a zip, but neither a PyTorch nor an .npz file")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder").strip() != b"little":
            raise WeightFileError("was written on a big-endian machine, which is not supported")
        with archive.open(pickles[0]) as stream:
            unpickler = StateDictUnpickler(stream)
            state = unpickler.load()
        storages = {}
        for key, record in unpickler.storages.items():
            data = archive.read(f"{root}data/{key}")
            storages[key] = _storage(key, data, record)
    return _arrays(state, storages)


def _read_legacy(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    magic, version, system = (StateDictUnpickler(file).load() for _ in range(3))
    if magic != _LEGACY_MAGIC or version != _LEGACY_VERSION:
        raise WeightFileError("is a pickle, but not one that PyTorch wrote")
    if not system["little_endian"]:
        raise WeightFileError("was written on a big-endian machine, which is not supported")
    unpickler = StateDictUnpickler(file)
    state = unpickler.load()
    storages = {}
    for key in StateDictUnpickler(file).load():
        record = unpickler.storages[key]
        length = int.from_bytes(file.read(8), "little", signed=True)
        count = record.length * item_size(record.dtype)
        if length != record.length or not 0 <= count <= size - file.tell():
            raise WeightFileError(
                f"is damaged or incomplete: storage {key} does not hold what it should"
            )
        storages[key] = _storage(key, file.read(count), record)
    return _arrays(state, storages)


def _storage(key: str, data: bytes, record) -> np.ndarray:
    if len(data) != record.length * item_size(record.dtype):
        raise WeightFileError(
            f"is damaged or incomplete: storage {key} does not hold what it should"
        )
    return from_bytes(data, record.dtype)


def _arrays(state, storages: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise WeightFileError(f"holds no state dict but {type(state).__name__}")
    return {key: tensor_array(key, value, storages) for key, value in state.items()}


def _read_safetensors(file: BinaryIO) -> dict[str, np.ndarray]:
    header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    data = file.read()
    arrays = {}
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        dtype, (begin, end) = _SAFETENSORS_DTYPES.get(entry["dtype"]), entry["data_offsets"]
        if dtype is None:
            raise WeightFileError(f"stores {key!r} as {entry['dtype']}, which is not supported")
        if not 0 <= begin <= end <= len(data):
            raise WeightFileError(f"is damaged or incomplete: {key!r} reaches outside the file")
        arrays[key] = np.array(from_bytes(data[begin:end], dtype)).reshape(entry["shape"])
    return arrays
