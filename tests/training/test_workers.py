"""Two workers on this machine: what each writes, and how both end when one of them does."""

import contextlib
import os
import signal

import child_process
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.runs.checkpoint_files import CheckpointFiles

SETTINGS = {
    "strategy": "multi_worker",
    "town_places": 6,
    "epochs": 4,
    "decay_epochs": 0,
    "log_every": 1,
    "checkpoint_every": 2,
    "sample_every": 1000,
}


def typed(plain):
    """The settings as a user may type them: SPADE's are refused beside another generator."""
    return {name: value for name, value in plain.items() if name != "spade_hidden"} | SETTINGS


def start(settings, folder, ports, differing=({}, {})):
    """Both workers; `differing` is what each gets beside `settings`."""
    return [
        child_process.start(
            *("-m", "lggan_tf.bin.train", f"--run_dir={folder}"),
            *(f"--{name}={value}" for name, value in (settings | more).items()),
            TF_CONFIG=text,
        )
        for text, more in zip(child_process.cluster(ports), differing, strict=True)
    ]


def ended(processes):
    """Exit code, standard output and standard error of each; none is left behind."""
    try:
        written = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
    return [(process.returncode, *texts) for process, texts in zip(processes, written, strict=True)]


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
    settings = typed(plain)
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
    finally:
        (code, _, errors), _ = ended(processes)
    # It cannot sum gradients any more.
    # TensorFlow's own lines come before.
    assert (code, "Traceback" in errors) == (2, False), errors[-3000:]
    assert errors.splitlines()[-1] == (
        "lggan-train: error: another host is gone (worker 1); start the same command on all hosts "
        "again, the run goes on from its last checkpoint"
    )
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
    """And both say to their supervisors that the run is not done."""
    settings = typed(plain) | {"epochs": 400}
    processes = start(settings, tmp_path / "a", child_process.free_ports(2))
    try:
        for line in processes[0].stdout:
            if line.startswith("step 3/"):
                break
        os.kill(processes[1].pid, signal.SIGTERM)
    finally:
        (code, out, errors), other = ended(processes)
    assert (code, errors) == (128 + signal.SIGTERM, "lggan-train: stopped and saved\n")
    assert other == (code, "", errors)
    said = "stopped by a signal at step "
    assert out.splitlines()[-1].startswith(said)
    done = int(out.splitlines()[-1].removeprefix(said).partition(";")[0])
    assert CheckpointFiles(tmp_path / "a" / "checkpoints", 2).newest_whole() == done < 1200


@pytest.mark.slow
def test_workers_with_other_settings_are_refused(plain, tmp_path):
    """A place of its own for the data is no other setting."""
    differing = ({"lambda_l1": 1.0, "data_dir": "a"}, {"lambda_l1": 2.0, "data_dir": "b"})
    settings = typed(plain) | {"dataset": "folder"}
    del settings["town_places"]
    processes = start(settings, tmp_path / "a", child_process.free_ports(2), differing)
    assert ended(processes) == [
        (
            2,
            "",
            f"lggan-train: error: --lambda_l1={value} on this host, and not on all others; give "
            "the same flags on all hosts\n",
        )
        for value in (1.0, 2.0)
    ]
    assert not (tmp_path / "a").exists()
