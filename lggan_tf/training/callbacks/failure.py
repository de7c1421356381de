"""Saves what is needed to see a step that was not finite once more, and says so.

`RUN/failure/step_NNNNNN/` is the folder of a run that stands just before the step:

| file | what |
|---|---|
| `failure.json` | step, culprit, values of the terms, names of the samples, the last checkpoint |
| `batch.npz` | the step's compact batch, `labels`, `image` and so on (`lggan_tf.data.prepare`) |
| `config.json`, `classes.json`, `checkpoints/` and so on | weights and optimizers before the step |

Training that folder takes the step again. An update of another network that was made before, in
the same step, is in that checkpoint (`failure.json` tells which): then the exact way is from the
run's own last checkpoint.
"""

import io
import json
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder, write_atomically
from lggan_tf.training.guard import Failure


def failure_error(
    failure: Failure,
    folder: RunFolder,
    batch: dict[str, np.ndarray],
    samples: Sequence[str],
    last_checkpoint: str | None,
    save_checkpoint: Callable[[RunFolder], object],
) -> UserError:
    """Saves the failure and returns the error that tells of it.

    Args:
        failure: what the guard has found.
        folder: of the run.
        batch: the compact batch of the step, over all devices.
        samples: names of its samples.
        last_checkpoint: the newest checkpoint of the run.
        save_checkpoint: saves the weights as they were before the step in another folder.
    """
    value = failure.values[failure.culprit]
    what = f"the loss term {failure.culprit} is {value}"
    if failure.culprit.startswith("gradients of "):
        what = f"the squared norm of the {failure.culprit} is {value}, the loss terms being finite,"
    said = f"{what} in step {failure.step} (its batch: {', '.join(samples)})"
    try:
        place = _save(failure, folder, batch, samples, last_checkpoint, save_checkpoint)
        ahead = f" (the {' and '.join(failure.updated)} was updated)" * bool(failure.updated)
        said += f"; {place} holds that batch and the weights before the step{ahead}"
        said += f", {_command(place)} takes it again"
    except (UserError, OSError) as error:
        said += f"; what it takes to see it again could not be saved ({error})"
    kept = last_checkpoint or "none yet"
    return UserError(f"{said}; last checkpoint: {kept}; start anew with lower learning rates")


def _save(failure, folder, batch, samples, last_checkpoint, save_checkpoint) -> Path:
    place = folder.path / "failure" / f"step_{failure.step:06d}"
    unfinished = RunFolder(place.with_name(f".{place.name}.{os.getpid()}"))
    try:
        unfinished.create(folder.read_config(), folder.read_classes())
        for file in (folder.train_samples, folder.class_counts):
            if file.is_file():
                shutil.copy(file, unfinished.path)
        content = io.BytesIO()
        np.savez_compressed(content, **batch)
        write_atomically(unfinished.path / "batch.npz", content.getvalue())
        save_checkpoint(unfinished)
        told = {
            "step": failure.step,
            "culprit": failure.culprit,
            # As words: JSON has neither infinity nor NaN.
            "values": {name: str(value) for name, value in failure.values.items()},
            "updated_before": list(failure.updated),
            "samples": list(samples),
            "last_checkpoint": last_checkpoint,
            "reproduce": _command(place),
        }
        write_atomically(unfinished.path / "failure.json", json.dumps(told, indent=1) + "\n")
        if place.exists():  # the same step, an earlier time
            shutil.rmtree(place)
        unfinished.path.rename(place)
    finally:
        shutil.rmtree(unfinished.path, ignore_errors=True)
    return place


def _command(place: Path) -> str:
    return f"lggan-train --run_dir={shlex.quote(str(place))}"
