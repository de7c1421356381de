"""Files of torch's two formats, read by torch and without it; damaged ones; those of others."""

import importlib.util
import json
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest

from lggan_tf.backbones.torch_file import read_state_dict
from lggan_tf.errors import UserError
from lggan_tf.runs.pytorch_files import read_by_torch, read_weights

NO_TORCH = "torch is not installed (pip install 'lggan-tf[torch]'), so nothing writes its files"


@pytest.fixture(scope="module")
def torch():
    """Its own warnings at import are not this project's."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip(NO_TORCH)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
    return torch


@pytest.fixture(scope="module")
def network(torch):
    """Layers as the authors use them, with buffers, a spectral norm and shared storage."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 4, bias=False),
        torch.nn.InstanceNorm2d(5, affine=False, track_running_stats=True),
        torch.nn.ConvTranspose2d(5, 4, 3),
        torch.nn.BatchNorm2d(4, affine=False),
        torch.nn.Linear(4, 2),
    )
    layers[0].weight.data = layers[0].weight.data.to(memory_format=torch.channels_last)
    state = OrderedDict(layers.state_dict())
    flat = torch.randn(60)
    state["view"] = flat[10:30].reshape(4, 5).t()
    state["half"] = torch.randn(3, 3).half()
    state["brain"] = torch.randn(3, 3).bfloat16()
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.zeros(0, 3)
    return state


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_both_readers_agree_bit_by_bit(torch, network, tmp_path, zipped):
    file = tmp_path / "net.pth"
    torch.save(network, file, _use_new_zipfile_serialization=zipped)
    ours, theirs = read_state_dict(file), read_by_torch(file)
    assert list(ours) == list(theirs) == list(network)
    for key, tensor in network.items():
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        for found in (ours[key], theirs[key]):
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape), key
            assert found.tobytes() == np.ascontiguousarray(expected).tobytes(), key


def test_torch_is_asked_where_it_is_installed_and_not_for_other_formats(
    torch, network, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        "lggan_tf.runs.pytorch_files.read_by_torch", lambda path: asked.append(path.name) or {}
    )
    torch.save(network, tmp_path / "net.pth")
    np.savez(tmp_path / "net.npz", a=np.ones(2))
    assert read_weights(tmp_path / "net.pth") == {}
    np.testing.assert_array_equal(read_weights(tmp_path / "net.npz")["a"], [1, 1])
    assert asked == ["net.pth"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert set(read_weights(tmp_path / "net.pth")) == set(network)
    assert asked == ["net.pth"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "holds no state dict but list"),
        ({"epoch": 3}, "'epoch' is no tensor but int"),
        (b"nonsense", "is no state dict that torch can load"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_what_torch_loads_and_is_no_state_dict(torch, tmp_path, content, words):
    file = tmp_path / "x.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(UserError) as caught:
        read_weights(file)
    assert words in str(caught.value) and str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_code_in_a_file_is_not_run_by_either_reader(torch, tmp_path, capsys):
    file = tmp_path / "x.pth"
    torch.save({"w": Evil()}, file)
    for read in (read_by_torch, read_state_dict):
        with pytest.raises(UserError):
            read(file)
    assert capsys.readouterr().out == ""


def write_safetensors(path, arrays):
    header, data = {}, b""
    for key, array in arrays.items():
        offsets = [len(data), len(data) + array.nbytes]
        header[key] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_npz_and_safetensors_need_no_torch(tmp_path):
    """In a process to which torch cannot be imported."""
    arrays = {"a.weight": np.arange(6, dtype="float32").reshape(2, 3)}
    np.savez(tmp_path / "w.npz", **arrays)
    write_safetensors(tmp_path / "w.safetensors", arrays)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from lggan_tf.runs.pytorch_files import read_weights\n"
        "for path in sys.argv[1:]: print(read_weights(path)['a.weight'].tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "w.npz", tmp_path / "w.safetensors"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines() == [str(arrays["a.weight"].tolist())] * 2
