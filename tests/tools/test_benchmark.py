import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.slow
def test_both_implementations_are_measured(tmp_path):
    numbers = tmp_path / "numbers.json"
    done = benchmark(
        "--recipes=town_semantic", "--what=generator,step", "--runs=2", f"--json={numbers}"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(numbers.read_text())
    kinds = [(row["name"].split()[1], row["implementation"]) for row in rows]
    assert kinds == [(part, i) for part in ("generator", "step") for i in ("label-aware", "dense")]
    for row in rows:
        assert 0 < row["min_ms"] <= row["median_ms"] <= row["max_ms"]
        assert 0 < row["peak_gb"] < 4 and row["dense_gflop"] > 0.1
    # What is counted is the whole: a training step is more than three times the drawing.
    assert rows[2]["dense_gflop"] > 3 * rows[0]["dense_gflop"]
    printed = [line for line in done.stdout.splitlines() if line.startswith("| town_semantic")]
    assert len(printed) == 4
