import errno
import os
from pathlib import Path

import pytest

from lggan_tf.config import Config
from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder, write_atomically


def test_text_and_bytes_arrive_and_nothing_else(tmp_path):
    file = tmp_path / "new" / "deeper" / "a.txt"
    write_atomically(file, "grün\n")
    assert file.read_bytes() == "grün\n".encode()
    write_atomically(file, b"\x00\xff")
    assert file.read_bytes() == b"\x00\xff"
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]


def test_content_is_on_the_disk_before_its_name_and_the_name_afterwards(tmp_path, monkeypatch):
    calls, replace = [], Path.replace

    def fsync(descriptor):
        calls.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))

    def renamed(path, target):
        calls.append("replace")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    write_atomically(tmp_path / "a.txt", "new")
    assert calls == [tmp_path / f".a.txt.{os.getpid()}", "replace", tmp_path]
    calls.clear()
    write_atomically(tmp_path / "a.txt", "newer", lasts=False)
    assert calls == ["replace"] and (tmp_path / "a.txt").read_text() == "newer"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_file_system_that_cannot_flush_and_one_that_fails(tmp_path, monkeypatch, number):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if number == errno.EINVAL:
        write_atomically(tmp_path / "a.txt", "new")
        assert (tmp_path / "a.txt").read_text() == "new"
    else:
        with pytest.raises(UserError, match="cannot write .*Input/output error"):
            write_atomically(tmp_path / "a.txt", "new")


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    file = tmp_path / "config.json"
    file.write_text("old")
    write = Path.write_bytes

    def half(path, content):
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(UserError) as caught:
        write_atomically(file, "new and longer")
    assert str(caught.value) == (
        f"cannot write {file} (No space left on device); choose a folder that can be written"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert file.read_text() == "old"


def test_a_folder_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UserError, match="cannot write .*config.json"):
        write_atomically(tmp_path / "config.json", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_below_a_regular_file_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot write .*choose a folder"):
        write_atomically(tmp_path / "file" / "run" / "config.json", "x")
    assert (tmp_path / "file").read_text() == "x"


def test_a_run_is_created_once_and_read_back(tmp_path, classes):
    folder = RunFolder(tmp_path / "runs" / "a")
    assert not folder.exists
    config = Config.from_flat({"filters": 12, "data_dir": "maps & photos", "lambda_tv": 1e-7})
    folder.create(config, classes)
    assert folder.exists
    assert folder.read_config() == config
    assert folder.read_classes() == classes
    assert sorted(path.name for path in folder.path.iterdir()) == ["classes.json", "config.json"]

    with pytest.raises(UserError, match="already holds a run; choose another --run_dir"):
        folder.create(Config(), classes)
    assert folder.read_config() == config


def test_a_run_that_cannot_be_described_does_not_exist(tmp_path, classes):
    """The config comes last: a run without classes would be a run that nothing can open."""
    folder = RunFolder(tmp_path / "a")
    folder.classes_file.mkdir(parents=True)
    with pytest.raises(UserError, match="classes.json"):
        folder.create(Config(), classes)
    assert not folder.exists


def test_no_run_here(tmp_path):
    with pytest.raises(UserError) as caught:
        RunFolder(tmp_path).read_config()
    assert str(caught.value) == f"{tmp_path} holds no run (config.json: No such file or directory)"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"data": {"colour": 1}}'])
def test_an_unreadable_config_is_named(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match="config.json") as caught:
        RunFolder(tmp_path).read_config()
    assert "\n" not in str(caught.value)
