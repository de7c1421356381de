"""The model card: what a model is, what it takes, what made it; for people and programs."""

import hashlib
import json
from pathlib import Path

import keras
import tensorflow as tf

import lggan_tf
from lggan_tf.config import Config
from lggan_tf.errors import UserError
from lggan_tf.export.graph import SMALLEST_SIDE, DrawingGraph
from lggan_tf.runs.folder import RunFolder


def code_hash() -> str:
    """SHA-256 over the package's source files: path, a zero byte, content, in order of paths."""
    root, total = Path(lggan_tf.__file__).parent, hashlib.sha256()
    files = [*root.rglob("*.py"), *root.rglob("*.json")]
    for file in sorted(files, key=lambda file: file.relative_to(root).as_posix()):
        total.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def input_contract(graph: DrawingGraph) -> list[str]:
    """What the model takes and gives, a sentence per line."""
    classes, multiple = graph.classes, graph.generator.side_multiple
    lines = [
        f"labels: [batch, height, width] {classes.label_dtype}, the class ids of classes.json, "
        f"0 to {classes.num_labels - 1}.",
        f"Height and width are multiples of {multiple} and at least "
        f"{max(multiple, SMALLEST_SIDE)}.",
    ]
    words = {
        "edges": "[batch, height, width] uint8, 1 where a pixel touches another object, else 0.",
        "colours": "[batch, height, width, 3] uint8, the semantic map as an RGB picture.",
        "source": "[batch, height, width, 3] uint8, RGB photo of the source view.",
    }
    lines += [f"{name}: {words[name]}" for name in graph.specs if name in words]
    return [*lines, "image: [batch, height, width, 3] uint8, RGB."]


def model_card(name: str, folder: RunFolder, graph: DrawingGraph, step: int) -> dict:
    """The card as `card.json` has it.

    `scores` are those of the run's `metrics.json`, if it has one, else null.

    Raises:
        UserError: `metrics.json` is no JSON.
    """
    metrics, scores = folder.path / "metrics.json", None
    if metrics.is_file():
        try:
            scores = json.loads(metrics.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"{metrics} is not JSON ({error}); mend or remove it") from error
    config = folder.read_config()
    return {
        "name": name,
        "step": step,
        "trained_at": [config.data.image_height, config.data.image_width],
        "parameters": graph.generator.count_params(),
        "classes": list(graph.classes.names),
        "input_contract": input_contract(graph),
        "signatures": {name: list(specs) for name, (_, specs) in graph.signatures.items()},
        "scores": scores,
        "settings": config.to_flat(),
        "versions": {
            "lggan_tf": lggan_tf.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "code_sha256": code_hash(),
    }


def as_markdown(card: dict) -> str:
    """The card as `card.md`."""
    height, width = card["trained_at"]
    scores = card["scores"]
    usual = Config().to_flat()
    settings = [
        f"| `{name}` | {value} |"
        for name, value in card["settings"].items()
        if value != usual.get(name)
    ]
    lines = [
        f"# {card['name']}",
        "",
        f"An LGGAN generator (Tang et al., CVPR 2020) after {card['step']} steps at {height} x "
        f"{width} pixels (height x width), {card['parameters']} parameters; batch norm and "
        "spectral normalisation are folded into its kernels.",
        "",
        "## What it takes and gives",
        "",
        *(f"- {line}" for line in card["input_contract"]),
        "",
        f"Classes by id: {', '.join(f'{i} {name}' for i, name in enumerate(card['classes']))}.",
        "",
        "Signatures: "
        + "; ".join(f"`{name}` ({', '.join(of)})" for name, of in card["signatures"].items())
        + ".",
        "",
        "## Scores",
        "",
        *(
            ["```json", json.dumps(scores, indent=1), "```"]
            if scores is not None
            else ["None: the run held no metrics.json when it was exported."]
        ),
        "",
        "## Settings it was trained with, where they differ from the defaults",
        "",
        "| setting | value |",
        "|---|---|",
        *settings,
        "",
        "## Made by",
        "",
        *(f"- {name} {version}" for name, version in card["versions"].items()),
        f"- SHA-256 of the package's source files: {card['code_sha256']}",
    ]
    return "\n".join(lines) + "\n"
