"""Places that other processes draw are those that this one would draw, and no process stays."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lggan_tf.data.town import draw_place, processes
from lggan_tf.errors import UserError

SIZE = (16, 24)


def test_the_same_places_for_many_threads_at_once():
    with ThreadPoolExecutor(6) as pool:
        drawn = list(pool.map(lambda index: processes.draw_beside(3, index, *SIZE), range(12)))
    for index, place in enumerate(drawn):
        for value, expected in zip(place, draw_place(3, index, *SIZE), strict=True):
            np.testing.assert_array_equal(value, expected)
    assert processes.draw_beside(3, 0, *SIZE, False).aerial_image is None


def test_refusals_come_through_and_the_process_goes_on():
    with pytest.raises(UserError, match="7 x 24 pixels is too small"):
        processes.draw_beside(0, 0, 7, 24)
    with pytest.raises(TypeError) as caught:
        processes.draw_beside(0, 0, "tall", 24)
    assert "processes.py" in caught.value.__notes__[0]  # where it happened
    assert processes.draw_beside(0, 0, *SIZE).street_image.shape == (*SIZE, 3)


def pid_of(pool):
    return pool._threads.submit(lambda: pool._own.process._process.pid).result()


def test_one_that_was_ended_is_replaced_once(monkeypatch):
    pool = processes._Processes(1)
    pool.draw(0, 0, *SIZE)
    first = pid_of(pool)
    for polite in (signal.SIGTERM, signal.SIGINT):  # the run decides when it ends
        os.kill(first, polite)
        pool.draw(0, 0, *SIZE)
    assert pid_of(pool) == first
    os.kill(first, signal.SIGKILL)
    place = pool.draw(0, 0, *SIZE)
    np.testing.assert_array_equal(place.street_image, draw_place(0, 0, *SIZE).street_image)
    assert pid_of(pool) != first

    monkeypatch.setattr(processes, "_SERVE", "raise SystemExit(7)")
    os.kill(pid_of(pool), signal.SIGKILL)
    with pytest.raises(UserError, match="end before they have drawn, the last with code 7; look"):
        pool.draw(0, 0, *SIZE)
    monkeypatch.setattr(sys, "executable", "/no/python")
    with pytest.raises(UserError, match="cannot be started .*No such file.*/no/python is Python"):
        pool.draw(0, 0, *SIZE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_by_fork_draws_too():
    processes.draw_beside(0, 0, *SIZE)
    script = (
        "import os\n"
        "from lggan_tf.data.town import processes\n"
        "processes.draw_beside(0, 0, 16, 24)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    processes.draw_beside(0, 1, 16, 24)\n"
        "    os._exit(5)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=60)
    assert ran.returncode == 5


def test_threads_that_come_again_and_again_keep_nobody_waiting(monkeypatch):
    class Slow:
        def ask(self, arguments):
            time.sleep(0.002)
            return arguments

    monkeypatch.setattr(processes, "_Process", Slow)
    pool, ends = processes._Processes(1), threading.Event()

    def again():
        while not ends.is_set():
            pool.draw("again")

    with ThreadPoolExecutor(16) as others:
        for _ in range(16):
            others.submit(again)
        try:
            # Behind a lock each of these would wait for as long as the others come.
            start = time.monotonic()
            for _ in range(10):
                assert pool.draw("late") == ("late",)
            assert time.monotonic() - start < 30
        finally:
            ends.set()


def test_where_pipes_cannot_be_handed_over_it_draws_here(monkeypatch):
    monkeypatch.setattr(processes, "HANDS_OVER_PIPES", False)
    monkeypatch.setattr(processes, "_processes", None)
    place = processes.draw_beside(0, 0, *SIZE)
    np.testing.assert_array_equal(place.street_image, draw_place(0, 0, *SIZE).street_image)


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_none_outlives_a_script_without_a_main_guard(tmp_path, end):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal\n"
        "from lggan_tf.data.town import processes\n"
        f"processes.draw_beside(0, 0, {SIZE[0]}, {SIZE[1]})\n"
        "pool = processes._processes()\n"
        "process = pool._threads.submit(lambda: pool._own.process._process.pid).result()\n"
        "print(process, flush=True)\n"
        + ("os.kill(os.getpid(), signal.SIGKILL)\n" if end == "kill" else "")
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert ran.returncode == {"kill": -9, "exit": 0}[end]
    assert ran.stderr == ""
    pid, deadline = int(ran.stdout), time.monotonic() + 20
    while _lives(pid):
        assert time.monotonic() < deadline, "the process is still there"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    # An orphan that ended may stay in the table until its new parent has looked.
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")
