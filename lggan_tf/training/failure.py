"""Saves what is needed to see a step that was not finite once more, and says so.

`RUN/failure/step_NNNNNN/` is the folder of a run that stands just before the step:

| file | what |
|---|---|
| `failure.json` | step, culprit, values of the terms, names of the samples, the last checkpoint |
| `batch.npz` | the step's compact batch, `labels`, `image` and so on (`lggan_tf.data.prepare`) |
| `config.json`, `classes.json`, `checkpoints/` | weights and optimizers before the step |

Training that folder takes the step again. Where D's update came before the generator failed, the
checkpoint holds it.
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
        what = f"the {failure.culprit} are not finite although all loss terms are"
    said = f"{what} in step {failure.step} (its batch: {', '.join(samples)})"
    try:
        place = _save(failure, folder, batch, samples, last_checkpoint, save_checkpoint)
        said += (
            f"; no update was made from there on, and {place} holds that batch and the weights "
            f"before it: {_command(place)} takes the step again"
        )
    except (UserError, OSError) as error:
        said += f"; what it takes to see it again could not be saved ({error})"
    kept = f"it goes on from {last_checkpoint}" if last_checkpoint else "it has no checkpoint yet"
    return UserError(
        f"{said}; start again with lower learning rates, or the run once more ({kept}) if its "
        "arithmetic was to blame"
    )


def _save(failure, folder, batch, samples, last_checkpoint, save_checkpoint) -> Path:
    place = folder.path / "failure" / f"step_{failure.step:06d}"
    unfinished = RunFolder(place.with_name(f".{place.name}.{os.getpid()}"))
    try:
        unfinished.create(folder.read_config(), folder.read_classes())
        if folder.class_counts.is_file():
            shutil.copy(folder.class_counts, unfinished.class_counts)
        content = io.BytesIO()
        np.savez_compressed(content, **batch)
        write_atomically(unfinished.path / "batch.npz", content.getvalue())
        save_checkpoint(unfinished)
        told = {
            "step": failure.step,
            "culprit": failure.culprit,
            # As words: JSON has neither infinity nor NaN.
            "values": {name: str(value) for name, value in failure.values.items()},
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
