"""Rare classes: how often to draw which sample, and how much a class weighs in its losses.

With strength s, 0 to 1, and F_k the share of class k among all pixels that a class owns:

- a sample is drawn in proportion to r^s, r being the mean over classes of f_k / F_k, what the
  sample shows of a class against what samples show of it on average: 1 for the average sample,
  more for one that shows what others seldom do;
- what this leaves unequal the losses make up for: class k weighs F'_k^-s, F' being the shares of
  the samples as they are drawn.

Void pixels count nowhere. The paper names rare classes as a limit of the method; the remedy is
ours.
"""

from dataclasses import dataclass

import numpy as np

# No sample is drawn more often than this many times the average, and no class weighs more: a lone
# sample would be learnt by heart, a lone class outweigh all others.
CAP = 10.0


@dataclass(frozen=True)
class ClassBalance:
    """What balancing does to n samples and K classes.

    Attributes:
        probabilities: `[n]`, for every sample how often it is drawn; they add up to 1.
        weights: for every class its weight in the losses; 1 on average over the classes that
            occur, and for those that do not.
        before: `[K]`, share of each class in the pixels that a class owns.
        after: `[K]`, the same among the samples as they are drawn.
        samples: `[K]`, number of samples that hold a class.
    """

    probabilities: np.ndarray
    weights: tuple[float, ...]
    before: np.ndarray
    after: np.ndarray
    samples: np.ndarray


def balance_classes(counts: np.ndarray, strength: float) -> ClassBalance:
    """The balance for pixels by sample and class.

    Args:
        counts: `[n, K + 1]` pixels, the last column void.
        strength: s, 0 (nothing changes) to 1.
    """
    # Samples may differ in size: what counts is the share of a class in its sample.
    shares = counts[:, :-1] / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    count, owned = len(shares), shares.sum(axis=1)
    before = _normalised(shares.mean(axis=0))
    worth = (shares @ _inverse(before, 1.0) / np.where(owned > 0, owned, 1.0)) ** strength
    # One of void alone shows nothing: as often as the least of the others.
    worth[owned == 0] = worth[owned > 0].min() if owned.any() else 1.0
    probabilities = _capped(worth) / count
    after = _normalised(probabilities @ shares)
    occurs = after > 0
    weights = np.ones(shares.shape[1])
    weights[occurs] = _capped(_inverse(after, strength)[occurs])
    samples = (counts[:, :-1] > 0).sum(axis=0)
    return ClassBalance(probabilities, tuple(map(float, weights)), before, after, samples)


def _normalised(frequencies: np.ndarray) -> np.ndarray:
    return frequencies / max(frequencies.sum(), np.finfo("float64").tiny)


def _inverse(frequencies: np.ndarray, strength: float) -> np.ndarray:
    """F^-s, 0 for what does not occur."""
    occurs = frequencies > 0
    return np.where(occurs, np.where(occurs, frequencies, 1.0) ** -strength, 0.0)


def _capped(values: np.ndarray) -> np.ndarray:
    """Positive values scaled to a mean of 1, none above `CAP`."""
    values = values / values.mean() if len(values) else values
    is_full = np.zeros(len(values), bool)
    # What a value has too much goes to the others, some of which may then have too much.
    while (over := ~is_full & (values > CAP)).any():
        is_full |= over
        values = np.where(is_full, CAP, values)
        left = len(values) - CAP * is_full.sum()
        values[~is_full] *= left / values[~is_full].sum()
    return values
