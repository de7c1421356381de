"""The thread that keeps looking into the folder of models."""

import logging
import threading

from lggan_tf.serving.versions import Versions

log = logging.getLogger(__name__)
# How long a stop waits for a version that is being loaded.
_PATIENCE = 30.0


class Watcher:
    """Scans at once, and then every `interval` seconds."""

    def __init__(self, versions: Versions, interval: float):
        self._versions = versions
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it after the scan that is under way."""
        self._stop.set()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._versions.scan()
            except Exception as error:
                # A folder that vanishes under its hands must not end the watch.
                log.error("scan failed", exc_info=error)
            self._stop.wait(self._interval)
