"""From files of the authors' weights to the settings of a run that can hold them."""

from dataclasses import dataclass
from typing import Any

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.data.sources import open_classes
from lggan_tf.errors import UserError
from lggan_tf.runs.pytorch_detect import (
    CROSS_VIEW,
    MULTISCALE,
    PATCH,
    SEMANTIC,
    Found,
    class_settings,
    detect,
)
from lggan_tf.runs.pytorch_files import read_weights
from lggan_tf.runs.pytorch_state import StateDict

# What reproduces the authors' code beyond what shapes demand, by recipe (`Config`'s help has the
# words).
PAPER_EXACT = {
    "cityscapes": {"l1_local_slip": True},
    "dayton_a2g_256": {"bicubic_labels": True, "wrap_pixels": True, "early_decay": True},
}


@dataclass(frozen=True)
class Part:
    """A file and what it holds."""

    state: StateDict
    found: Found


Parts = dict[str, Part]  # "generator", "discriminator_semantic", "discriminator_source"


def open_states(weights: list[str], d1: str = "", d2: str = "") -> Parts:
    """Reads the files and finds out which part each is.

    Args:
        weights: a generator and, in semantic synthesis, its discriminator, in any order.
        d1: the cross-view discriminator that sees the source image.
        d2: the cross-view discriminator that sees the semantic map; their keys are the same.

    Returns:
        The parts of a checkpoint that the files hold.

    Raises:
        UserError: a file cannot be read, is of no known network or of the wrong one, or there is
            no generator.
    """
    parts: Parts = {}
    for path in weights:
        state = StateDict(path, read_weights(path))
        found = detect(state)
        if found.kind == PATCH:
            raise UserError(
                f"{path} holds a cross-view discriminator, whose keys do not tell which one: give "
                "it as --d1 (net_D1, which sees the source image) or --d2 (net_D2, the semantic "
                "map)"
            )
        part = "discriminator_semantic" if found.kind == MULTISCALE else "generator"
        if part in parts:
            other = parts[part].state.file
            raise UserError(f"{other} and {path} both hold a {found.kind}; give one of them")
        parts[part] = Part(state, found)
    for flag, path, view in (("d1", d1, "source"), ("d2", d2, "semantic")):
        if not path:
            continue
        state = StateDict(path, read_weights(path))
        found = detect(state)
        if found.kind != PATCH:
            raise UserError(
                f"--{flag}={path} holds a {found.kind}, not a cross-view discriminator; give it in "
                "--weights"
            )
        parts[f"discriminator_{view}"] = Part(state, found)
    if "generator" not in parts:
        raise UserError("--weights names no generator (net_G); a run needs one")
    _check_kinds(parts)
    return parts


def _check_kinds(parts: Parts) -> None:
    generator = parts["generator"]
    judges = [part for name, part in parts.items() if name != "generator"]
    belongs = {SEMANTIC: MULTISCALE, CROSS_VIEW: PATCH}[generator.found.kind]
    for judge in judges:
        if judge.found.kind != belongs:
            raise UserError(
                f"{judge.state.file} holds a {judge.found.kind}, which does not belong to the "
                f"{generator.found.kind} in {generator.state.file}"
            )
        if judge.found.settings != judges[0].found.settings:
            raise UserError(
                f"{judges[0].state.file} and {judge.state.file} hold discriminators of different "
                "width or depth, which no run can have"
            )


def run_config(
    parts: Parts, recipe: dict[str, Any], given: dict[str, Any], paper_exact: bool = True
) -> tuple[Config, ClassTable]:
    """The settings and the class table of a run with these weights.

    Args:
        parts: of `open_states`.
        recipe: settings for what no key tells; those of `Found.recipe` are a sound choice.
        given: the user's own settings, which win over everything.
        paper_exact: whether to set what else reproduces the authors' code.

    Raises:
        UserError: the settings do not fit together, or there is no class table.
    """
    state, found = parts["generator"].state, parts["generator"].found
    exact = {}
    if paper_exact:
        exact = PAPER_EXACT.get(found.recipe, {}) | {"paper_exact": True}
        if found.kind == SEMANTIC:
            exact["update_order"] = "generator_first"
    unknown = {} if found.recipe else {"dataset": "folder"}
    flat = Config().to_flat() | recipe | exact | unknown | given
    for part in parts.values():
        flat |= _agreed(part.found.settings, given, part.state.file)
    if flat["dataset"] != "panels" and "bicubic_labels" not in given:
        flat["bicubic_labels"] = False
    if flat["dataset"] == "folder" and not (flat["classes_file"] or flat["data_dir"]):
        raise UserError(
            f"{state.file} holds a {found.kind} with {found.channels} input "
            "channels, of no data set known here: give --classes_file, or --dataset and --data_dir"
        )
    classes = open_classes(flat["dataset"], flat["data_dir"], flat["classes_file"])
    if found.kind == SEMANTIC:
        told = class_settings(found, classes, flat["void_channel"])
        if told["local_classes"]:
            # That void is among those who share, or owns none, no shape can tell.
            told["void_is_class"] = given.get("void_is_class", told["void_is_class"])
        flat |= _agreed(told, given, state.file)
    # Data and the perceptual network's weights are for training, and may be named when it begins.
    later = {name: flat[name] or "later" for name in ("data_dir", "perceptual_weights")}
    Config.from_flat(flat | later).check()
    return Config.from_flat(flat), classes


def _agreed(told: dict[str, Any], given: dict[str, Any], file: str) -> dict[str, Any]:
    for name, value in told.items():
        if given.get(name, value) != value:
            raise UserError(
                f"--{name}={given[name]} does not fit {file}, whose tensors say {value}; leave it "
                "out"
            )
    return told
