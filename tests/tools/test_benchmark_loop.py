import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "benchmark_loop.py"


@pytest.mark.slow
def test_the_loop_is_measured():
    """A tiny run, for one pair of chunks: every number is printed, whatever it is."""
    done = subprocess.run(
        [
            sys.executable,
            str(TOOL),
            "--image_height=32",
            "--image_width=32",
            "--filters=4",
            "--spade_hidden=4",
            "--residual_blocks=1",
            "--discriminator_filters=4",
            "--lambda_perceptual=0",
            "--town_places=8",
            "--global_batch_size=2",
            "--steps=2",
            "--pairs=1",
        ],
        env=os.environ | {"PYTHONPATH": str(TOOL.parents[1])},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    number = r"[+-]?\d+(\.\d+)?"
    for line in (
        rf"a step: {number} ms \(median of 1 chunks of 2 steps\)",
        rf"the loop against a bare one: {number}% \(median; {number}% to {number}%\)",
        rf"between the calls of the step: {number}% of the loop's time",
        rf"waiting for data: {number}% of the bare loops' time",
        rf"Samples: {number} ms every 500 steps, {number}%",
        rf"SaveCheckpoints: {number} ms every 1000 steps, {number}%",
        rf"in all outside the step: {number}%",
    ):
        assert re.search(line, done.stdout), (line, done.stdout)
