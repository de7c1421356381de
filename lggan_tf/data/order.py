"""The order of samples as a function of (seed, step): a run resumes exactly without stored state.

Epoch e is a permutation of all samples; its first floor(n / B) * B make its steps, the remainder is
dropped.
"""

import functools

import numpy as np

from lggan_tf.errors import UserError


class DataOrder:
    """Which sample stands where."""

    def __init__(self, num_samples: int, global_batch_size: int, seed: int):
        """Orders n samples into batches of B.

        Args:
            num_samples: n.
            global_batch_size: B.
            seed: not negative.

        Raises:
            UserError: there are fewer samples than a batch holds, or the seed is negative.
        """
        if num_samples < global_batch_size:
            raise UserError(
                f"there are {num_samples} training samples, fewer than one batch of "
                f"--global_batch_size={global_batch_size}; add samples or lower it"
            )
        if seed < 0:
            raise UserError(f"--seed={seed} must not be negative")
        self.num_samples = num_samples
        self.global_batch_size = global_batch_size
        self.seed = seed
        self.steps_per_epoch = num_samples // global_batch_size

    def locate(self, position: int) -> tuple[int, int]:
        """(epoch, sample index) at `position` = step * B + place in the batch."""
        step, place = divmod(position, self.global_batch_size)
        epoch, step_in_epoch = divmod(step, self.steps_per_epoch)
        permutation = _permutation(self.num_samples, self.seed, epoch)
        return epoch, int(permutation[step_in_epoch * self.global_batch_size + place])

    def batch(self, step: int) -> list[int]:
        """Sample indices of a step, counted from 0 over the whole run."""
        first = step * self.global_batch_size
        return [self.locate(first + place)[1] for place in range(self.global_batch_size)]

    def augmentation_rng(self, epoch: int, index: int) -> np.random.Generator:
        """The random generator for one sample in one epoch."""
        # + 1: SeedSequence takes (seed, epoch, 0) for (seed, epoch), the permutation's own key.
        return _generator(self.seed, epoch, index + 1)


@functools.lru_cache(maxsize=4)
def _permutation(num_samples: int, seed: int, epoch: int) -> np.ndarray:
    return _generator(seed, epoch).permutation(num_samples)


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
