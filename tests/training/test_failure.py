"""What lies in the folder of a failure, and what is said, without a model."""

import json
from pathlib import Path

import numpy as np
import pytest

from lggan_tf.config import Config
from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder
from lggan_tf.training.callbacks.failure import failure_error
from lggan_tf.training.guard import Failure

BATCH = {"labels": np.arange(8, dtype="uint8").reshape(2, 2, 2), "image": np.zeros((2, 2, 2, 3))}


@pytest.fixture
def folder(tmp_path, classes):
    folder = RunFolder(tmp_path / "my run")
    folder.create(Config.from_flat({"seed": 7, "lambda_perceptual": 0.0}), classes)
    folder.class_counts.write_bytes(b"counts")
    folder.train_samples.write_bytes(b"samples")
    return folder


def saved(place: RunFolder):
    place.checkpoints.mkdir(parents=True)
    (place.checkpoints / "ckpt-11").write_bytes(b"weights")


def test_the_folder_is_a_run_and_tells_the_step(folder, classes):
    failure = Failure(12, "tv", {"l1": 0.5, "tv": float("inf")}, ("discriminator",))
    error = failure_error(failure, folder, BATCH, ["a", "b"], "runs/checkpoints/ckpt-10", saved)
    place = RunFolder(folder.path / "failure" / "step_000012")
    command = f"lggan-train --run_dir='{place.path}'"
    assert str(error) == (
        f"the loss term tv is inf in step 12 (its batch: a, b); {place.path} holds that batch and "
        f"the weights before the step (the discriminator was updated), {command} takes it again; "
        "last checkpoint: runs/checkpoints/ckpt-10; start anew with lower learning rates"
    )
    assert place.read_config() == folder.read_config() and place.read_classes() == classes
    assert (place.checkpoints / "ckpt-11").read_bytes() == b"weights"
    assert place.class_counts.read_bytes() == b"counts"
    assert place.train_samples.read_bytes() == b"samples"
    assert json.loads((place.path / "failure.json").read_text()) == {
        "step": 12,
        "culprit": "tv",
        "values": {"l1": "0.5", "tv": "inf"},
        "updated_before": ["discriminator"],
        "samples": ["a", "b"],
        "last_checkpoint": "runs/checkpoints/ckpt-10",
        "reproduce": command,
    }
    batch = np.load(place.path / "batch.npz")
    assert sorted(batch) == ["image", "labels"]
    np.testing.assert_array_equal(batch["labels"], BATCH["labels"])


def test_gradients_by_the_name_of_their_network(folder):
    failure = Failure(3, "gradients of generator", {"gradients of generator": float("nan")}, ())
    error = failure_error(failure, folder, BATCH, ["a"], None, saved)
    assert str(error).startswith(
        "the squared norm of the gradients of generator is nan, the loss terms being finite, in "
        "step 3 (its batch: a); "
    )
    assert "last checkpoint: none yet" in str(error)


def test_the_same_step_once_more_takes_the_place_of_the_first(folder):
    for name in ("first", "second"):
        failure_error(Failure(3, name, {name: float("nan")}, ()), folder, BATCH, [], None, saved)
    (place,) = (folder.path / "failure").iterdir()
    assert json.loads((place / "failure.json").read_text())["culprit"] == "second"


@pytest.mark.parametrize("error", [UserError("cannot save"), OSError(28, "no space left")])
def test_what_cannot_be_saved_hides_nothing(folder, error):
    """The term is told all the same, and no half of a folder stays."""

    def broken(place):
        raise error

    told = failure_error(
        Failure(3, "l1", {"l1": float("nan")}, ()), folder, BATCH, [], None, broken
    )
    assert str(told).startswith("the loss term l1 is nan in step 3")
    assert f"could not be saved ({error})" in str(told)
    assert list(Path(folder.path / "failure").iterdir()) == []
