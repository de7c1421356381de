"""Biases whose true gradient is 0: Adam makes steps of full size of what rounding leaves of it."""

from collections.abc import Iterable

import keras

from lggan_tf.layers.blocks import DownBlock, ResidualBlock, StemBlock, UpBlock
from lggan_tf.layers.spade import SPADEResnetBlock
from lggan_tf.networks.discriminator import PatchDiscriminator
from lggan_tf.networks.spade_global_generator import SpadeGlobalGenerator


def biases_without_effect(networks: Iterable[keras.Model]) -> list[keras.Variable]:
    """Those in front of a norm.

    A norm without parameters takes away whatever is constant over a channel, also behind a linear
    layer.
    """
    found = []
    for network in networks:
        for layer in network._flatten_layers():
            if isinstance(layer, StemBlock | DownBlock | UpBlock):
                found.append(layer.convolution.bias)
            elif isinstance(layer, ResidualBlock):
                found += [layer.convolution_1.bias, layer.convolution_2.bias]
            elif isinstance(layer, SPADEResnetBlock):
                found.append(layer.convolution_0.bias)
            elif isinstance(layer, SpadeGlobalGenerator):
                # What the last block adds goes to the image, what the others add into its norms.
                for block in layer.blocks[:-1]:
                    found.append(block.convolution_1.bias)
                    if block.learns_shortcut:
                        found.append(block.norm_s.beta.bias)
            elif isinstance(layer, PatchDiscriminator) and not layer.spectral:
                found += [convolution.bias for convolution in layer.convolutions[1:]]
    return found
