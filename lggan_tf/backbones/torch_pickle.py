"""The pickles inside PyTorch weight files, read without PyTorch and without trusting the file.

A pickle is a program: `pickle.load` runs whatever function the file names. State dicts need five
functions and ten storage classes, so `StateDictUnpickler` knows these and refuses every other name.
The functions are replaced by ones that only take notes: a tensor comes out as a `TensorRecord`
(where it lies in which storage), and `tensor_array` cuts it out of the storage's bytes afterwards,
with its bounds checked.
"""

from __future__ import annotations

import collections
import pickle
from typing import Any, BinaryIO, NamedTuple

import numpy as np

# bfloat16 has no NumPy type: its bits are read as uint16 and widened to float32.
BFLOAT16 = "bfloat16"

_STORAGE_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


class WeightFileError(Exception):
    """A weight file cannot be used; the message continues a sentence after the file's name."""


class StorageRecord(NamedTuple):
    """One block of numbers in the file: its key, element type, length and first element used."""

    key: str
    dtype: str
    length: int
    start: int


class TensorRecord(NamedTuple):
    """One tensor: a strided view of a storage; offset and strides count elements."""

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage, offset, shape, strides, *_):
    # What follows the strides (requires_grad, hooks, metadata) does not concern the values.
    return TensorRecord(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor, *_):
    return tensor


_FUNCTIONS = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch.nn.parameter", "Parameter"): _rebuild_parameter,
}


class StateDictUnpickler(pickle.Unpickler):
    """Unpickles what state dicts consist of and nothing else.

    Attributes:
        storages: key -> `StorageRecord` for every storage the pickle mentions, in order of
            appearance.
    """

    def __init__(self, file: BinaryIO):
        """Start at the file's current position; `load` reads one pickle."""
        # Files of the Python 2 era hold byte strings; PyTorch reads them as UTF-8 as well.
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, StorageRecord] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of an allowed name.

        Raises:
            WeightFileError: for every other name.
        """
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        if (module, name) in _FUNCTIONS:
            return _FUNCTIONS[module, name]
        raise WeightFileError(
            f"asks for {module}.{name}, which a state dict never needs: nothing was run; "
            "use a file that holds only a state dict, from a source you trust"
        )

    def persistent_load(self, pid: Any) -> StorageRecord:
        """Note a storage: ("storage", class, key, device, length[, view]).

        The view of old files is (key, start, length) or None.
        """
        kind, dtype, key, _, length, *view = pid
        if kind != "storage":
            raise WeightFileError(f"holds a reference of the unknown kind {kind!r}")
        start = view[0][1] if view and view[0] else 0
        record = StorageRecord(key, dtype, length, start)
        self.storages[key] = record
        return record


def item_size(dtype: str) -> int:
    """Bytes of one element."""
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize


def from_bytes(data: bytes, dtype: str) -> np.ndarray:
    """Little-endian bytes -> flat array; bfloat16 becomes float32."""
    if dtype == BFLOAT16:
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, dtype)


def tensor_array(name: str, tensor: Any, storages: dict[str, np.ndarray]) -> np.ndarray:
    """Cut one tensor out of its storage, as a contiguous copy.

    Args:
        name: key in the state dict, for messages.
        tensor: a value of the unpickled dict.
        storages: key -> flat array.

    Returns:
        Array of the tensor's shape.

    Raises:
        WeightFileError: the value is no tensor, or it reaches outside its storage.
    """
    if not isinstance(tensor, TensorRecord):
        raise WeightFileError(
            f"is not a plain state dict: {name!r} is no tensor but {type(tensor).__name__}"
        )
    flat = storages[tensor.storage.key]
    shape, strides = tensor.shape, tensor.strides
    first = tensor.storage.start + tensor.offset
    last = first + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    count = int(np.prod(shape, dtype=object))
    # `as_strided` checks nothing: without this line a crafted file could read memory that is not
    # its own.
    if min((first, *shape, *strides)) < 0 or count > flat.size or (count and last >= flat.size):
        raise WeightFileError(f"is damaged: {name!r} reaches outside its storage")
    if count == 0:
        return np.zeros(shape, flat.dtype)
    view = np.lib.stride_tricks.as_strided(
        flat[first:], shape, [flat.itemsize * stride for stride in strides]
    )
    return np.array(view, order="C")
