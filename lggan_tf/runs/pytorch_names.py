"""Which variable of our networks is which tensor of the authors' PyTorch state dicts.

A `Slot` names the tensor and turns it from PyTorch's layout to ours and back. The lists are derived
from the modules, so a network of another depth or class count has its own list.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lggan_tf.layers.spade import SPADEResnetBlock
from lggan_tf.layers.spectral import SpectralConv2D

Permute = Callable[[np.ndarray], np.ndarray]

SPADE_BLOCKS = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3", "up_4")


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _kernel_in(array: np.ndarray) -> np.ndarray:
    """(out, in, h, w) -> (h, w, in, out); transposed: (in, out, h, w) -> (h, w, out, in)."""
    return np.transpose(array, (2, 3, 1, 0))


def _kernel_out(array: np.ndarray) -> np.ndarray:
    return np.transpose(array, (3, 2, 0, 1))


@dataclass(frozen=True)
class Slot:
    """One tensor of a state dict: key, variable, index into a stack, both layouts."""

    key: str
    variable: object
    index: int | None = None
    to_ours: Permute = _same
    to_theirs: Permute = _same

    @property
    def size(self) -> int:
        """Number of elements."""
        shape = self.variable.shape if self.index is None else self.variable.shape[1:]
        return int(np.prod(shape))

    def read(self) -> np.ndarray:
        """The tensor as the authors store it."""
        value = np.asarray(self.variable)
        return np.ascontiguousarray(
            self.to_theirs(value if self.index is None else value[self.index])
        )


def _convolution(key: str, layer) -> Iterator[Slot]:
    if isinstance(layer, SpectralConv2D):
        height, width, channels, filters = layer.kernel.shape
        yield Slot(f"{key}.weight_orig", layer.kernel, None, _kernel_in, _kernel_out)
        yield Slot(f"{key}.weight_u", layer.vector_u)
        # v runs over (in, h, w) there and over (h, w, in) here
        yield Slot(
            f"{key}.weight_v",
            layer.vector_v,
            None,
            lambda v: v.reshape(channels, height, width).transpose(1, 2, 0).reshape(-1),
            lambda v: v.reshape(height, width, channels).transpose(2, 0, 1).reshape(-1),
        )
    else:
        yield Slot(f"{key}.weight", layer.kernel, None, _kernel_in, _kernel_out)
    if layer.use_bias:
        yield Slot(f"{key}.bias", layer.bias)


def _residual(blocks) -> Iterator[Slot]:
    for number, block in enumerate(blocks, start=1):
        yield from _convolution(f"resnet_blocks{number}.conv1", block.convolution_1)
        yield from _convolution(f"resnet_blocks{number}.conv2", block.convolution_2)


def _up(blocks, name: str) -> Iterator[Slot]:
    for number, block in enumerate(blocks, start=3):
        yield from _convolution(f"deconv{number}_{name}", block.convolution)


def _spade_block(key: str, block: SPADEResnetBlock) -> Iterator[Slot]:
    for part in ("0", "1", *("s" if block.learns_shortcut else "")):
        yield from _convolution(f"{key}.conv_{part}", getattr(block, f"convolution_{part}"))
        norm = getattr(block, f"norm_{part}")
        yield Slot(f"{key}.norm_{part}.param_free_norm.running_mean", norm.norm.moving_mean)
        yield Slot(f"{key}.norm_{part}.param_free_norm.running_var", norm.norm.moving_variance)
        yield from _convolution(f"{key}.norm_{part}.mlp_shared.0", norm.shared)
        yield from _convolution(f"{key}.norm_{part}.mlp_gamma", norm.gamma)
        yield from _convolution(f"{key}.norm_{part}.mlp_beta", norm.beta)


def generator_slots(generator) -> list[Slot]:
    """Every tensor of a built `Generator` (both branches) under the authors' names.

    Class heads count from 1 in cross-view translation and from 0 in semantic synthesis.
    """
    encoder, local = generator.encoder, generator.local_generator
    is_spade = hasattr(generator.global_generator, "blocks")
    slots = [*_convolution("conv1", encoder.stem.convolution)]
    down = [*encoder.down, *(generator.global_generator.down if is_spade else ())]
    for number, block in enumerate(down, start=2):
        slots += _convolution(f"conv{number}", block.convolution)
    slots += _residual([*encoder.residual, *local.residual])
    slots += _up(local.up, "local")
    heads = local.class_convolution
    for i in range(heads.num_classes):
        key = f"deconv5_{i if is_spade else i + 1}"
        slots.append(Slot(f"{key}.weight", heads.kernels, i, _kernel_in, _kernel_out))
        slots.append(Slot(f"{key}.bias", heads.biases, i))
    if heads.merge == "conv":
        slots += _convolution("deconv9", heads.mix)
    if local.num_classified:
        slots.append(Slot("fc2.weight", local.classifier.kernel, None, np.transpose, np.transpose))
        slots.append(Slot("fc2.bias", local.classifier.bias))
    slots += _up(generator.weight_map.up, "attention")
    slots += _convolution("deconv5_attention", generator.weight_map.to_weights)
    if is_spade:
        for name, block in zip(SPADE_BLOCKS, generator.global_generator.blocks, strict=False):
            slots += _spade_block(name, block)
        slots += _convolution("conv_img", generator.global_generator.to_image)
    else:
        slots += _up(generator.global_generator.up, "global")
        slots += _convolution("deconv5_global", generator.global_generator.to_image)
    return slots


def patch_discriminator_slots(discriminator) -> list[Slot]:
    """Every tensor of the cross-view discriminator (one scale, no spectral normalisation)."""
    (scale,) = discriminator.scales
    slots = []
    for number, layer in enumerate((*scale.convolutions, scale.to_logits)):
        slots += _convolution(f"model.{max(0, 3 * number - 1)}", layer)
    return slots


def multiscale_discriminator_slots(discriminator) -> list[Slot]:
    """Every tensor of the semantic discriminator."""
    slots = []
    for index, scale in enumerate(discriminator.scales):
        layers = (*scale.convolutions, scale.to_logits)
        for number, layer in enumerate(layers):
            suffix = "0.0" if isinstance(layer, SpectralConv2D) else "0"
            slots += _convolution(f"discriminator_{index}.model{number}.{suffix}", layer)
    return slots


def module_of(key: str) -> str:
    """The authors' module that a key belongs to; residual blocks and class heads are one each."""
    first, second, *_ = key.split(".")
    if first == "model" or first.startswith("discriminator_"):
        return f"{first}.{second}"
    return re.sub(r"^(resnet_blocks|deconv5_)\d+$", r"\1*", first)


def state_of(slots: list[Slot]) -> dict[str, np.ndarray]:
    """The weights under the authors' keys and in their layout; `assign` is the way back."""
    return {slot.key: slot.read() for slot in slots}


def assign(slots: list[Slot], state: Callable[[str, tuple[int, ...]], np.ndarray]) -> None:
    """Fills every slot's variable with `state(key, shape)`, shape as the authors store the tensor.

    A stack of class heads is put together before it is assigned.
    """
    stacks: dict[int, tuple[object, np.ndarray]] = {}
    for slot in slots:
        value = slot.to_ours(np.asarray(state(slot.key, slot.read().shape)))
        if slot.index is None:
            slot.variable.assign(value)
        else:
            _, stack = stacks.setdefault(
                id(slot.variable), (slot.variable, np.array(slot.variable))
            )
            stack[slot.index] = value
    for variable, stack in stacks.values():
        variable.assign(stack)
