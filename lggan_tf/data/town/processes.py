"""Draws places of the town in processes beside this one.

A place is many small steps of numpy, which hold Python's lock: the threads of a pipeline draw no
faster than one of them, and a training step then waits for its pictures. Processes share the cores
with the step as the system sees fit. They are Python's own interpreter, not `multiprocessing`,
whose children import the caller's script once more and outlive a parent that was killed.
"""

import atexit
import functools
import os
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe

from lggan_tf.data.town.place import Place, draw_place
from lggan_tf.errors import UserError

# Some schedulers send SIGTERM to every process of a job; the run decides when this one ends.
_SERVE = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
from lggan_tf.data.town.processes import serve
serve()
"""
# A process takes some 50 MB and draws a dozen small places a second: more are never waited for.
MOST_PROCESSES = 8
# A step keeps more threads busy than there are cores, and drawing is to have its share beside them.
PROCESSES_PER_CORE = 2
# Elsewhere a pipe cannot be a child's standard input, and places are drawn here.
HANDS_OVER_PIPES = os.name == "posix"


def draw_beside(seed: int, index: int, height: int, width: int, with_aerial: bool = True) -> Place:
    """`draw_place` in another process; several threads may call it at once.

    Raises:
        UserError: those of `draw_place`; a process cannot be started, or two in turn were ended.
    """
    where = _processes().draw if HANDS_OVER_PIPES else draw_place
    return where(seed, index, height, width, with_aerial)


@functools.cache
def _processes() -> "_Processes":
    return _Processes(min(PROCESSES_PER_CORE * (os.cpu_count() or 1), MOST_PROCESSES))


if hasattr(os, "register_at_fork"):
    # A child by fork has no threads of its parent, and would wait for them for ever.
    os.register_at_fork(after_in_child=_processes.cache_clear)


class _Processes:
    """As many as are wanted at once, up to a number, each started when it is first needed."""

    def __init__(self, count: int):
        # Each thread has a process of its own. A pool serves in order of arrival; behind a mere
        # lock, threads that come again at once would keep others waiting for good.
        self._threads = ThreadPoolExecutor(count, "town")
        self._own = threading.local()

    def draw(self, *arguments) -> Place:
        return self._threads.submit(self._ask, arguments).result()

    def _ask(self, arguments: tuple) -> Place:
        try:
            result = self._process().ask(arguments)
        except (EOFError, OSError):
            # It was ended from outside, maybe long ago; a place is the same whoever draws it.
            self._end()
            try:
                result = self._process().ask(arguments)
            except (EOFError, OSError) as error:
                code = self._end()
                raise UserError(
                    "the processes that draw the town end before they have drawn, the last with "
                    f"code {code}; look for what ends them (-9: the system, short of memory) and "
                    "run the command again"
                ) from error
        if isinstance(result, Exception):
            raise result
        return result

    def _process(self) -> "_Process":
        """This thread's, started if there is none."""
        if getattr(self._own, "process", None) is None:
            try:
                self._own.process = _Process()
            except OSError as error:
                raise UserError(
                    f"a process that draws the town cannot be started ({error}); check that there "
                    f"are processes and memory left, and that {sys.executable} is Python"
                ) from error
        return self._own.process

    def _end(self) -> int:
        process, self._own.process = self._own.process, None
        return process.end()


class _Process:
    """One interpreter that draws; it ends when this end of its pipe does, whatever ended that."""

    def __init__(self):
        self._pipe, theirs = Pipe()
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            # A core for each process: numpy's own threads would only be in the way.
            "OPENBLAS_NUM_THREADS": "1",
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE],
                stdin=theirs,
                env=environment,
                # Ctrl-C in a terminal is for the run, which ends this one.
                start_new_session=True,
            )
        finally:
            theirs.close()
        atexit.register(self.end)

    def ask(self, arguments: tuple) -> Place | Exception:
        self._pipe.send(arguments)
        return self._pipe.recv()

    def end(self) -> int:
        """Ends the process and returns its exit code, negative for a signal's number."""
        atexit.unregister(self.end)
        self._pipe.close()
        try:
            return self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def serve() -> None:
    """What such a process does: places are asked for on its standard input, a socket."""
    with Connection(os.dup(0)) as pipe:
        while True:
            try:
                arguments = pipe.recv()
            except (EOFError, OSError):
                return
            try:
                result = draw_place(*arguments)
            except Exception as error:
                error.add_note(traceback.format_exc())
                result = error
            try:
                pipe.send(result)
            except OSError:
                return
