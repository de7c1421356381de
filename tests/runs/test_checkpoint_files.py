"""Files of checkpoints without a model: what is written, what is refused, what is kept."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.runs.checkpoint_files import CheckpointFiles


@pytest.fixture
def value():
    return tf.Variable(tf.zeros([1000]))


@pytest.fixture
def save(value):
    """(files, number) -> writes a checkpoint whose every value is its number."""
    checkpoint = tf.train.Checkpoint(value=value)

    def write(files, number, notes=None):
        value.assign(tf.fill([1000], float(number)))
        return files.write(number, checkpoint.write, notes)

    return write


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "checkpoint")


def test_a_checkpoint_is_three_files_and_nothing_else_stays(tmp_path, save):
    files = CheckpointFiles(tmp_path / "a", keep=2)
    assert files.numbers() == [] and files.newest_whole() is None
    for number in (3, 6, 9):
        save(files, number)
    assert names(tmp_path / "a") == [
        f"ckpt-{n}.{kind}" for n in (6, 9) for kind in ("data-00000-of-00001", "index", "json")
    ]
    assert tf.train.latest_checkpoint(tmp_path / "a") == files.prefix(9)
    found = tf.train.load_checkpoint(files.prefix(6)).get_tensor("value/.ATTRIBUTES/VARIABLE_VALUE")
    assert found.tolist() == [6.0] * 1000


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, os.remove])
@pytest.mark.parametrize("kind", ["data-00000-of-00001", "index", "json"])
def test_damage_shows_and_the_one_before_is_used(tmp_path, save, damage, kind):
    for number in (1, 2):
        save(CheckpointFiles(tmp_path, keep=2), number)
    damage(tmp_path / f"ckpt-2.{kind}")
    files = CheckpointFiles(tmp_path, keep=2)
    assert files.newest_whole() == 1
    # A digest that has changed speaks against the file that it was of.
    assert ("ckpt-2." if kind == "json" else f"ckpt-2.{kind}") in files.fault(2)


def test_what_was_refused_is_not_counted_among_those_kept(tmp_path, save):
    for number in (4, 8):
        save(CheckpointFiles(tmp_path, keep=2), number)
    flip(tmp_path / "ckpt-8.index")
    files = CheckpointFiles(tmp_path, keep=2)
    save(files, 6)
    assert files.numbers() == [4, 6]


def test_an_older_manifest_does_not_vouch_for_files_of_a_later_attempt(tmp_path, save, monkeypatch):
    """The process ends between two renames, at the same step as before."""
    files = CheckpointFiles(tmp_path, keep=2)
    save(files, 1)
    save(files, 2)

    def ended(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", ended)
    with pytest.raises(KeyboardInterrupt):
        save(files, 2)
    later = CheckpointFiles(tmp_path, keep=2)
    assert later.newest_whole() == 1 and "never finished" in later.fault(2)


def test_one_that_was_never_finished_is_a_kill_and_several_are_lost_manifests(tmp_path, save):
    files = CheckpointFiles(tmp_path, keep=2)
    save(files, 1)
    os.remove(tmp_path / "ckpt-1.json")
    assert CheckpointFiles(tmp_path, keep=2).newest() is None
    save(files := CheckpointFiles(tmp_path, keep=2), 2)
    save(files, 4)
    for number in (2, 4):
        os.remove(tmp_path / f"ckpt-{number}.json")
    with pytest.raises(UserError) as caught:
        CheckpointFiles(tmp_path, keep=2).newest()
    assert f"no checkpoint in {tmp_path} has its manifest (ckpt-2.json, ckpt-4.json are" in str(
        caught.value
    )


def test_kills_leave_at_most_one_that_was_never_finished(tmp_path, save, monkeypatch):
    """Twice the process ends between two renames of its first checkpoint, at different steps."""
    replace = Path.replace

    def ended(self, target):
        if target.suffix == ".json":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", ended)
    for number in (3, 2):
        files = CheckpointFiles(tmp_path, keep=2)
        assert files.newest() is None
        with pytest.raises(KeyboardInterrupt):
            save(files, number)
        assert files.numbers() == [number]


@pytest.fixture
def disk(monkeypatch):
    """What is asked of the disk, in order: (call, the name of the file or folder)."""
    calls = []

    def fsync(descriptor):
        calls.append(("flush", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))

    def noted(name):
        method = getattr(Path, name)

        def call(self, *args, **options):
            calls.append((name, self.name))
            return method(self, *args, **options)

        monkeypatch.setattr(Path, name, call)

    monkeypatch.setattr(os, "fsync", fsync)
    noted("replace")
    noted("unlink")
    return calls


def test_older_ones_go_when_the_disk_holds_the_new_one(tmp_path, save, disk):
    """Content, then names, then what is no longer needed: a power cut leaves one that is whole."""
    files = CheckpointFiles(tmp_path / "checkpoints", keep=1)
    save(files, 1)
    disk.clear()
    save(files, 2)
    new = [f"ckpt-2.{kind}" for kind in ("data-00000-of-00001", "index", "json")]
    old = [f"ckpt-1.{kind}" for kind in ("data-00000-of-00001", "index", "json")]

    def places(call, names):
        return [disk.index((call, name)) for name in names]

    folder = disk.index(("flush", "checkpoints"))
    assert max(places("flush", new)) < min(places("replace", new))
    assert disk.index(("replace", "ckpt-2.json")) == max(places("replace", new)) < folder
    assert folder < disk.index(("flush", tmp_path.name)) < min(places("unlink", old))


def test_a_full_disk_leaves_the_earlier_ones_whole(tmp_path, save, value):
    """A limit on the size of files in place of a full disk; this process' own, taken back."""
    files = CheckpointFiles(tmp_path, keep=2)
    save(files, 1)
    before = names(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(UserError) as caught:
            save(files, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"cannot save a checkpoint in {tmp_path}" in str(caught.value)
    assert "earlier ones are whole; make room" in str(caught.value)
    assert names(tmp_path) == before and CheckpointFiles(tmp_path, 2).newest_whole() == 1
    save(files, 2)
    assert files.newest_whole() == 2


WRITE = """
import os, sys
from pathlib import Path
from lggan_tf.errors import UserError
from lggan_tf.runs.checkpoint_files import CheckpointFiles
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    CheckpointFiles(Path(sys.argv[1]), 2).write(1, lambda prefix: None)
except UserError as error:
    sys.exit(str(error))
"""


def test_a_folder_that_may_not_be_written(tmp_path):
    """In a process that is not root, to whom everything is allowed."""
    folder = tmp_path / "a"
    folder.mkdir(mode=0o555)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", WRITE, folder], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"cannot save a checkpoint in {folder} (Permission denied); earlier ones are whole"
    )


def test_below_a_regular_file(tmp_path, save):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"cannot save a checkpoint in .*\(Not a directory\)"):
        save(CheckpointFiles(tmp_path / "file" / "a", 2), 1)


def test_notes(tmp_path, save):
    files = CheckpointFiles(tmp_path, 1)
    save(files, 1, {"psnr": 12.5})
    assert files.notes(1) == {"psnr": 12.5}
