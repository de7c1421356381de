"""The loop on the embedded town: resuming, stopping, and what lies in the folder afterwards."""

import json
import os
import re
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lggan_tf.config import Config
from lggan_tf.data.pipeline import training_batches
from lggan_tf.errors import Stopped, UserError
from lggan_tf.runs.build import build_networks, build_source, build_transform
from lggan_tf.runs.checkpoint_files import CheckpointFiles
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.class_balance import build_class_balance
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import GeneratorOnly
from lggan_tf.runs.lock import locked
from lggan_tf.training import run
from lggan_tf.training.callbacks.load_ahead import LoadAhead
from lggan_tf.training.callbacks.sample_grid import picture_grid, to_pixels
from lggan_tf.training.resume import check_settings, open_run
from lggan_tf.training.run import train

# Three steps an epoch, one epoch at the full rate and one of decay: six steps.
TOWN = {
    "town_places": 6,
    "epochs": 1,
    "decay_epochs": 1,
    "log_every": 1,
    "sample_every": 4,
    "checkpoint_every": 4,
    "generator_learning_rate": 0.002,
    "discriminator_learning_rate": 0.002,
    "beta_1": 0.5,
    "seed": 3,
    "flip": True,
    "load_height": 36,
    "load_width": 36,
}


def trained(config, folder, say):
    """As in a process of its own: names that Keras has given out before change a graph's order.

    Another order rounds otherwise, and Adam makes steps of full size of that.
    """
    keras.backend.clear_session()
    return train(config, folder, say)


def weights(folder):
    path = tf.train.latest_checkpoint(folder.checkpoints)
    reader = tf.train.load_checkpoint(path)
    names = [n for n in reader.get_variable_to_shape_map() if "save_counter" not in n]
    return {name: reader.get_tensor(name) for name in names if not name.startswith("_")}


def interrupted_at(step, lines):
    """A `say` that sends the process a signal after a step, as Ctrl-C does."""

    def say(line):
        lines.append(line)
        if line.startswith(f"step {step}/"):
            os.kill(os.getpid(), signal.SIGINT)

    return say


def test_a_signal_while_samples_are_waited_for_stops_before_the_next_step(
    plain, tmp_path, monkeypatch
):
    def waits(self, batch, logs=None):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(LoadAhead, "on_train_batch_end", waits)
    lines = []
    with pytest.raises(Stopped):
        train(Config.from_flat(plain | TOWN).check(), RunFolder(tmp_path / "run"), lines.append)
    assert lines[-1] == "stopped by a signal at step 1; the same command goes on from there"


def compare_resumed(config, tmp_path):
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    lines, first, second = [], [], []
    assert trained(config, whole, lines.append) == 6
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped) as stopped:
        trained(config, parts, interrupted_at(3, first))
    assert stopped.value.number == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is handler
    assert first[-1] == "stopped by a signal at step 3; the same command goes on from there"
    assert int(tf.train.latest_checkpoint(parts.checkpoints).rpartition("-")[2]) == 3
    halfway = weights(parts)
    assert trained(config, parts, second.append) == 6
    assert second[0] == f"continuing {parts.path} from step 3"
    assert ("no profile: this start did none of the steps 2 to 2" in second) == bool(
        config.profiled_steps
    )

    expected, found = weights(whole), weights(parts)
    assert expected.keys() == found.keys() and len(expected) > 100
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    moved = [np.abs(found[n] - halfway[n]).max() for n in found if halfway[n].dtype == np.float32]
    assert max(moved) > 1e-3

    def steps(said):
        losses = [re.match(r"step (\d)/6 epoch (\d)/2 \| (.*) \| ", s) for s in said]
        return [match.groups() for match in losses if match]

    assert steps(lines) == steps(first) + steps(second)
    assert [(step, epoch) for step, epoch, _ in steps(lines)] == [
        ("1", "1"), ("2", "1"), ("3", "1"), ("4", "2"), ("5", "2"), ("6", "2"),
    ]  # fmt: skip
    return whole, parts


def test_three_steps_and_three_more_equal_six(plain, tmp_path):
    """Spectral vectors, Adam's slots, decay, data order and crops are all taken up again."""
    watched = {"class_balance": 0.5, "profile_steps": "2,2"}
    config = Config.from_flat(plain | TOWN | watched | {"discriminator": "multiscale"}).check()
    whole, parts = compare_resumed(config, tmp_path)

    assert sorted(p.name for p in whole.samples.iterdir()) == ["step_000004.png", "step_000006.png"]
    assert sorted(p.name for p in parts.samples.iterdir()) == [
        f"step_00000{n}.png" for n in (3, 4, 6)
    ]
    ours, theirs = (
        np.asarray(Image.open(f.samples / "step_000006.png")).astype(int) for f in (whole, parts)
    )
    np.testing.assert_allclose(ours, theirs, atol=1)
    # Six rows of map, I_g, I_l, W_g, W_l, fused image, photo; two pixels between them.
    assert ours.shape == (6 * 32 + 5 * 2, 7 * 32 + 6 * 2, 3)
    assert whole.read_config() == config

    # A run that is done stays as it is.
    lines = []
    assert train(config, whole, lines.append) == 6
    assert lines[-1].startswith("done: 6 of 6 steps")
    # Nor does it become shorter than it is.
    shorter = Config.from_flat(config.to_flat() | {"decay_epochs": 0}).check()
    with pytest.raises(UserError, match=r"--epochs=1 and --decay_epochs=0 are 3 steps, but .* 6"):
        train(shorter, whole, lines.append)
    assert whole.read_config() == config

    events = EventAccumulator(str(whole.logs)).Reload()
    tags = set(events.Tags()["tensors"])
    losses = {f"loss/{name}" for name in ("g_total", "d_total", "class", "gan_semantic")}
    assert losses | {"images_per_second", "waiting_for_data", "samples"} <= tags
    assert [event.step for event in events.Tensors("samples")] == [4, 6]
    assert {"class_balance", "_hparams_/session_start_info"} <= tags
    (trace,) = whole.logs.glob("plugins/profile/*/*.xplane.pb")
    assert trace.stat().st_size > 1000
    assert whole.class_counts.read_bytes() == parts.class_counts.read_bytes()
    rates = [
        float(tf.make_ndarray(event.tensor_proto))
        for event in events.Tensors("learning_rate/generator")
    ]
    # After the update of step n the rate of the next one.
    assert rates == pytest.approx([0.002, 0.002, 0.002, 0.004 / 3, 0.002 / 3, 0.0], abs=1e-8)


def test_a_signal_in_the_last_step_stops_nothing(plain, tmp_path):
    config = Config.from_flat(plain | TOWN).check()
    folder, lines = RunFolder(tmp_path / "a"), []
    assert trained(config, folder, interrupted_at(6, lines)) == 6
    assert lines[-1].startswith("done: 6 of 6 steps")
    assert int(tf.train.latest_checkpoint(folder.checkpoints).rpartition("-")[2]) == 6


@pytest.mark.slow
def test_a_run_with_spade_resumes_too(tiny, tmp_path):
    settings = {"image_height": 32, "image_width": 32, "latent_stride": 16}
    compare_resumed(Config.from_flat(tiny | TOWN | settings).check(), tmp_path)


@pytest.fixture
def cheap(monkeypatch):
    """No model is built: what is refused is refused before or around it."""

    def build(*_):
        raise AssertionError("no model should be built")

    monkeypatch.setattr(run, "build_lggan", build)


def test_more_images_in_a_batch_than_there_are(plain, tmp_path, cheap):
    config = Config.from_flat(plain | TOWN | {"global_batch_size": 7}).check()
    with pytest.raises(UserError, match="6 training samples, fewer than one batch"):
        train(config, RunFolder(tmp_path / "a"), print)
    assert not (tmp_path / "a").exists()


def test_a_folder_in_which_another_process_trains(plain, tmp_path, cheap):
    config, folder = Config.from_flat(plain | TOWN).check(), RunFolder(tmp_path / "a")
    with locked(folder), pytest.raises(UserError, match="another process trains in .*/a; wait"):
        train(config, folder, print)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"filters": 8}, "--filters=4, not 8; give the same flags to continue it"),
        ({"ema_decay": 0.5}, "--ema_decay=0.0, not 0.5"),
        ({"generator_learning_rate": 1.0}, "--generator_learning_rate=0.002, not 1.0"),
    ],
)
def test_a_run_goes_on_with_its_own_settings_alone(plain, tmp_path, classes, changed, words):
    folder = RunFolder(tmp_path / "a")
    folder.create(Config.from_flat(plain | TOWN), classes)
    with pytest.raises(UserError) as caught:
        check_settings(Config.from_flat(plain | TOWN | changed), folder)
    assert words in str(caught.value) and str(folder.path) in str(caught.value)
    harmless = {
        "epochs": 9,
        "log_every": 99,
        "max_train_minutes": 5.0,
        "keep": 9,
        "strategy": "one",
    }
    lines = []
    check_settings(Config.from_flat(plain | TOWN | harmless), folder)
    open_run(Config.from_flat(plain | TOWN | harmless), folder, classes, lines.append)
    assert lines == ["--epochs was 1 and is 9 from now on"]
    assert folder.read_config() == Config.from_flat(plain | TOWN | {"epochs": 9})


def test_a_loss_that_is_not_finite_ends_the_run_and_can_be_seen_again(plain, tmp_path):
    """A first step at a rate like this, and the second overflows; looked at after the sixth."""
    rates = {"discriminator_learning_rate": 1e38, "update_order": "generator_first"}
    seldom = {"log_every": 99, "checkpoint_every": 99, "sample_every": 99, "class_balance": 0.5}
    config = Config.from_flat(plain | TOWN | rates | seldom).check()
    folder = RunFolder(tmp_path / "a b")
    with pytest.raises(UserError) as caught:
        trained(config, folder, lambda line: None)
    said = str(caught.value)
    found = re.match(
        r"the loss term (\w+) is (nan|-?inf) in step 2 "
        r"\(its batch: (train_0000\d), (train_0000\d)\); "
        r"(.*) holds that batch and the weights before the step, (.*) takes it again; "
        r"last checkpoint: none yet",
        said,
    )
    place = RunFolder(folder.path / "failure" / "step_000002")
    term, value, *names, where, command = found.groups()
    assert where == str(place.path) and command == f"lggan-train --run_dir='{place.path}'"
    assert list(folder.checkpoints.glob("*")) == []
    assert [p.name for p in place.path.parent.iterdir()] == ["step_000002"]

    told = json.loads((place.path / "failure.json").read_text())
    assert (told["step"], told["culprit"], told["samples"]) == (2, term, names)
    assert told["values"][term] == value and told["updated_before"] == []
    batch = np.load(place.path / "batch.npz")
    order = training_batches(
        source := build_source(config, "train"),
        build_transform(config, source.classes, training=True),
        2, config.train.seed, 1, build_class_balance(config, folder, source, print).probabilities,
    )  # fmt: skip
    for key, wanted in next(order.as_numpy_iterator()).items():
        np.testing.assert_array_equal(batch[key], wanted)
    # The first step is in the weights, and nothing after it.
    assert int(tf.train.latest_checkpoint(place.checkpoints).rpartition("-")[2]) == 1
    kept = weights(place)
    assert all(np.isfinite(w).all() for w in kept.values())
    assert max(np.abs(w).max() for n, w in kept.items() if n.startswith("discrim")) > 1e37

    lines = []
    with pytest.raises(UserError, match=re.escape(f"the loss term {term} is {value} in step 2 ")):
        trained(place.read_config(), place, lines.append)
    assert lines[0] == f"continuing {place.path} from step 1"


def test_the_limit_of_wall_time(plain, tmp_path):
    """So short that no step is made: nothing is saved, and the run can be started again."""
    config = Config.from_flat(plain | TOWN | {"max_train_minutes": 1e-9}).check()
    folder, lines = RunFolder(tmp_path / "a"), []
    assert train(config, folder, lines.append) == 0
    assert lines[-1].startswith("done: 0 of 6 steps")
    assert not list(folder.checkpoints.glob("*"))


def test_pixels_and_grids():
    shades = to_pixels(np.array([-1.5, -1.0, -0.001, 0.001, 1.0, 9.0], "float32"))
    assert shades.tolist() == [0, 0, 127, 128, 255, 255]
    black, grey = np.zeros((2, 3, 3), "uint8"), np.full((2, 3, 3), 9, "uint8")
    grid = picture_grid([[black, grey], [grey, black]])
    assert grid.shape == (6, 8, 3)
    assert grid[:2, :3].max() == 0 and grid[:2, 5:].min() == grid[4:, :3].max() == 9
    assert (grid[2:4] == 255).all() and (grid[:, 3:5] == 255).all()


def test_imported_weights_may_be_trained_with_other_settings_but_in_no_other_networks(
    plain, tmp_path, classes
):
    """As long as they have not trained, which the names in the checkpoint say."""
    folder = RunFolder(tmp_path / "a")
    folder.create(Config.from_flat(plain | TOWN), classes)
    parts = {"generator": tf.train.Checkpoint(v0000=tf.Variable(1.0))}
    files = CheckpointFiles(folder.checkpoints, 2)
    files.write(0, tf.train.Checkpoint(**parts).write)
    other = Config.from_flat(
        plain | TOWN | {"epochs": 9, "data_dir": "d", "lambda_tv": 1.0, "seed": 4}
    )
    check_settings(other, folder)
    with pytest.raises(UserError, match="--latent_stride=32, not 64"):
        check_settings(Config.from_flat(plain | TOWN | {"latent_stride": 64}), folder)
    parts["generator_optimizer"] = tf.train.Checkpoint(v0000=tf.Variable(1.0))
    files.write(3, tf.train.Checkpoint(**parts).write)
    with pytest.raises(UserError, match="--data_dir=, not d"):
        check_settings(other, folder)


def test_what_is_refused_leaves_no_traces(plain, tmp_path, classes, cheap):
    """Neither the classes are counted, which is written, nor the model built."""
    folder = RunFolder(tmp_path / "a")
    folder.create(Config.from_flat(plain | TOWN), classes)
    before = sorted(folder.path.iterdir())
    config = Config.from_flat(plain | TOWN | {"class_balance": 0.5, "seed": 4}).check()
    with pytest.raises(UserError, match="holds a run with --seed=3, not 4"):
        train(config, folder, print)
    assert sorted(folder.path.iterdir()) == before


def test_a_run_starts_from_the_weights_of_another(plain, tmp_path):
    """At a rate of 0 one step leaves what was taken as it was."""
    rates = {"generator_learning_rate": 0.0, "discriminator_learning_rate": 0.0, "town_places": 2}
    short = plain | TOWN | rates | {"decay_epochs": 0, "ema_decay": 0.5}
    config = Config.from_flat(short).check()
    other, folder = RunFolder(tmp_path / "other"), RunFolder(tmp_path / "a")
    classes = build_source(config, "train").classes
    _, generator, _ = build_networks(config, classes)
    for number, variable in enumerate(generator.variables):
        variable.assign(tf.fill(variable.shape, 0.001 * number))
    other.create(Config.from_flat(short | {"ema_decay": 0.0}), classes)
    Checkpoints(other, GeneratorOnly(generator), tf.Variable(9, dtype=tf.int64)).save()

    lines = []
    config = Config.from_flat(short | {"warm_start": str(other.path)}).check()
    assert trained(config, folder, lines.append) == 1
    assert lines[0] == f"starting from the weights of {other.path}; not taken over are:"
    left = [line for line in lines if line.startswith("  ")]
    assert left and all(line.startswith("  discriminator_semantic/") for line in left)
    theirs, ours = weights(other), weights(folder)
    taken = [name for name in theirs if name.startswith("generator/")]
    assert len(taken) == len(generator.variables)
    for name in taken:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    # The moving average begins there as well.
    averages = [value for name, value in ours.items() if name.startswith("average/")]
    assert len(averages) == len(taken)
    assert sorted(float(a.ravel()[0]) for a in averages) == pytest.approx(
        sorted(float(theirs[name].ravel()[0]) for name in taken)
    )

    # It goes on as itself.
    lines = []
    assert train(config, folder, lines.append) == 1
    assert lines[0] == f"continuing {folder.path} from step 1"
