"""A trained model from its run folder."""

import tensorflow as tf

from lggan_tf.runs.build import build_average, build_networks
from lggan_tf.runs.checkpoints import Checkpoints, held_parts
from lggan_tf.runs.folder import RunFolder


class GeneratorOnly:
    """What `Checkpoints` wants of a model when the generator alone is asked for."""

    compiled = False

    def __init__(self, generator, discriminators=None, state=None):
        self.generator = generator
        self.discriminators, self.state = discriminators or {}, state or {}


def load_generator(folder: RunFolder, which: str = "latest"):
    """Prepare layer and trained generator of a run, and the step of the checkpoint.

    Where the run has a moving average of the weights, the generator has those.

    Args:
        folder: the run's folder.
        which: "latest" checkpoint or the "best".

    Raises:
        UserError: no run, no checkpoint, or one that does not fit.
    """
    config = folder.read_config()
    prepare, generator, _ = build_networks(config, folder.read_classes())
    step, _ = restore_networks(folder, config, generator, {}, which)
    return prepare, generator, step


def restore_networks(folder, config, generator, discriminators, which="latest") -> tuple[int, dict]:
    """Gives built networks a run's trained weights, G the averaged ones if there are any.

    Discriminators that the checkpoint does not hold are left as they are.

    Returns:
        The step of the checkpoint, and the discriminators that it held.
    """
    step, average = tf.Variable(0, dtype=tf.int64), build_average(config)
    plain = Checkpoints(folder, GeneratorOnly(generator), step, which=which)
    held = held_parts(plain.latest) if plain.latest else set()
    held_judges = {v: d for v, d in discriminators.items() if f"discriminator_{v}" in held}
    if average is None or "average" not in held:
        parts = GeneratorOnly(generator, held_judges)
        return Checkpoints(folder, parts, step, which=which).restore(), held_judges
    average.follow(generator)
    parts = GeneratorOnly(generator, held_judges, {"average": average})
    done = Checkpoints(folder, parts, step, which=which).restore()
    average.copy_to(generator)
    return done, held_judges
