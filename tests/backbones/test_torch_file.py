"""Weight files are crafted as PyTorch writes them, with stand-ins for its classes."""

import collections
import io
import json
import os
import pickle
import struct
import sys
import types
import zipfile

import numpy as np
import pytest

from lggan_tf.backbones.torch_file import read_state_dict
from lggan_tf.errors import UserError

MAGIC = 0x1950A86A20F9469CFC6C


class Storage:
    def __init__(self, kind, key, data, length, view=None):
        self.kind, self.key, self.data, self.length, self.view = kind, key, data, length, view


class Tensor:
    def __init__(self, storage, offset, shape, strides, rebuild="_rebuild_tensor_v2"):
        self.storage, self.rebuild = storage, rebuild
        self.geometry = (offset, shape, strides)

    def __reduce__(self):
        rest = () if self.rebuild == "_rebuild_tensor" else (False, collections.OrderedDict())
        function = getattr(sys.modules["torch._utils"], self.rebuild)
        return function, (self.storage, *self.geometry, *rest)


@pytest.fixture
def torch_modules(monkeypatch):
    """Modules that let pickle write `torch.FloatStorage`; reading must not use them."""

    def forbidden(*_):
        raise AssertionError("the file's own functions must not be called")

    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in ("FloatStorage", "LongStorage", "BFloat16Storage", "HalfStorage"):
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
        function = types.FunctionType(forbidden.__code__, {"AssertionError": AssertionError}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(utils, name, function)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


def dump(value, legacy):
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if isinstance(obj, Storage):
                kind = getattr(sys.modules["torch"], obj.kind)
                pid = ("storage", kind, obj.key, "cpu", obj.length)
                return (*pid, obj.view) if legacy else pid
            return None

    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    return stream.getvalue()


def storages_of(state):
    return {t.storage.key: t.storage for t in state.values() if isinstance(t, Tensor)}


def zip_file(state):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("model/data.pkl", dump(state, legacy=False))
        archive.writestr("model/byteorder", "little")
        for key, storage in storages_of(state).items():
            archive.writestr(f"model/data/{key}", storage.data)
        archive.writestr("model/version", "3\n")
    return stream.getvalue()


def legacy_file(state):
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    head = [pickle.dumps(x, 2) for x in (MAGIC, 1001, system)]
    storages = storages_of(state)
    blocks = [struct.pack("<q", s.length) + s.data for s in storages.values()]
    return b"".join([*head, dump(state, legacy=True), pickle.dumps(list(storages), 2), *blocks])


FORMATS = {"zip": zip_file, "legacy": legacy_file}


def example_state():
    floats = Storage("FloatStorage", "0", np.arange(12, dtype="<f4").tobytes(), 12)
    longs = Storage("LongStorage", "1", np.array([7], "<i8").tobytes(), 1)
    # 1.0 and -2.5 are exact in bfloat16: the upper halves of their float32 bits.
    bits = np.array([1.0, -2.5], "<f4").view("<u4") >> 16
    halves = Storage("BFloat16Storage", "2", bits.astype("<u2").tobytes(), 2)
    state = collections.OrderedDict(
        [
            ("plain", Tensor(floats, 0, (3, 4), (4, 1))),
            ("transposed", Tensor(floats, 0, (4, 3), (1, 4))),
            ("part", Tensor(floats, 5, (3,), (2,))),
            ("scalar", Tensor(longs, 0, (), ())),
            ("bfloat16", Tensor(halves, 0, (2,), (1,))),
        ]
    )
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    return state


@pytest.mark.parametrize("form", FORMATS)
def test_reads_both_torch_formats(form, torch_modules, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(FORMATS[form](example_state()))
    arrays = read_state_dict(path)
    assert list(arrays) == ["plain", "transposed", "part", "scalar", "bfloat16"]
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(arrays["plain"], table)
    np.testing.assert_array_equal(arrays["transposed"], table.T)
    np.testing.assert_array_equal(arrays["part"], [5, 7, 9])
    assert arrays["scalar"].shape == () and arrays["scalar"] == 7
    np.testing.assert_array_equal(arrays["bfloat16"], np.array([1.0, -2.5], np.float32))
    assert [str(a.dtype) for a in arrays.values()] == ["float32"] * 3 + ["int64", "float32"]
    assert all(a.flags.c_contiguous for a in arrays.values())


def test_reads_views_and_rebuild_function_of_old_files(torch_modules, tmp_path):
    whole = Storage("FloatStorage", "0", np.arange(6, dtype="<f4").tobytes(), 6, ("v", 2, 4))
    state = {"a": Tensor(whole, 1, (2,), (1,), "_rebuild_tensor")}
    path = tmp_path / "old.pth"
    path.write_bytes(legacy_file(state))
    np.testing.assert_array_equal(read_state_dict(path)["a"], [3, 4])


@pytest.mark.parametrize("form", FORMATS)
def test_any_truncation_is_refused_with_the_files_name(form, torch_modules, tmp_path):
    data = FORMATS[form](example_state())
    path = tmp_path / "cut.pth"
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"cut\.pth"):
            read_state_dict(path)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "geometry",
    [
        (0, (4, 4), (4, 1)),  # 16 elements of a storage of 12
        (10, (3,), (1,)),  # starts inside, ends outside
        (0, (2,), (1 << 40,)),  # far away
        (-1, (2,), (1,)),
        (11, (2,), (-1,)),
        (0, (1 << 40,), (0,)),  # one element repeated until memory is full
    ],
)
def test_a_tensor_outside_its_storage_is_refused(form, geometry, torch_modules, tmp_path):
    floats = Storage("FloatStorage", "0", np.arange(12, dtype="<f4").tobytes(), 12)
    path = tmp_path / "evil.pth"
    path.write_bytes(FORMATS[form]({"a": Tensor(floats, *geometry)}))
    with pytest.raises(UserError, match=r"evil\.pth.*'a' reaches outside"):
        read_state_dict(path)


class Attack:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("form", FORMATS)
def test_code_in_the_file_is_not_run(form, torch_modules, tmp_path):
    witness = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    path.write_bytes(FORMATS[form]({"a": Attack(os.system, f"touch {witness}")}))
    with pytest.raises(UserError, match=r"evil\.pth asks for \w+\.system"):
        read_state_dict(path)
    assert not witness.exists()


@pytest.mark.parametrize("function", [eval, getattr, __import__, open])
def test_builtins_are_refused_too(function, torch_modules, tmp_path):
    path = tmp_path / "evil.pth"
    path.write_bytes(zip_file({"a": Attack(function, "0")}))
    with pytest.raises(UserError, match="which a state dict never needs"):
        read_state_dict(path)


def test_the_first_pickle_of_a_legacy_file_is_restricted_as_well(tmp_path):
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Attack(os.system, "true"), 2))
    with pytest.raises(UserError, match="asks for"):
        read_state_dict(path)


def test_what_is_no_state_dict_is_refused(torch_modules, tmp_path):
    path = tmp_path / "list.pth"
    path.write_bytes(zip_file({"state_dict": {}, "epoch": 3}))
    with pytest.raises(UserError, match="'state_dict' is no tensor but dict"):
        read_state_dict(path)
    path.write_bytes(pickle.dumps([1], 2) * 3)
    with pytest.raises(UserError, match="not one that PyTorch wrote"):
        read_state_dict(path)


def test_npz(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, **{"slice1.0.weight": np.ones((2, 3), np.float32), "n": np.int64(4)})
    arrays = read_state_dict(path)
    assert arrays["slice1.0.weight"].shape == (2, 3) and arrays["n"] == 4
    np.savez(path, a=np.array([{"an": "object"}]))
    with pytest.raises(UserError, match=r"weights\.npz"):
        read_state_dict(path)


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_safetensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [4, 28]}
    header = {"__metadata__": {"format": "pt"}, "a": entry}
    header["b"] = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    bits = (np.array([1.0, -2.5], "<f4").view("<u4") >> 16).astype("<u2")
    data = bits.tobytes() + np.arange(6, dtype="<f4").tobytes()
    path.write_bytes(safetensors(header, data))
    arrays = read_state_dict(path)
    assert list(arrays) == ["a", "b"]
    np.testing.assert_array_equal(arrays["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(arrays["b"], [1.0, -2.5])
    path.write_bytes(safetensors(header, data[:-1]))
    with pytest.raises(UserError, match=r"weights\.safetensors.*'a' reaches outside"):
        read_state_dict(path)


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.pth cannot be read"):
        read_state_dict(tmp_path / "nowhere.pth")
    with pytest.raises(UserError, match="cannot be read"):
        read_state_dict(tmp_path)
    page = tmp_path / "page.pth"
    page.write_text("<html>404</html>")
    with pytest.raises(UserError, match=r"page\.pth is no PyTorch"):
        read_state_dict(page)
