"""Two workers on this machine: what each writes, and a run that loses one of them."""

import contextlib
import json
import os
import signal

import child_process
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.runs.checkpoint_files import CheckpointFiles

SCRIPT = """
import json, sys
import keras
from lggan_tf.config import Config
from lggan_tf.runs.folder import RunFolder
from lggan_tf.training.run import train
train(Config.from_flat(json.loads(sys.argv[1])).check(), RunFolder(sys.argv[2]),
      lambda line: print(line, flush=True))
"""
SETTINGS = {
    "strategy": "multi_worker",
    "town_places": 6,
    "epochs": 4,
    "decay_epochs": 0,
    "log_every": 1,
    "checkpoint_every": 2,
    "sample_every": 1000,
}


def start(settings, folder, ports):
    return [
        child_process.start("-c", SCRIPT, json.dumps(settings), folder, TF_CONFIG=text)
        for text in child_process.cluster(ports)
    ]


def weights(folder):
    files = CheckpointFiles(folder / "checkpoints", 2)
    reader = tf.train.load_checkpoint(files.prefix(files.newest_whole()))
    names = [n for n in reader.get_variable_to_shape_map() if "save_counter" not in n]
    return {name: reader.get_tensor(name) for name in names if not name.startswith("_")}


@pytest.mark.slow
def test_a_worker_is_killed_and_both_start_again(plain, tmp_path):
    """Twelve steps; one worker is killed behind the checkpoint of step 4, the other ends by itself.

    Started again, the run ends with the weights of one that was never interrupted.
    """
    settings = plain | SETTINGS
    chief, other = child_process.finish(
        *start(settings, tmp_path / "whole", child_process.free_ports(2))
    )
    assert chief.splitlines()[-1].startswith("done: 12 of 12 steps") and other == ""

    processes = start(settings, tmp_path / "parts", child_process.free_ports(2))
    try:
        for line in processes[0].stdout:
            if line.startswith("step 5/"):
                break
        else:
            pytest.fail(processes[0].communicate()[1][-3000:])
        os.kill(processes[1].pid, signal.SIGKILL)
        # It cannot sum gradients any more.
        assert processes[0].wait(timeout=120) != 0
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.communicate()
    chief, _ = child_process.finish(
        *start(settings, tmp_path / "parts", child_process.free_ports(2))
    )
    assert chief.splitlines()[0].startswith(f"continuing {tmp_path / 'parts'} from step ")
    assert 4 <= int(chief.splitlines()[0].rsplit(" ", 1)[1]) < 12

    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert expected.keys() == found.keys() and len(expected) > 50
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_both_at_one_step(plain, tmp_path):
    settings = plain | SETTINGS | {"epochs": 400}
    processes = start(settings, tmp_path / "a", child_process.free_ports(2))
    try:
        for line in processes[0].stdout:
            if line.startswith("step 3/"):
                break
        os.kill(processes[1].pid, signal.SIGTERM)
        out, errors = processes[0].communicate(timeout=120)
        processes[1].communicate(timeout=120)
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
    assert processes[0].returncode == 0, errors[-3000:]
    assert "done: " in out.splitlines()[-1] and "of 1200 steps" in out.splitlines()[-1]
    done = int(out.splitlines()[-1].split()[1])
    assert CheckpointFiles(tmp_path / "a" / "checkpoints", 2).newest_whole() == done < 1200
