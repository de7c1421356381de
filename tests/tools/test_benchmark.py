import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

TOOL = Path(__file__).parents[2] / "tools" / "benchmark.py"


def benchmark(*arguments):
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        env=os.environ | {"PYTHONPATH": str(TOOL.parents[1])},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def test_an_unknown_part_is_refused():
    done = benchmark("--what=generator,nonsense")
    assert done.returncode == 2
    assert "--what=nonsense is not one of generator, step" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_maps_is_refused(tmp_path):
    done = benchmark("--what=generator", f"--labels_dir={tmp_path}")
    assert done.returncode == 2
    assert f"--labels_dir={tmp_path} holds 0 of 1 PNG maps" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_row_whose_process_is_killed_ends_with_a_sentence():
    code = "import os, benchmark; benchmark._in_a_new_process(os._exit, 9)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": f"{TOOL.parent}:{TOOL.parents[1]}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert "UserError: the process of a row was killed, perhaps for want of memory" in done.stderr


@pytest.mark.slow
def test_both_implementations_are_measured(tmp_path):
    numbers, picture = tmp_path / "numbers.json", tmp_path / "times.png"
    done = benchmark(
        "--recipes=town_semantic",
        "--what=generator,step",
        "--filters=4",
        "--spade_hidden=8",
        "--runs=2",
        "--nomemory",
        f"--json={numbers}",
        f"--plot={picture}",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(numbers.read_text())
    kinds = [(row["name"].split()[1], row["implementation"]) for row in rows]
    assert kinds == [(part, i) for part in ("generator", "step") for i in ("label-aware", "dense")]
    for row in rows:
        assert 0 < row["min_ms"] <= row["median_ms"] <= row["max_ms"]
        assert 0 < row["distinct_windows"] < 1 and row["gflop"] > 0.01
    # What is counted is the whole: a training step is more than three times the drawing.
    assert rows[3]["gflop"] > 3 * rows[1]["gflop"]
    printed = [line for line in done.stdout.splitlines() if line.startswith("| town_semantic")]
    assert len(printed) == 4
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG"


@pytest.mark.slow
def test_memory_and_enlarged_maps(tmp_path):
    """Of a 256x256 image the 32 channels at full size alone take 8 MB."""
    numbers = tmp_path / "numbers.json"
    done = benchmark(
        "--recipes=town_cross_view",
        "--what=generator",
        "--implementations=label-aware",
        "--image_height=256",
        "--image_width=256",
        "--window_share=0.02",
        "--runs=1",
        f"--json={numbers}",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = json.loads(numbers.read_text())
    assert 0.008 < row["peak_gb"] < 1 < row["total_gb"] + 1
    assert 0.01 < row["distinct_windows"] <= 0.02
