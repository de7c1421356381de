"""Ctrl-C and SIGTERM while Python cannot run its handlers, as in a call of the compiled step."""

import json
import os
import signal
import threading
import time

import child_process
import pytest

from lggan_tf.training.callbacks.stop_on_signals import TOGETHER, StopOnSignals

# A call that gives the interpreter's lock away and does not end early at a signal. Keras, with all
# of TensorFlow behind it, is but a base class here.
SCRIPT = """
import hashlib, json, sys, types
sys.modules["keras"] = types.SimpleNamespace(callbacks=types.SimpleNamespace(Callback=object))
from lggan_tf.training.callbacks.stop_on_signals import StopOnSignals
with StopOnSignals() as signals:
    print("begins", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"word", b"salt", int(sys.argv[1]))
    print(json.dumps(signals.received), flush=True)
"""
MINUTES, SECONDS = 10**9, 4 * 10**6


@pytest.fixture
def child():
    """(rounds of the call) -> a process that is in it."""
    started = []

    def start(rounds):
        started.append(child_process.start("-c", SCRIPT, rounds))
        assert started[-1].stdout.readline() == "begins\n"
        time.sleep(0.1)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_within_a_call_ends_the_process(child, number):
    process = child(MINUTES)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=2) == 128 + number


def test_two_signals_at_once_are_one(child):
    """As `timeout` sends them: the call ends, and so would the step."""
    process = child(SECONDS)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors[-3000:]
    assert sorted(json.loads(out)) == [signal.SIGINT, signal.SIGTERM]


def test_all_is_taken_back():
    def state():
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
        return handlers, wakeup, threading.active_count(), sorted(os.listdir("/proc/self/fd"))

    before, other = state(), signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with StopOnSignals() as signals:
            assert state()[1] != before[1]
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(2 * TOGETHER)
            # Not one of ours.
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.1)
        assert signals.received == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGUSR1, other)
    assert state() == before


def test_outside_the_main_thread_nothing_is_taken():
    raised, before = [], threading.active_count()

    def enter():
        try:
            with StopOnSignals():
                pass
        except ValueError as error:
            raised.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0]) and threading.active_count() == before
