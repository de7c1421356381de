"""The authors' released weights as a run: config.json, classes.json and a checkpoint of step 0.

    files -> StateDict -> detect -> settings -> our networks -> fill -> run folder

The settings are `pytorch_settings`' work, the rest is here. Nothing is written before every tensor
of every file has found its place, and the run's folder appears whole or not at all.
"""

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.errors import UserError
from lggan_tf.runs import pytorch_names
from lggan_tf.runs.build import build_networks
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.pytorch_detect import MULTISCALE, PATCH
from lggan_tf.runs.pytorch_settings import Parts

_DISCRIMINATOR_SLOTS = {
    PATCH: pytorch_names.patch_discriminator_slots,
    MULTISCALE: pytorch_names.multiscale_discriminator_slots,
}


@dataclass(frozen=True)
class Imported:
    """What became of one file.

    Attributes:
        file: its path.
        kind: which network it holds (`lggan_tf.runs.pytorch_detect`).
        part: the part of the checkpoint that it fills, "generator" or "discriminator_VIEW".
        parameters: the authors' module -> number of its parameters.
        ignored: key -> why it is not used.
    """

    file: str
    kind: str
    part: str
    parameters: dict[str, int]
    ignored: dict[str, str]


def import_run(
    parts: Parts, config: Config, classes: ClassTable, folder: RunFolder
) -> list[Imported]:
    """Fills our networks and writes the run's folder.

    Args:
        parts: of `pytorch_settings.open_states`.
        config: of `pytorch_settings.run_config`.
        classes: as `config`.
        folder: where to; must not exist yet.

    Returns:
        What became of each file.

    Raises:
        UserError: a tensor is missing, left over or of another shape, or the folder cannot be
            written; nothing is left there then.
    """
    if folder.path.exists():
        raise UserError(f"{folder.path} exists already; choose another --run_dir")
    networks, slots = _networks(parts, config, classes)
    report = []
    for name, part in parts.items():
        pytorch_names.assign(slots[name], part.state.take)
        counts, ignored = parameter_counts(slots[name]), part.state.ignored()
        report.append(Imported(part.state.file, part.found.kind, name, counts, ignored))
    _write(networks, config, classes, folder)
    return report


def parameter_counts(slots: list[pytorch_names.Slot]) -> dict[str, int]:
    """The authors' module -> number of parameters of ours that stand for it, in their order."""
    counts: Counter[str] = Counter()
    for slot in slots:
        if slot.variable.trainable:
            counts[pytorch_names.module_of(slot.key)] += slot.size
    return dict(counts)


def _networks(parts: Parts, config: Config, classes: ClassTable):
    """Our networks of the parts, and the slots of each part."""
    _, generator, discriminators = build_networks(config, classes)
    for name, part in parts.items():
        if name != "generator" and name.removeprefix("discriminator_") not in discriminators:
            raise UserError(
                f"{part.state.file} is a {name.replace('_', ' for the view ')}, which "
                f"--discriminator_views={config.model.discriminator_views} leaves out"
            )
    networks = SimpleNamespace(compiled=False, generator=generator, discriminators={})
    slots = {"generator": pytorch_names.generator_slots(generator)}
    for view, discriminator in discriminators.items():
        name = f"discriminator_{view}"
        if name in parts:
            networks.discriminators[view] = discriminator
            slots[name] = _DISCRIMINATOR_SLOTS[parts[name].found.kind](discriminator)
    return networks, slots


def _write(networks, config: Config, classes: ClassTable, folder: RunFolder) -> None:
    target = folder.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".import-", dir=target.parent))
    except OSError as error:
        raise UserError(
            f"cannot write {target} ({error.strerror}); choose another --run_dir"
        ) from error
    try:
        whole = RunFolder(temporary / target.name)
        whole.create(config, classes)
        Checkpoints(whole, networks, tf.Variable(0, dtype=tf.int64)).save()
        whole.path.rename(target)
    except OSError as error:
        raise UserError(
            f"cannot write {target} ({error.strerror}); choose another --run_dir"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
