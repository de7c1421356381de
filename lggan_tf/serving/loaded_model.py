"""One version of one model in memory: a SavedModel, known by its signatures alone."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf import saved_model_pb2


class Signature:
    """A function of a SavedModel from named tensors to named tensors.

    Attributes:
        name: its key in the SavedModel.
        inputs, outputs: name -> `tf.TensorSpec`.
        batches: whether axis 0 of every input and output is free, so that the inputs of several
            requests may be put together along it.
    """

    def __init__(self, name: str, function):
        self.name = name
        self.inputs = dict(sorted(function.structured_input_signature[1].items()))
        self.outputs = dict(sorted(function.structured_outputs.items()))
        self.batches = bool(self.inputs) and all(
            spec.shape.rank and spec.shape[0] is None
            for spec in (*self.inputs.values(), *self.outputs.values())
        )
        self._function = function

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the graph.

        Raises:
            tf.errors.OpError: what the graph raises.
        """
        tensors = {n: tf.constant(v, self.inputs[n].dtype) for n, v in inputs.items()}
        return {name: value.numpy() for name, value in self._function(**tensors).items()}


class LoadedModel:
    """A SavedModel in memory.

    Attributes:
        signatures: name -> `Signature`.
        signature_def: the signatures as TensorFlow Serving describes them, for JSON.

    Raises:
        Exception: of many kinds, where the folder holds no SavedModel that this TensorFlow reads.
    """

    def __init__(self, path: Path):
        # The functions hold the variables only as long as the object is held.
        self._model = tf.saved_model.load(str(path), tags=None)
        self.signatures = {
            name: Signature(name, function) for name, function in self._model.signatures.items()
        }
        self.signature_def = _signature_def(path)


def _signature_def(path: Path) -> dict:
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    graphs = [g for g in saved.meta_graphs if "serve" in g.meta_info_def.tags]
    return {
        name: MessageToDict(
            definition,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for name, definition in graphs[0].signature_def.items()
    }
