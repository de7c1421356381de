"""A run's folder: config.json, classes.json, checkpoints/, logs/, samples/, savedmodels/.

Training adds train_samples.json (`lggan_tf.runs.train_samples`) and, with `--class_balance`,
class_counts.npz (`lggan_tf.runs.class_balance`).
"""

import errno
import os
from pathlib import Path

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable, load_classes
from lggan_tf.errors import UserError


def flush(path: Path) -> None:
    """Waits until the disk holds a file's content, or a folder's names: a power cut keeps them.

    Raises:
        OSError: the disk does not take them.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot do that for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: str | bytes, lasts: bool = True) -> None:
    """Writes beside `path`, then renames: a reader sees the whole file or none.

    Args:
        path: the file; its folder need not exist yet.
        content: of the file.
        lasts: whether to wait until a power cut would keep it; what is easily made again need not.

    Raises:
        UserError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        if lasts:
            flush(temporary)
        temporary.replace(path)
        if lasts:
            flush(path.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({error.strerror}); choose a folder that can be written"
        ) from error
    finally:
        if temporary.is_file():
            temporary.unlink()


class RunFolder:
    """Paths in a run's folder, and its two description files.

    Args:
        path: the folder; need not exist yet.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.logs = self.path / "logs"
        self.samples = self.path / "samples"
        self.savedmodels = self.path / "savedmodels"
        self.config_file = self.path / "config.json"
        self.classes_file = self.path / "classes.json"
        self.train_samples = self.path / "train_samples.json"
        self.class_counts = self.path / "class_counts.npz"

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return self.config_file.is_file()

    @property
    def is_import(self) -> bool:
        """Whether all that was ever saved here is of step 0, as an import writes it."""
        found = [path.name for path in self.checkpoints.glob("ckpt-*.index")]
        return found == ["ckpt-0.index"]

    def create(self, config: Config, classes: ClassTable) -> None:
        """Starts a run here.

        Raises:
            UserError: the folder cannot be written, or holds a run with other settings.
        """
        if self.exists:
            raise UserError(f"{self.path} already holds a run; choose another --run_dir")
        write_atomically(self.classes_file, classes.to_json())
        write_atomically(self.config_file, config.to_json())

    def read_config(self) -> Config:
        """The run's settings.

        Raises:
            UserError: there is no run here, or its config cannot be read.
        """
        try:
            text = self.config_file.read_text()
        except OSError as error:
            raise UserError(
                f"{self.path} holds no run ({self.config_file.name}: {error.strerror})"
            ) from error
        except UnicodeDecodeError as error:
            raise UserError(f"{self.config_file} is no text file; point to a run folder") from error
        return Config.from_json(text, str(self.config_file))

    def read_classes(self) -> ClassTable:
        """The run's class table."""
        return load_classes(self.classes_file)
