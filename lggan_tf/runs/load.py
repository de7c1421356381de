"""A trained model from its run folder."""

import tensorflow as tf

from lggan_tf.runs.build import build_networks
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder


class GeneratorOnly:
    """What `Checkpoints` wants of a model when the generator alone is asked for."""

    compiled = False
    discriminators = {}

    def __init__(self, generator):
        self.generator = generator


def load_generator(folder: RunFolder):
    """Prepare layer and trained generator of a run, and the step of the checkpoint.

    Raises:
        UserError: no run, no checkpoint, or one that does not fit.
    """
    prepare, generator, _ = build_networks(folder.read_config(), folder.read_classes())
    step = Checkpoints(folder, GeneratorOnly(generator), tf.Variable(0, dtype=tf.int64)).restore()
    return prepare, generator, step
