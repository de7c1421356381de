"""The samples that a run knows, without a model."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.runs.checkpoint_files import CheckpointFiles
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.train_samples import check_train_samples, note_train_samples


class Samples:
    """A source of nothing but names."""

    def __init__(self, *names, labels=3):
        self.names, self.classes = names, SimpleNamespace(num_labels=labels)

    def __len__(self):
        return len(self.names)


def save(folder, number, *parts):
    checkpoint = tf.train.Checkpoint(
        **{part: tf.train.Checkpoint(v=tf.Variable(1.0)) for part in parts}
    )
    CheckpointFiles(folder.checkpoints, 2).write(number, checkpoint.write)


@pytest.fixture
def folder(tmp_path):
    """A run that has trained on two samples."""
    folder = RunFolder(tmp_path / "a")
    note_train_samples(folder, Samples("a", "b"))
    save(folder, 4, "generator", "generator_optimizer")
    return folder


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Samples("a"), "trained on 2 samples, and there are 1 now"),
        (Samples("a", "b", "c"), "trained on 2 samples, and there are 3 now"),
        (Samples("a", "c"), "there are as many, of other names or classes, now"),
        (Samples("b", "a"), "there are as many, of other names or classes, now"),
        (Samples("a", "b", labels=4), "there are as many, of other names or classes, now"),
    ],
)
def test_others_are_refused(folder, source, words):
    check_train_samples(folder, Samples("a", "b"))
    with pytest.raises(UserError) as caught:
        check_train_samples(folder, source)
    assert words in str(caught.value)
    assert "bring the samples of then back, or start a new run from its weights with " in str(
        caught.value
    )
    assert f"--warm_start={folder.path}" in str(caught.value)


@pytest.mark.parametrize("parts", [(), ("generator", "discriminator_semantic")])
def test_a_run_that_has_not_trained_may_get_others(tmp_path, parts):
    """One without a checkpoint, and imported weights."""
    folder = RunFolder(tmp_path / "a")
    note_train_samples(folder, Samples("a", "b"))
    if parts:
        save(folder, 0, *parts)
    check_train_samples(folder, Samples("c"))
    note_train_samples(folder, Samples("c"))
    save(folder, 4, "generator", "generator_optimizer")
    check_train_samples(folder, Samples("c"))
    with pytest.raises(UserError, match="trained on 1 samples, and there are 2 now"):
        check_train_samples(folder, Samples("a", "b"))


def test_a_run_that_knows_none_takes_those_that_it_finds(folder):
    folder.train_samples.unlink()
    check_train_samples(folder, Samples("c"))


def test_they_are_written_once(folder):
    before = folder.train_samples.stat()
    note_train_samples(folder, Samples("a", "b"))
    after = folder.train_samples.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"samples": "many"}'])
def test_a_file_that_cannot_be_read(folder, content):
    folder.train_samples.write_text(content)
    with pytest.raises(UserError, match=r"train_samples.json cannot be read .*remove it if"):
        check_train_samples(folder, Samples("a", "b"))
