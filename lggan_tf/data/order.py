"""The order of samples as a function of (seed, step): a run resumes exactly without stored state.

Epoch e is a permutation of all samples; its first floor(n / B) * B make its steps, the remainder is
dropped. With probabilities it is n draws in a random order instead: a sample of probability p
stands there n * p times, rounded down or up, and n * p times on average over the epochs.
"""

import functools
from collections.abc import Sequence

import numpy as np

from lggan_tf.errors import UserError


class DataOrder:
    """Which sample stands where."""

    def __init__(
        self,
        num_samples: int,
        global_batch_size: int,
        seed: int,
        probabilities: Sequence[float] | None = None,
    ):
        """Orders n samples into batches of B.

        Args:
            num_samples: n.
            global_batch_size: B.
            seed: not negative.
            probabilities: for every sample how often it is drawn, in all 1; None: each once an
                epoch.

        Raises:
            UserError: there are fewer samples than a batch holds, or the seed is negative.
            ValueError: the probabilities are not as many as the samples.
        """
        if num_samples < global_batch_size:
            raise UserError(
                f"there are {num_samples} training samples, fewer than one batch of "
                f"--global_batch_size={global_batch_size}; add samples or lower it"
            )
        if seed < 0:
            raise UserError(f"--seed={seed} must not be negative")
        if probabilities is not None and len(probabilities) != num_samples:
            raise ValueError(f"{len(probabilities)} probabilities for {num_samples} samples")
        self.num_samples = num_samples
        self.global_batch_size = global_batch_size
        self.seed = seed
        self.probabilities = probabilities
        self.steps_per_epoch = num_samples // global_batch_size
        self._places = functools.lru_cache(maxsize=4)(self._draw_places)

    def locate(self, position: int) -> tuple[int, int]:
        """(epoch, sample index) at `position` = step * B + place in the batch."""
        epoch, place = self._split(position)
        return epoch, int(self._places(epoch)[place])

    def batch(self, step: int) -> list[int]:
        """Sample indices of a step, counted from 0 over the whole run."""
        first = step * self.global_batch_size
        return [self.locate(first + place)[1] for place in range(self.global_batch_size)]

    def augmentation_rng(self, position: int) -> np.random.Generator:
        """The random generator for the sample at `position`; of its own, also when it comes again.

        It depends on the epoch, the sample, and how often the epoch has shown that one before.
        """
        epoch, place = self._split(position)
        places = self._places(epoch)
        index = int(places[place])
        before = int(np.count_nonzero(places[:place] == index))
        # + 1: SeedSequence takes (seed, epoch, 0) for (seed, epoch), the order's own key.
        return _generator(self.seed, epoch, index + 1, before)

    def _split(self, position):
        step, place = divmod(position, self.global_batch_size)
        epoch, step_in_epoch = divmod(step, self.steps_per_epoch)
        return epoch, step_in_epoch * self.global_batch_size + place

    def _draw_places(self, epoch):
        """Sample indices `[n]` of an epoch."""
        rng = _generator(self.seed, epoch)
        permutation = rng.permutation(self.num_samples)
        if self.probabilities is None:
            return permutation
        # Systematic sampling: n equal steps along the samples laid end to end, from a random start.
        # Their order there is random, so that no two of them are drawn together more than others.
        ends = np.cumsum(np.asarray(self.probabilities, "float64")[permutation])
        points = (rng.random() + np.arange(self.num_samples)) / self.num_samples * ends[-1]
        # Rounding may put the last point on the last end, behind all samples.
        chosen = np.minimum(np.searchsorted(ends, points, side="right"), self.num_samples - 1)
        return rng.permutation(permutation[chosen])


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
