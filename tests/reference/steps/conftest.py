"""What the comparisons of training steps share."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest


class AsItIs(keras.layers.Layer):
    """In place of `Prepare`: the reference's images are no 8 bit pictures."""

    def __init__(self, **channels):
        super().__init__()
        self._channels, self.conditions = channels, tuple(channels)

    def channels(self, name):
        return self._channels[name]

    def call(self, batch):
        return batch


def recording(optimizer, recorded):
    """Keeps the gradients that the optimizer is given, by their variable."""
    apply = optimizer.apply_gradients

    def apply_gradients(pairs):
        pairs = list(pairs)
        recorded.update({id(variable): np.array(gradient) for gradient, variable in pairs})
        return apply(pairs)

    optimizer.apply_gradients = apply_gradients
    return optimizer


def adam(rate, beta_1, beta_2, recorded):
    return recording(keras.optimizers.Adam(rate, beta_1, beta_2, epsilon=1e-8), recorded)


def slots_by_key(networks):
    """ "G.conv1.weight" -> slot, for the tensors that are learnt."""
    return {
        f"{name}.{slot.key}": slot
        for name, filled in networks.items()
        for slot in filled.slots
        if slot.variable.trainable
    }


def gradient_norms(slots, recorded):
    norms = {}
    for key, slot in slots.items():
        gradient = recorded[id(slot.variable)]
        norms[key] = np.linalg.norm(gradient if slot.index is None else gradient[slot.index])
    return norms


def compare_norms(reference, name, tensor, keys, got, want, skipped, relative, absolute):
    """Of the learnt tensors but those of biases whose gradient is noise."""
    chosen = [i for i, key in enumerate(keys) if not skipped(key) and key in got]
    ours = np.array([got[keys[i]] for i in chosen])
    theirs = np.asarray(want)[chosen]
    reference.compare(name, tensor, ours, theirs, relative * theirs + absolute)
    return len(chosen)


def same_direction(reference, key, ours, theirs):
    """Cosine of the ways that the first filters of a kernel have gone from the rule's weights.

    Adam may send a single weight the other way, so weights alone are a weak comparison.
    """
    start = reference.rule.rule_tensor(key, (64, *ours.shape[1:]))[: len(ours)]
    ours, theirs = np.ravel(ours - start), np.ravel(theirs - start)
    return ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)


@pytest.fixture(scope="session")
def steps():
    return SimpleNamespace(
        AsItIs=AsItIs,
        adam=adam,
        slots_by_key=slots_by_key,
        gradient_norms=gradient_norms,
        compare_norms=compare_norms,
        same_direction=same_direction,
    )
