"""`kill -9` at random moments of a run, and the same command again."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.runs.checkpoint_files import CheckpointFiles

KILLS = 20
# 6 steps an epoch, 240 in all; a checkpoint at every second one.
FLAGS = """
--image_height=32 --image_width=32 --filters=4 --residual_blocks=1
--global_generator=resnet --discriminator=patch --discriminator_filters=4 --discriminator_layers=3
--initializer=normal --implementation=dense --lambda_perceptual=0 --town_places=12
--global_batch_size=2 --epochs=20 --decay_epochs=20 --beta_1=0.5 --log_every=1 --sample_every=1000
--checkpoint_every=2 --keep=3 --seed=3 --ema_decay=0.9 --pool_size=4 --discriminator_steps=2
--best_metric=mean_l1 --deterministic
"""


def command(folder):
    return [sys.executable, "-u", "-m", "lggan_tf.bin.train", *FLAGS.split(), f"--run_dir={folder}"]


def losses(lines):
    found = [line.split(" | ") for line in lines if line.startswith("step ")]
    return {int(head.split()[1].split("/")[0]): terms for head, terms, *_ in found}


def damage(said):
    """Lines on damage; a kill between two renames leaves a checkpoint without a manifest."""
    lines = [line for line in said.splitlines() if "damaged" in line or "left out" in line]
    return [line for line in lines if "as it was written" in line or "never finished" not in line]


def weights(folder):
    reader = tf.train.load_checkpoint(CheckpointFiles(folder / "checkpoints", 3).prefix(240))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def killed(folder, rng, number):
    """Starts the run, kills it, and returns what it had said."""
    process = subprocess.Popen(command(folder), stdout=subprocess.PIPE, text=True)
    lines = []
    if number % 5 == 4:  # while it starts
        time.sleep(rng.uniform(0.0, 6.0))
    else:  # while it steps and saves
        left = rng.randint(1, 24)
        for line in process.stdout:
            lines.append(line)
            left -= line.startswith("step ")
            if not left:
                break
        time.sleep(rng.uniform(0.0, 0.2))
    process.kill()
    lines += process.communicate()[0].splitlines(keepends=True)
    assert process.returncode == -signal.SIGKILL, lines[-3:]
    return [line for line in lines if line.endswith("\n")]


@pytest.mark.slow
def test_a_run_that_was_killed_ends_as_one_that_was_not(tmp_path):
    whole = subprocess.run(
        command(tmp_path / "whole"), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    expected, rng, kills = losses(whole), random.Random(1), 0
    assert len(expected) == 240
    for number in range(KILLS):
        lines = killed(tmp_path / "parts", rng, number)
        kills += 1
        assert not damage("".join(lines))
        found = losses(lines)
        assert found == {step: expected[step] for step in found}
    last = subprocess.run(command(tmp_path / "parts"), capture_output=True, text=True, check=True)
    assert not damage(last.stdout + last.stderr)
    found = losses(last.stdout.splitlines())
    assert found == {step: expected[step] for step in found}
    assert len(found) < 160  # else the kills came before there was anything to save
    print(f"{kills} kills; the last run did {len(found)} of 240 steps")
    ours, theirs = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert ours.keys() == theirs.keys() and len(ours) > 150
    for name, value in ours.items():
        np.testing.assert_array_equal(theirs[name], value, err_msg=name)
