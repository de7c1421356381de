"""Files of checkpoints: written elsewhere and renamed, each with a manifest of digests.

A checkpoint N is `ckpt-N.index`, `ckpt-N.data-*` and, renamed last, `ckpt-N.json` with the SHA-256
of the others. Without a manifest that agrees it is never read: whatever ended the process while it
wrote, and whatever the disk did afterwards, shows. Older ones go when the disk holds the new one.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.runs.folder import flush, write_atomically

_WRITING = ".writing"
_NAME = re.compile(r"ckpt-(\d+)\.")


class CheckpointFiles:
    """The checkpoints in a folder.

    Args:
        directory: the folder; need not exist yet.
        keep: number of checkpoints kept.
    """

    def __init__(self, directory: Path, keep: int):
        self.directory, self._keep = directory, keep
        self._whole: dict[int, str | None] = {}  # faults that were looked for already

    def prefix(self, number: int) -> str:
        """What TensorFlow calls the path of a checkpoint."""
        return str(self.directory / f"ckpt-{number}")

    def numbers(self) -> list[int]:
        """Numbers of all checkpoints, whole or not, in rising order."""
        if not self.directory.is_dir():
            return []
        found = map(_NAME.match, (path.name for path in self.directory.iterdir()))
        return sorted({int(match[1]) for match in found if match})

    def fault(self, number: int) -> str | None:
        """What is wrong with a checkpoint, in words; None if it is whole."""
        if number not in self._whole:
            self._whole[number] = self._find_fault(number)
        return self._whole[number]

    def newest_whole(self) -> int | None:
        """Number of the newest checkpoint that is whole; None if there is none."""
        return next((n for n in reversed(self.numbers()) if self.fault(n) is None), None)

    def newest(self) -> int | None:
        """Number of the checkpoint to go on from; None if none was ever finished.

        Raises:
            UserError: there were some, and none is whole.
        """
        newest, numbers = self.newest_whole(), self.numbers()
        if newest is not None:
            return newest
        finished = [n for n in numbers if (self.directory / f"ckpt-{n}.json").exists()]
        if finished:
            raise UserError(
                f"no checkpoint in {self.directory} is whole ({self.faults(finished)}); bring back "
                "a copy of them, or start again in another --run_dir"
            )
        if len(numbers) > 1:  # a kill leaves one
            names = ", ".join(f"ckpt-{n}.json" for n in numbers)
            raise UserError(
                f"no checkpoint in {self.directory} has its manifest ({names} are missing); bring "
                "them back from where the others came from, or start again in another --run_dir"
            )
        return None

    def faults(self, numbers: Iterable[int]) -> str:
        """What is wrong with checkpoints, in words."""
        return ", ".join(f"ckpt-{n} ({self.fault(n)})" for n in numbers)

    def write(self, number: int, write: Callable[[str], object], notes: dict | None = None) -> str:
        """Writes a checkpoint and removes those beyond `keep`.

        Newer ones go as well: a run that stands at `number` has refused them as damaged.

        Args:
            number: of the checkpoint.
            write: writes its files under the prefix that it is given.
            notes: kept in the manifest.

        Raises:
            UserError: it cannot be written. What was there before is whole, and nothing new is.
        """
        temporary = self.directory / _WRITING
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            write(str(temporary / f"ckpt-{number}"))
            names = [path.name for path in temporary.iterdir() if _NAME.match(path.name)]
            manifest = {"files": {name: _digest(temporary / name) for name in sorted(names)}}
            own = temporary / f"ckpt-{number}.json"
            own.write_text(json.dumps(manifest | {"notes": notes or {}}, indent=1) + "\n")
            for name in [*names, own.name]:
                flush(temporary / name)
            # Otherwise a kill at this moment would leave two that are not finished.
            self._remove([n for n in self.numbers() if self.fault(n) is not None])
            # An older one of the same number must not vouch for a mixture.
            (self.directory / own.name).unlink(missing_ok=True)
            for name in [*names, own.name]:
                (temporary / name).replace(self.directory / name)
            flush(self.directory)
            flush(self.directory.parent)  # which may have got this folder just now
            self._whole[number] = None
            self._remove_surplus(number)
            self._tell_tensorflow()
        except (tf.errors.OpError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise UserError(
                f"cannot save a checkpoint in {self.directory} ({reason}); earlier ones are "
                "whole; make room or choose another --run_dir"
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return self.prefix(number)

    def notes(self, number: int) -> dict:
        """The notes of a whole checkpoint."""
        return json.loads((self.directory / f"ckpt-{number}.json").read_text())["notes"]

    def _find_fault(self, number):
        manifest = self.directory / f"ckpt-{number}.json"
        try:
            digests = dict(json.loads(manifest.read_text())["files"])
            if not digests:
                return f"{manifest.name} names no files"
        except FileNotFoundError:
            return f"{manifest.name} is missing, so it was never finished"
        except (OSError, ValueError, TypeError, KeyError):
            return f"{manifest.name} cannot be read"
        for name, digest in digests.items():
            path = self.directory / name
            if not path.is_file():
                return f"{name} is missing"
            try:
                if _digest(path) != digest:
                    return f"{name} is not as it was written"
            except OSError as error:
                return f"{name} cannot be read ({error.strerror})"
        return None

    def _remove_surplus(self, newest):
        numbers = self.numbers()
        whole = [n for n in numbers if n <= newest and self.fault(n) is None]
        self._remove([n for n in numbers if n not in whole[-self._keep :]])

    def _remove(self, numbers):
        for number in numbers:
            # The manifest first: without it nobody reads what is left.
            paths = sorted(
                self.directory.glob(f"ckpt-{number}.*"), key=lambda path: path.suffix != ".json"
            )
            for path in paths:
                path.unlink(missing_ok=True)
            self._whole.pop(number, None)

    def _tell_tensorflow(self):
        """For `tf.train.latest_checkpoint`; nothing here reads it."""
        names = [f"ckpt-{n}" for n in self.numbers()]
        lines = [f'model_checkpoint_path: "{names[-1]}"']
        lines += [f'all_model_checkpoint_paths: "{name}"' for name in names]
        write_atomically(self.directory / "checkpoint", "\n".join(lines) + "\n", lasts=False)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
