"""A state dict of the authors' code of which every tensor is used once or named as ignored.

Released files are of PyTorch 0.4.1 and 1.0, and differ from today's: prefixes `module.`, statistics
of norms that have none, counters that are missing, spectral normalisation without `weight_v` (spec,
section 8).
"""

import re
from pathlib import Path

import numpy as np

from lggan_tf.errors import UserError

# Weights that no network asks for and that may be there all the same.
_UNUSED = {
    "fc": "the authors' code defines fc and never uses it",
    "deconv5_7": "the authors' code defines a seventh class head and never uses it",
}
_STATISTICS = {
    "num_batches_tracked": "a counter that nothing reads",
    "running_mean": "a statistic of an instance norm, which takes those of the image at hand",
    "running_var": "a statistic of an instance norm, which takes those of the image at hand",
}


class StateDict:
    """The tensors of a file under the authors' keys.

    Args:
        file: for messages.
        tensors: key -> array as PyTorch lays it out.

    Raises:
        UserError: a key is there twice, with and without the prefix `module.`.
    """

    def __init__(self, file: str | Path, tensors: dict[str, np.ndarray]):
        self.file = str(file)
        self.tensors: dict[str, np.ndarray] = {}
        for key, value in tensors.items():
            plain = key.removeprefix("module.")
            if plain in self.tensors:
                raise UserError(
                    f"{file} holds {plain} twice, with and without module. before it; remove one"
                )
            self.tensors[plain] = value
        self._used: set[str] = set()

    def has(self, start: str) -> bool:
        """Whether a key starts like this."""
        return any(key.startswith(start) for key in self.tensors)

    def count(self, pattern: str) -> int:
        """How many different numbers or names `pattern`'s group takes at the start of keys."""
        found = (re.match(pattern, key) for key in self.tensors)
        return len({match[1] for match in found if match})

    def shape(self, key: str) -> tuple[int, ...]:
        """A tensor's shape.

        Raises:
            UserError: it is missing.
        """
        if key not in self.tensors:
            raise UserError(
                f"{self.file} has no tensor {key}; it is not a complete file of this network"
            )
        return tuple(self.tensors[key].shape)

    def take(self, key: str, shape: tuple[int, ...]) -> np.ndarray:
        """A tensor, float32, which counts as used from now on.

        Raises:
            UserError: it is missing, of another shape, of another kind, not finite, or was taken
                before.
        """
        if key in self._used:
            raise ValueError(f"{key} is taken twice")
        if key.endswith(".weight_v") and key not in self.tensors:
            return self._old_spectral_vector(key.removesuffix("weight_v"), shape)
        found = self.shape(key)
        if found != tuple(shape):
            raise UserError(
                f"{self.file}: {key} has the shape {found}, but the network that the settings "
                f"describe has {tuple(shape)} there"
            )
        value = self.tensors[key]
        if value.dtype.kind != "f" or not np.isfinite(value).all():
            what = "other than finite numbers" if value.dtype.kind == "f" else f"{value.dtype}"
            raise UserError(f"{self.file}: {key} holds {what}, which are no weights")
        self._used.add(key)
        return value.astype(np.float32, copy=False)

    def ignored(self) -> dict[str, str]:
        """Key -> reason, for every tensor that was not taken.

        Raises:
            UserError: there is one that no reason covers.
        """
        reasons = {key: self._reason(key) for key in self.tensors if key not in self._used}
        for key, reason in reasons.items():
            if reason is None:
                raise UserError(
                    f"{self.file} holds {key}, which the network that the settings describe does "
                    "not have"
                )
        return reasons

    def _reason(self, key: str) -> str | None:
        """Why a tensor may go unused, if it may."""
        module, leaf = key.partition(".")[0], key.rpartition(".")[2]
        if module in _UNUSED and leaf in ("weight", "bias"):
            return _UNUSED[module]
        if leaf == "weight" and f"{key}_orig" in self._used:
            return "weight_orig divided by its largest singular value, computed anew"
        is_known = "norm" in module or any(used.startswith(f"{module}.") for used in self._used)
        return _STATISTICS.get(leaf) if is_known else None

    def _old_spectral_vector(self, stem: str, shape: tuple[int, ...]) -> np.ndarray:
        """A vector v that gives back the sigma of a file without one, u W v = sigma.

        Such files hold W (`weight_orig`), u, and W / sigma (`weight`). The true v cannot be had
        from them and need not be: inference uses sigma alone, and the first step of training makes
        v anew from u.
        """
        divided = self.tensors.get(f"{stem}weight")
        if divided is None:
            self.shape(f"{stem}weight_v")  # raises: neither the new form nor the old one
        original = self.tensors[f"{stem}weight_orig"].astype(np.float64)
        u = self.tensors[f"{stem}weight_u"].astype(np.float64)
        if divided.shape != original.shape:
            raise UserError(
                f"{self.file}: {stem}weight has the shape {divided.shape}, but {stem}weight_orig "
                f"has {original.shape}"
            )
        divided = divided.astype(np.float64)
        sigma = np.vdot(divided, original) / max(np.vdot(divided, divided), 1e-300)
        if not np.allclose(
            sigma * divided, original, rtol=1e-3, atol=1e-4 * np.abs(original).max()
        ):
            raise UserError(
                f"{self.file}: {stem}weight is not {stem}weight_orig divided by a number, and "
                f"there is no {stem}weight_v"
            )
        v = original.reshape(len(original), -1).T @ u
        return (sigma * v / np.vdot(v, v)).reshape(shape).astype(np.float32)
