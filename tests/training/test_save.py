"""The best checkpoint: which one it is, and that a kill does not change which."""

from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf

from lggan_tf.runs.checkpoint_files import CheckpointFiles
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.training.callbacks.save import METRICS, SaveCheckpoints


class Bench:
    """A run of one weight that is always the number of steps done."""

    def __init__(self, path, which="latest"):
        self.folder, self.weight = RunFolder(path), keras.Variable(0.0)
        self.step = tf.Variable(0, dtype=tf.int64)
        network = SimpleNamespace(variables=[self.weight])
        model = SimpleNamespace(compiled=False, generator=network, discriminators={})
        self.checkpoints = Checkpoints(self.folder, model, self.step, 2, which)
        self.best = CheckpointFiles(self.folder.checkpoints / "best", 1)

    def go_to(self, step):
        self.step.assign(step)
        self.weight.assign(step)


def restored(path, which):
    bench = Bench(path, which)
    step = bench.checkpoints.restore()
    assert float(bench.weight) == step
    return step


@pytest.mark.parametrize(
    ("larger_is_better", "values", "best"),
    [(True, [5.0, 7.0, 6.0, 7.0], 2), (False, [5.0, 3.0, 4.0, 3.0], 2), (True, [5, 4, 3, 6], 4)],
)
def test_the_best_stays_with_its_score(tmp_path, larger_is_better, values, best):
    bench, said = Bench(tmp_path), []
    for step, value in enumerate(values, 1):
        bench.go_to(step)
        said.append(bench.checkpoints.save_best("score", value, larger_is_better))
        assert len(bench.best.numbers()) == 1
    assert [step for step, is_best in enumerate(said, 1) if is_best][-1] == best
    assert bench.best.numbers() == [best] and bench.best.notes(best) == {"score": values[best - 1]}
    assert restored(tmp_path, "best") == best


def test_another_score_and_the_same_step_are_written(tmp_path):
    bench = Bench(tmp_path)
    bench.go_to(1)
    assert bench.checkpoints.save_best("psnr", 9.0, True)
    assert bench.checkpoints.save_best("psnr", 8.0, True)  # the step once more
    assert bench.best.notes(1) == {"psnr": 8.0}
    bench.go_to(2)
    assert not bench.checkpoints.save_best("psnr", 7.0, True)
    assert bench.checkpoints.save_best("ssim", 0.1, True)
    assert bench.best.numbers() == [2] and bench.best.notes(2) == {"ssim": 0.1}


def test_which_way_is_up():
    assert {name: larger for name, (_, larger) in METRICS.items()} == {
        "mean_l1": False,
        "psnr": True,
        "ssim": True,
    }


SCORES = {2: 0.5, 4: 0.1, 6: 0.3}


def run_on(path):
    """From the last checkpoint to step 6, with a checkpoint at every second step."""
    bench = Bench(path)
    start = bench.checkpoints.restore() if bench.checkpoints.latest else 0
    grid = SimpleNamespace(batch=None)
    saving = SaveCheckpoints(2, bench.checkpoints, bench.step, "mean_l1", grid)
    saving._score = lambda batch: SCORES[int(bench.step)]
    for step in range(start + 1, 7):
        bench.weight.assign(step)
        saving.on_train_batch_end(step - 1, SimpleNamespace(steps=1))


@pytest.mark.parametrize("writes", range(6))
def test_a_kill_between_two_writes_changes_neither_the_best_nor_the_last(
    tmp_path, monkeypatch, writes
):
    """Steps 2 and 4 are written twice, step 6 once: it is not the best."""
    write, left = CheckpointFiles.write, [writes]

    def killed(self, *arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return write(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointFiles, "write", killed)
        if writes < 5:
            with pytest.raises(KeyboardInterrupt):
                run_on(tmp_path)
        else:
            run_on(tmp_path)
    run_on(tmp_path)
    assert restored(tmp_path, "latest") == 6 and restored(tmp_path, "best") == 4
    assert Bench(tmp_path).best.notes(4) == {"mean_l1": 0.1}
