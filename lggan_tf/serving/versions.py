"""Which versions of which models are loaded, while requests use them.

The folder says what is wanted: `MODELS_DIR/NAME/VERSION/`, VERSION a decimal number. Of every model
the newest version that can be loaded is served, and beside it the versions that
`MODELS_DIR/NAME/labels.json` names, as in `{"stable": 3}`. A version is unloaded when it is wanted
no more and its last request has its answer; a newer one is loaded before that. A version that
cannot be loaded is reported, and tried again once its files have changed: they may be on their way.
"""

import contextlib
import enum
import gc
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lggan_tf.serving.loaded_model import LoadedModel
from lggan_tf.serving.request_error import RequestError

log = logging.getLogger(__name__)
MODEL_FILE = "saved_model.pb"
_LARGEST = 2**63 - 1  # TensorFlow Serving's versions are int64


class State(enum.StrEnum):
    """The states of TensorFlow Serving's GetModelStatus."""

    START = "START"
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


class Version:
    """One version: its state, and while it is AVAILABLE or UNLOADING, `loaded`."""

    def __init__(self, model: str, number: int, path: Path):
        self.model = model
        self.number = number
        self.path = path
        self.state = State.START
        self.error = ""
        self.loaded: LoadedModel | None = None
        self.leases = 0
        self.tried = None  # the files' fingerprint when loading failed

    def status(self) -> dict:
        """As TensorFlow Serving describes it, for JSON."""
        return {
            "version": str(self.number),
            "state": str(self.state),
            "status": {
                "error_code": "UNKNOWN" if self.error else "OK",
                "error_message": self.error,
            },
        }


class Versions:
    """All versions of all models in a folder.

    Methods may be called from any thread; `scan` from one at a time.

    Attributes:
        scanned: whether the folder was looked through once.
    """

    def __init__(self, models_dir: Path, load: Callable[[Path], LoadedModel] = LoadedModel):
        self._models_dir = models_dir
        self._load = load
        self._lock = threading.Lock()
        self._models: dict[str, dict[int, Version]] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._garbage = False
        self._told: set[Path] = set()
        self.scanned = False

    @property
    def names(self) -> list[str]:
        """Models with a version to serve, sorted."""
        with self._lock:
            return sorted(n for n, versions in self._models.items() if _served(versions))

    @property
    def available(self) -> list[Version]:
        """Versions that can be asked, newest last."""
        with self._lock:
            return [v for versions in self._models.values() for v in _served(versions)]

    @contextlib.contextmanager
    def lease(self, name: str, number: int | None, label: str | None) -> Iterator[Version]:
        """A version, by number, by label, or the newest; it stays loaded until the lease ends.

        Raises:
            RequestError: 404, there is none; 503, it may still be loading.
        """
        with self._lock:
            version = self._find(name, number, label)
            version.leases += 1
        try:
            yield version
        finally:
            with self._lock:
                version.leases -= 1
                self._unload_if_free(version)

    def status(self, name: str, number: int | None, label: str | None) -> list[dict]:
        """What `GET /v1/models/NAME` says, newest version first.

        Raises:
            RequestError: 404, neither loaded nor tried; 503, its turn may still come.
        """
        with self._lock:
            versions = self._model(name)
            if label is not None:
                number = self._number(name, label)
            if number is not None:
                if number not in versions:
                    raise self._absent(f"model {name} has no version {number}")
                return [versions[number].status()]
            return [versions[n].status() for n in sorted(versions, reverse=True)]

    def scan(self) -> None:
        """Looks into the folder, loads what is new, and lets go what is no longer wanted."""
        try:
            folders = {p.name: p for p in self._models_dir.iterdir() if _holds_a_model(p)}
        except OSError as error:
            # What is loaded stays: the disk may come back.
            log.warning("models not found", extra={"reason": str(error)})
            return
        for name in sorted(folders):
            try:
                self._scan_model(name, folders[name])
            except OSError as error:
                log.warning("versions not found", extra={"model": name, "reason": str(error)})
        for name in set(self._models) - set(folders):
            self._keep(name, set(), set())
        if self._garbage:
            # A model's functions refer to each other, so counting references does not free them.
            self._garbage = False
            gc.collect()
        self.scanned = True

    def _scan_model(self, name: str, folder: Path) -> None:
        found = _version_folders(folder)
        for path, reason in _left_out(folder, found).items():
            if path not in self._told:
                self._told.add(path)
                log.warning("folder left out", extra={"folder": path, "reason": reason})
        if not found and name not in self._models:
            return
        labels = self._read_labels(name, folder)
        wanted = {number for number in labels.values() if number in found}
        for number in sorted(wanted):
            self._ensure(name, number, found[number])
        for number in sorted(found, reverse=True):
            if self._ensure(name, number, found[number]):
                wanted.add(number)
                break
        with self._lock:
            self._labels[name] = labels
        self._keep(name, wanted, set(found))

    def _read_labels(self, name: str, folder: Path) -> dict[str, int]:
        file = folder / "labels.json"
        try:
            labels = json.loads(file.read_text())
            if not isinstance(labels, dict) or not all(type(v) is int for v in labels.values()):
                raise ValueError('it must be like {"stable": 3}')
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("labels ignored", extra={"model": name, "file": file, "reason": str(error)})
            return self._labels.get(name, {})
        return labels

    def _ensure(self, name: str, number: int, path: Path) -> bool:
        """Whether the version is loaded, after an attempt if there was none with these files."""
        with self._lock:
            version = self._models.setdefault(name, {}).get(number)
            if version is not None and version.state is State.AVAILABLE:
                return True
            if version is not None and version.state is State.UNLOADING:
                version.state = State.AVAILABLE  # wanted again before its last request ended
                return True
        fingerprint = _fingerprint(path)
        if version is not None and version.error and version.tried == fingerprint:
            return False
        version = Version(name, number, path)
        version.state = State.LOADING
        with self._lock:
            self._models[name][number] = version
        start = time.monotonic()
        told = {"model": name, "version": number}
        try:
            loaded = self._load(path)
        except Exception as error:
            version.tried = fingerprint
            with self._lock:
                version.error = _reason(error)
                version.state = State.END
            log.error("version not loaded", extra=told | {"reason": version.error})
            return False
        with self._lock:
            version.loaded = loaded
            version.state = State.AVAILABLE
        log.info("version loaded", extra=told | {"seconds": round(time.monotonic() - start, 3)})
        return True

    def _keep(self, name: str, wanted: set[int], on_disk: set[int]) -> None:
        """Lets go all other versions; forgets those that ended and whose folder is gone."""
        with self._lock:
            versions = self._models[name]
            for number in sorted(set(versions) - wanted):
                version = versions[number]
                if version.state is State.AVAILABLE:
                    version.state = State.UNLOADING
                    self._unload_if_free(version)
                if version.state is State.END and number not in on_disk:
                    del versions[number]
            if not versions:
                del self._models[name]
                self._labels.pop(name, None)

    def _unload_if_free(self, version: Version) -> None:
        if version.state is State.UNLOADING and not version.leases:
            version.state = State.END
            version.loaded = None
            self._garbage = True
            log.info("version unloaded", extra={"model": version.model, "version": version.number})

    def _absent(self, message: str, *asked_for: Version) -> RequestError:
        """What a request for something gets that is not there, or not yet."""
        coming = (State.START, State.LOADING)
        if not self.scanned or any(version.state in coming for version in asked_for):
            return models_are_loading()
        return RequestError(404, message)

    def _model(self, name: str) -> dict[int, Version]:
        if name not in self._models:
            raise self._absent(f"there is no model {name[:100]!r}")
        return self._models[name]

    def _number(self, name: str, label: str) -> int:
        labels = self._labels.get(name, {})
        if label not in labels:
            raise self._absent(f"model {name} has no label {label[:100]!r}")
        return labels[label]

    def _find(self, name: str, number: int | None, label: str | None) -> Version:
        versions = self._model(name)
        served = {v.number: v for v in _served(versions)}
        if label is not None:
            number = self._number(name, label)
        if number is None:
            if not served:
                message = f"model {name} has no version that could be loaded"
                raise self._absent(message, *versions.values())
            return served[max(served)]
        if number not in served:
            have = ", ".join(map(str, served)) or "none"
            message = f"version {number} of model {name} is not loaded; loaded are: {have}"
            raise self._absent(message, *(v for v in versions.values() if v.number == number))
        return served[number]


def models_are_loading() -> RequestError:
    """What a request gets before the first look through the folder has ended."""
    return RequestError(503, "models are being loaded", {"Retry-After": "1"})


def _served(versions: dict[int, Version]) -> list[Version]:
    return [versions[n] for n in sorted(versions) if versions[n].state is State.AVAILABLE]


def _holds_a_model(path: Path) -> bool:
    """A folder that a path in a URL and JSON can name; exports on their way start with a dot."""
    return path.is_dir() and path.name.isprintable() and not path.name.startswith(".")


def _version_folders(folder: Path) -> dict[int, Path]:
    return {
        int(p.name): p
        for p in folder.iterdir()
        if p.name.isascii() and p.name.isdecimal() and int(p.name) <= _LARGEST and p.is_dir()
    }


def _left_out(folder: Path, versions: dict[int, Path]) -> dict[Path, str]:
    """What somebody may have meant as a model and is none -> why."""
    found = {}
    if (folder / MODEL_FILE).is_file():
        found[folder] = f"its {MODEL_FILE} belongs one folder down, into {folder.name}/1"
    for path in folder.iterdir():
        if path not in versions.values() and _holds_a_model(path) and (path / MODEL_FILE).is_file():
            found[path] = "the folder of a version is named by a number, as 1: rename it"
    if not found and not versions:
        found[folder] = f"it holds no version, as {folder.name}/1/{MODEL_FILE}"
    return found


def _fingerprint(path: Path) -> frozenset:
    """Names, sizes and times of a version's files."""
    found = set()
    for file in path.rglob("*"):
        with contextlib.suppress(OSError):
            stat = file.stat()
            found.add((str(file.relative_to(path)), stat.st_size, stat.st_mtime_ns))
    return frozenset(found)


def _reason(error: Exception) -> str:
    """First line of why a model could not be loaded."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no reason given'}"
