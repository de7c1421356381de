"""One process at a time trains in a folder."""

import os

import child_process
import pytest

from lggan_tf.errors import UserError
from lggan_tf.runs import lock
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.lock import locked


def test_the_second_is_refused_and_the_next_is_not(tmp_path):
    folder = RunFolder(tmp_path / "a")
    with locked(folder):
        with pytest.raises(UserError) as caught, locked(RunFolder(tmp_path / "a")):
            raise AssertionError("two at once")
        assert str(caught.value) == (
            f"another process trains in {folder.path}; wait for its end, or choose another "
            "--run_dir"
        )
        # The refused one has taken nothing away.
        with pytest.raises(UserError), locked(folder):
            raise AssertionError("two at once")
        (folder.path / "x").touch()
    with locked(folder):
        pass
    assert [path.name for path in folder.path.iterdir()] == ["x"]


def test_nothing_stays_where_nothing_was_written(tmp_path):
    with pytest.raises(KeyError), locked(RunFolder(tmp_path / "runs" / "a")):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "runs").mkdir()
    with locked(RunFolder(tmp_path / "runs" / "a")):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["runs"]


HOLD = """
import sys, time
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.lock import locked
with locked(RunFolder(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_process_that_is_killed_locks_nothing(tmp_path):
    folder = RunFolder(tmp_path / "a")
    process = child_process.start("-c", HOLD, folder.path)
    try:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(UserError), locked(folder):
            raise AssertionError("two at once")
    finally:
        process.kill()
        process.communicate()
    assert (folder.path / ".lock").exists()
    with locked(folder):
        pass
    assert list(folder.path.iterdir()) == []


def test_a_file_that_was_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """Opened before the one who held it removed it: the next opens a new one."""
    folder, flock = RunFolder(tmp_path / "a"), lock.fcntl.flock

    def late(file, how):
        monkeypatch.setattr(lock.fcntl, "flock", flock)
        os.unlink(folder.path / ".lock")
        flock(file, how)

    monkeypatch.setattr(lock.fcntl, "flock", late)
    with locked(folder), pytest.raises(UserError), locked(folder):
        raise AssertionError("two at once")


def test_where_nothing_can_be_written_the_writer_complains(tmp_path):
    (tmp_path / "file").write_text("x")
    with locked(RunFolder(tmp_path / "file" / "a")):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_systems_and_disks_without_locks(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(38, os.strerror(38))

    folder = RunFolder(tmp_path / "a")
    monkeypatch.setattr(lock.fcntl, "flock", fail)
    with locked(folder), locked(folder):
        pass
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(lock, "fcntl", None)
    with locked(folder), locked(folder):
        pass
