"""One process at a time trains in a run's folder: two would take each other's half-written files.

The lock is the system's, on an empty file `.lock`, so that it ends with the process, also with one
that was killed; the file that such a process leaves behind stops nobody.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder

try:
    import fcntl
except ImportError:  # Windows: nobody is kept out there
    fcntl = None


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Keeps other processes from training in `folder`; one that is empty at the end is removed.

    A folder that cannot be written is not locked: the first file that is to go there says what is
    wrong with it. Nor is one on a file system without locks.

    Raises:
        UserError: another process trains there.
    """
    if fcntl is None:
        yield
        return
    file, path = None, folder.path / ".lock"
    places = (folder.path, *folder.path.parents)
    missing = [place for place in places if not os.path.exists(place)]
    try:
        file = _lock(path)
    except BlockingIOError as error:
        raise UserError(
            f"another process trains in {folder.path}; wait for its end, or choose another "
            "--run_dir"
        ) from error
    except OSError:
        pass
    try:
        yield
    finally:
        if file is not None:
            # Removed while it is locked, so it is nobody else's.
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(file)
        with contextlib.suppress(OSError):
            for place in missing:
                place.rmdir()


def _lock(path: Path) -> int:
    """The descriptor of the locked file; the lock goes when it is closed."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who held it before may have removed it since it was opened.
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except OSError as error:
            os.close(file)
            if not isinstance(error, BlockingIOError):
                path.unlink(missing_ok=True)
            raise
        os.close(file)
