"""Weights of another run as a start: what fits is taken, the rest is named."""

import keras
import tensorflow as tf

from lggan_tf.runs.build import build_networks
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import restore_networks


def warm_start(folder: RunFolder, generator, discriminators: dict) -> list[str]:
    """Takes over every weight that has the same place and shape in the other run's networks.

    So with another number of classes: all but what has a class axis (the first convolutions of the
    label map, the class-specific kernels). Classes are not matched by name. With a moving average
    there, G's weights are the averaged ones.

    Args:
        folder: the other run's.
        generator: built.
        discriminators: built, by view.

    Returns:
        A line for every weight here or there that was not taken over, with the reason.

    Raises:
        UserError: there is no run, or no checkpoint that can be read.
    """
    config = folder.read_config()
    _, other_generator, other_discriminators = build_networks(config, folder.read_classes())
    _, trained = restore_networks(folder, config, other_generator, other_discriminators)
    own = weights_by_place(generator, "generator")
    for view, discriminator in discriminators.items():
        own |= weights_by_place(discriminator, f"discriminator_{view}")
    theirs = weights_by_place(other_generator, "generator")
    for view, discriminator in trained.items():
        theirs |= weights_by_place(discriminator, f"discriminator_{view}")
    left = []
    for place, variable in own.items():
        if place not in theirs:
            left.append(f"{place} (not in that run)")
        elif theirs[place].shape != variable.shape:
            left.append(f"{place} (there {_size(theirs[place])}, here {_size(variable)})")
        else:
            variable.assign(tf.convert_to_tensor(theirs[place]))
    return left + [f"{place} (there only)" for place in theirs if place not in own]


def weights_by_place(layer: keras.Layer, place: str) -> dict[str, keras.Variable]:
    """Weights by the attributes that lead to them, such as `generator/encoder/stem/bias`."""
    found, inside = {}, set()
    for name, value in sorted(vars(layer).items()):
        children = value if isinstance(value, list | tuple) else [value]
        for number, child in enumerate(children):
            if name.startswith("_") or not isinstance(child, keras.Layer):
                continue
            suffix = f"{name}/{number}" if isinstance(value, list | tuple) else name
            found |= weights_by_place(child, f"{place}/{suffix}")
            inside |= {id(v) for v in child.weights}
    own = {f"{place}/{v.name}": v for v in layer.weights if id(v) not in inside}
    assert len({id(v) for v in (found | own).values()}) == len(layer.weights), place
    return found | own


def _size(variable) -> str:
    return "x".join(map(str, variable.shape))
