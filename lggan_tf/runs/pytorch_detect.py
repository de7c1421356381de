"""Which of the authors' networks a state dict holds, and what its keys and shapes tell.

| what | told by | settings |
|---|---|---|
| cross-view generator | `deconv5_global` | width, depth, kind of the semantic input |
| semantic generator | `head_0` | width, depth, hidden channels of SPADE, classes, edges |
| cross-view discriminator | `model.0` | width, depth; not whether it is D1 or D2 |
| multiscale discriminator | `discriminator_0` | width, depth, scales |
"""

from dataclasses import dataclass, field
from typing import Any

from lggan_tf.data.classes import ClassTable
from lggan_tf.errors import UserError
from lggan_tf.runs.pytorch_state import StateDict

CROSS_VIEW, SEMANTIC = "cross-view generator", "semantic generator"
PATCH, MULTISCALE = "cross-view discriminator", "multiscale discriminator"


@dataclass(frozen=True)
class Found:
    """What a state dict is.

    Attributes:
        kind: one of `CROSS_VIEW`, `SEMANTIC`, `PATCH`, `MULTISCALE`.
        settings: settings of `lggan_tf.settings` that its shapes tell.
        channels: its input channels.
        heads: class heads (generators).
        classified: rows of the classification head; 0: there is none.
    """

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    channels: int = 0
    heads: int = 0
    classified: int = 0

    @property
    def recipe(self) -> str:
        """The recipe for what no key tells, such as size and data set; "" for unknown classes."""
        if self.kind == CROSS_VIEW:
            return "dayton_a2g_256"
        known = {(36, 35): "cityscapes", (151, 52): "ade20k"}
        return known.get((self.channels, self.heads), "") if self.kind == SEMANTIC else ""


def detect(state: StateDict) -> Found:
    """The network whose keys these are.

    Raises:
        UserError: they are of none of the authors' networks, or one that shapes are read from is
            missing.
    """
    if state.has("head_0."):
        return _generator(state, SEMANTIC, _semantic_settings(state))
    if state.has("deconv5_global."):
        return _generator(state, CROSS_VIEW, _cross_view_settings(state))
    if state.has("discriminator_0."):
        filters, channels = state.shape("discriminator_0.model0.0.weight")[:2]
        layers = state.count(r"discriminator_0\.model(\d+)\.") - 1
        scales = state.count(r"discriminator_(\d+)\.")
        settings = _judge("multiscale", filters, layers) | {"discriminator_scales": scales}
        return Found(MULTISCALE, settings, channels)
    if state.has("model.0."):
        filters, channels = state.shape("model.0.weight")[:2]
        layers = state.count(r"model\.(\d+)\.weight$") - 1
        return Found(PATCH, _judge("patch", filters, layers), channels)
    keys = ", ".join(list(state.tensors)[:3]) or "none at all"
    raise UserError(
        f"{state.file} holds none of the authors' networks: its first keys are {keys}; give the "
        "state dict of a generator (net_G) or discriminator (net_D, net_D1, net_D2)"
    )


def _generator(state: StateDict, kind: str, settings: dict[str, Any]) -> Found:
    filters, channels = state.shape("conv1.weight")[:2]
    settings = settings | {
        "filters": filters,
        "residual_blocks": state.count(r"resnet_blocks(\d+)\."),
        "branches": "both",
        "fusion": "learned",
    }
    classified = state.shape("fc2.weight")[0] if state.has("fc2.") else 0
    if not classified:
        settings["lambda_class"] = 0.0
    return Found(kind, settings, channels, state.count(r"deconv5_(\d+)\."), classified)


def _cross_view_settings(state: StateDict) -> dict[str, Any]:
    # Six channels are the authors' two pictures, source photo and coloured map.
    pictures = state.shape("conv1.weight")[1] == 6
    return {
        "global_generator": "resnet",
        "residual_blocks_in": "encoder",
        "merge": "sum",
        "semantic_input": "colours" if pictures else "one_hot",
    }


def _semantic_settings(state: StateDict) -> dict[str, Any]:
    settings = {
        "global_generator": "spade",
        "residual_blocks_in": "local",
        "merge": "conv" if state.has("deconv9.") else "sum",
        "spade_hidden": state.shape("head_0.norm_0.mlp_shared.0.weight")[0],
        "semantic_input": "one_hot",
    }
    # The authors' "most" has a block more; their "normal" and "more" have the same tensors.
    return settings | ({"latent_stride": 128} if state.has("up_4.") else {})


def _judge(kind: str, filters: int, layers: int) -> dict[str, Any]:
    return {
        "discriminator": kind,
        "discriminator_filters": filters,
        "discriminator_layers": layers,
    }


def class_settings(found: Found, classes: ClassTable, void_channel: bool) -> dict[str, Any]:
    """Edges and local classes of a semantic generator, by its shapes and the class table.

    Raises:
        UserError: the table does not fit the shapes.
    """
    ids = classes.num_labels - (0 if void_channel else len(classes.void_ids))
    if found.channels not in (ids, ids + 1) or found.heads > classes.num_labels:
        raise UserError(
            f"the semantic generator has {found.channels} input channels and {found.heads} class "
            f"heads, which the class table with its {classes.num_labels} ids cannot have given; "
            "choose another --dataset or --classes_file"
        )
    shares = found.classified == found.heads - 1 or found.heads < classes.num_local
    return {
        "edges": found.channels == ids + 1,
        "void_is_class": bool(classes.void_ids) and (shares or found.heads > classes.num_local),
        "local_classes": found.heads if shares else 0,
    }
