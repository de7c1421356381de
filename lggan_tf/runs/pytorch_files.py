"""A weight file as a dict of arrays, by torch where it is installed and the file is torch's own.

`.npz` and `.safetensors` never need torch. A `.pth` is read by `torch.load(weights_only=True)` if
torch is there (`pip install 'lggan-tf[torch]'`; a build for the CPU is enough), else by the reader
of `lggan_tf.backbones.torch_file`, which the tests hold equal to torch bit by bit. Neither runs
code that a file brings along.
"""

import importlib.util
import warnings
from pathlib import Path

import numpy as np

from lggan_tf.backbones.torch_file import read_state_dict
from lggan_tf.errors import UserError

WITHOUT_TORCH = (".npz", ".safetensors")


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """The state dict in a file, in the file's order; bfloat16 becomes float32.

    Raises:
        UserError: the file is missing, damaged, holds something else than a state dict, or asks
            for code to be run.
    """
    path = Path(path)
    if path.suffix.lower() in WITHOUT_TORCH or importlib.util.find_spec("torch") is None:
        return read_state_dict(path)
    return read_by_torch(path)


def read_by_torch(path: Path) -> dict[str, np.ndarray]:
    """The same by `torch.load`.

    Raises:
        UserError: as in `read_weights`.
    """
    import torch

    try:
        with warnings.catch_warnings():
            # On storages of old files, which is torch's own business.
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"The weight file {path} cannot be read ({reason}); check the path."
        ) from error
    except Exception as error:
        # Whatever a damaged file makes torch raise; its first line says it.
        raise UserError(
            f"The weight file {path} is no state dict that torch can load "
            f"({type(error).__name__}: {str(error).splitlines()[0]}); fetch it again, or use a "
            "file that holds a state dict alone."
        ) from error
    if not isinstance(state, dict):
        raise UserError(
            f"The weight file {path} holds no state dict but {type(state).__name__}; save the "
            "network's state_dict() alone."
        )
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise UserError(
                f"The weight file {path} is not a plain state dict: {key!r} is no tensor but "
                f"{type(value).__name__}; save the network's state_dict() alone."
            )
    return {key: _array(value, torch) for key, value in state.items()}


def _array(tensor, torch) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:  # numpy has no such type
        tensor = tensor.float()
    return np.array(tensor.detach().cpu().numpy(), order="C")
