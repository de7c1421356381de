"""The three binaries on a small folder of photos, from the command line to the files."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import lggan_tf
from lggan_tf.bin import export, generate, runner, train
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import GeneratorOnly, load_generator

SIZE = (36, 32)  # width, height of the photos; the networks see 32 x 32
NETWORKS = [
    "--dataset=folder",
    "--image_height=32",
    "--image_width=32",
    "--filters=4",
    "--residual_blocks=1",
    "--global_generator=resnet",
    "--discriminator_filters=4",
    "--discriminator_layers=3",
    "--lambda_perceptual=0",
    "--global_batch_size=2",
]
BINARIES = {"lggan-train": train, "lggan-generate": generate, "lggan-export": export}


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """Six photos to train on and two held out, with label maps; two of them in a subfolder."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    names = {"train": ["a", "b", "c", "d", "town/e", "town/f"], "val": ["g", "town/h"]}
    for split, stems in names.items():
        for stem in stems:
            labels = rng.integers(0, 3, (SIZE[1] // 4, SIZE[0] // 4), "uint8")
            labels = labels.repeat(4, 0).repeat(4, 1)
            photo = rng.integers(0, 200, (3, 3))[labels] + rng.integers(0, 55, (*labels.shape, 3))
            for kind, suffix, array in (("labels", "png", labels), ("images", "jpg", photo)):
                file = root / kind / split / f"{stem}.{suffix}"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array.astype("uint8")).save(file)
    rows = [
        {"id": i, "name": name, "color": [80 * i, 0, 0]}
        for i, name in enumerate(("sky", "road", "void"))
    ]
    (root / "classes.json").write_text(json.dumps({"classes": rows, "void_id": 2}))
    return root


@pytest.fixture
def data(pristine, tmp_path):
    """A copy of the data set that a test may spoil."""
    return Path(shutil.copytree(pristine, tmp_path / "data"))


@pytest.fixture
def called(capsys, monkeypatch, tmp_path):
    """Runs a binary in this process: name, arguments -> (exit code, stdout, lines of stderr).

    Python's stderr, that is: TensorFlow writes to the descriptor of a process, such as the tests',
    that did not load it silently. `finished` sees everything.
    """
    monkeypatch.chdir(tmp_path)
    for variable in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL"):  # set by the binaries
        monkeypatch.setenv(variable, os.environ.get(variable, ""))

    def call(program, *arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            binary = BINARIES[program]
            runner.run(binary.main, binary.define, [program, *map(str, arguments)])
        out, err = capsys.readouterr()
        return caught.value.code, out, err.splitlines()

    return call


@pytest.fixture
def complaint(called):
    """Runs a binary that has to refuse: program, arguments -> its one sentence."""

    def call(program, *arguments):
        code, _, err = called(program, *arguments)
        assert code == 2, err
        assert len(err) == 1, err
        start = f"{program}: error: "
        assert err[0].startswith(start)
        return err[0].removeprefix(start)

    return call


def started(module, *arguments, cwd, **options):
    """`python -m lggan_tf.bin.MODULE` in a process of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_", "PYTHON"))}
    return subprocess.Popen(
        [sys.executable, "-m", f"lggan_tf.bin.{module}", *map(str, arguments)],
        cwd=cwd,
        env=clean | {"PYTHONPATH": str(Path(lggan_tf.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(module, *arguments, cwd):
    """Exit code, stdout, stderr of such a process."""
    process = started(module, *arguments, cwd=cwd)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.fixture(scope="session")
def run_dir(pristine, tmp_path_factory):
    """A run of three steps, made by the binary in a process of its own."""
    place = tmp_path_factory.mktemp("runs")
    code, out, err = finished(
        "train",
        *NETWORKS,
        f"--data_dir={pristine}",
        "--run_dir=small",
        *("--epochs=1", "--decay_epochs=0", "--sample_every=2", "--log_every=2"),
        cwd=place,
    )
    assert (code, err) == (0, "")
    assert "6 samples, 2 classes; " in out and "3 steps" in out
    assert "step 1/3 epoch 1/1 | " in out and "step 3/3 epoch 1/1 | " in out
    assert out.splitlines()[-1].startswith("done: 3 of 3 steps; pictures in small/samples")
    return place / "small"


def test_training_leaves_everything_in_the_run_folder(run_dir):
    assert sorted(path.name for path in run_dir.iterdir()) == [
        "checkpoints", "classes.json", "config.json", "logs", "samples", "train_samples.json",
    ]  # fmt: skip
    assert json.loads((run_dir / "config.json").read_text())["model"]["filters"] == 4
    assert json.loads((run_dir / "classes.json").read_text())["num_classes"] == 2
    assert [p.name for p in sorted(run_dir.glob("checkpoints/*.index"))] == ["ckpt-3.index"]
    assert len(list(run_dir.glob("logs/events.out.tfevents.*"))) == 1
    grids = sorted(run_dir.glob("samples/step_*.png"))
    assert [grid.name for grid in grids] == ["step_000002.png", "step_000003.png"]
    with Image.open(grids[0]) as grid:
        assert grid.size == (7 * 32 + 6 * 2, 2 * 32 + 2)  # two held-out samples
    assert not [path for path in run_dir.rglob("*") if path.name.startswith(".")]


def pictures(folder):
    return {
        path.relative_to(folder).as_posix(): np.asarray(Image.open(path)).astype(int)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_is_drawn_from_exported_and_drawn_from_again(run_dir, data, called, tmp_path):
    model = f"--model={run_dir}"
    code, out, err = called("lggan-generate", model, "--split=val", "--output_dir=held_out")
    assert (code, err) == (0, [])
    assert out.splitlines()[-1] == "2 images in held_out"
    held_out = pictures(tmp_path / "held_out")
    assert list(held_out) == ["g.png", "town/h.png"]
    assert {picture.shape for picture in held_out.values()} == {(32, 32, 3)}

    # The photos are not needed, and neither is a whole number of batches.
    shutil.rmtree(data / "images")
    labels = f"--labels_dir={data / 'labels'}"
    batches = "--batch_size=3"
    assert called("lggan-generate", model, labels, batches, "--output_dir=all")[0] == 0
    everything = pictures(tmp_path / "all")
    assert sorted(everything) == [
        "train/a.png", "train/b.png", "train/c.png", "train/d.png", "train/town/e.png",
        "train/town/f.png", "val/g.png", "val/town/h.png",
    ]  # fmt: skip
    for name, picture in held_out.items():
        assert np.abs(everything[f"val/{name}"] - picture).max() <= 1
    assert np.abs(everything["train/a.png"] - everything["train/b.png"]).max() > 0

    code, out, err = called("lggan-export", f"--run_dir={run_dir}", "--savedmodels_dir=models")
    assert (code, err) == (0, [])
    assert out.splitlines()[-1] == f"exported {Path('models/small/1')}"
    exported = "--model=models/small"
    assert called("lggan-generate", exported, labels, "--output_dir=served")[0] == 0
    served = pictures(tmp_path / "served")
    assert served.keys() == everything.keys()
    for name, picture in served.items():
        assert np.abs(everything[name] - picture).max() <= 1


def wrong_id(data):
    labels = np.zeros(SIZE[::-1], "uint8")
    labels[3, 5] = 9
    Image.fromarray(labels).save(data / "labels" / "val" / "g.png")


def colours_for_ids(data):
    Image.new("RGB", SIZE).save(data / "labels" / "val" / "g.png")


def another_size(data):
    Image.new("RGB", (36, 24)).save(data / "images" / "val" / "g.jpg")


def cut_off(data):
    file = data / "images" / "val" / "g.jpg"
    file.write_bytes(file.read_bytes()[:200])


# What is spoilt -> words of the complaint, with the file's name and the value.
SPOILT = {
    wrong_id: ["labels/val/g.png holds label id 9 at pixel (x=5, y=3)", "ids 0 to 2"],
    colours_for_ids: ["labels/val/g.png is a picture of mode RGB"],
    another_size: ["images/val/g.jpg has 36 x 24", "labels/val/g.png has 36 x 32"],
    cut_off: ["images/val/g.jpg cannot be read as a picture"],
    lambda data: (data / "labels/train/b.png").unlink(): [
        "the photo ",
        "images/train/b.jpg has no label map",
    ],
    lambda data: (data / "images/train/b.jpg").unlink(): [
        "the label map ",
        "labels/train/b.png has no photo",
    ],
    lambda data: shutil.rmtree(data / "images" / "val"): ["the folder ", "images/val is missing"],
    lambda data: (data / "classes.json").unlink(): ["classes.json cannot be read"],
    lambda data: (data / "classes.json").write_text('{"classes": [}'): ["classes.json is not JSON"],
    shutil.rmtree: ["classes.json cannot be read (No such file or directory)"],
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_training_on_spoilt_data_is_refused_before_it_starts(spoil, data, complaint, tmp_path):
    spoil(data)
    said = complaint("lggan-train", *NETWORKS, f"--data_dir={data}", "--run_dir=run")
    for words in SPOILT[spoil]:
        assert words in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fliters=3"], ["Unknown command line flag 'fliters'", "Did you mean: filters"]),
        (["--gan_loss=wgan"], ["--gan_loss=wgan", "hinge"]),
        (["--epochs=many"], ["--epochs=many"]),
        (["--data_dir="], ["--dataset=folder needs --data_dir"]),
        (["--image_width=30"], ["--image_width=30 is not a positive multiple of 4"]),
        (["--lambda_perceptual=10"], ["needs --perceptual_weights", "vgg19"]),
        (
            ["--lambda_perceptual=10", "--perceptual_weights=missing.pth"],
            ["missing.pth", "No such file"],
        ),
        (["--global_batch_size=7"], ["there are 6 training samples", "--global_batch_size=7"]),
        (["--edges"], ["instances/train is missing"]),
        (["--seed=-1"], ["--seed=-1 must be between 0 and 4294967295"]),
        (["--run_dir="], ["--run_dir is missing"]),
        (["--recipe=mars"], ["no recipe called 'mars'"]),
        (["--discriminator_views=source"], ["--discriminator_views names source"]),
    ],
)
def test_settings_that_do_not_fit_are_refused(pristine, complaint, tmp_path, arguments, words):
    given = [*NETWORKS, f"--data_dir={pristine}", "--run_dir=run", *arguments]
    said = complaint("lggan-train", *given)
    for word in words:
        assert word in said
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_cannot_be_written(pristine, complaint, tmp_path):
    """Also for root, to whom a folder without write permission is open."""
    (tmp_path / "file").write_text("x")
    given = [*NETWORKS, f"--data_dir={pristine}", "--run_dir=file/run"]
    assert "cannot write file/run/" in complaint("lggan-train", *given)
    assert (tmp_path / "file").read_text() == "x"


def test_a_run_with_other_settings_is_left_alone(pristine, run_dir, complaint, tmp_path):
    copy = Path(shutil.copytree(run_dir, tmp_path / "small"))
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    given = [*NETWORKS, f"--data_dir={pristine}", f"--run_dir={copy}", "--epochs=1"]
    said = complaint("lggan-train", *given, "--decay_epochs=0", "--filters=8")
    assert f"{copy} holds a run with --filters=4, not 8" in said
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before


def test_a_run_does_not_go_on_with_other_samples(data, pristine, run_dir, complaint, tmp_path):
    copy = Path(shutil.copytree(run_dir, tmp_path / "small"))
    config = (copy / "config.json").read_text()
    (copy / "config.json").write_text(config.replace(str(pristine), str(data)))
    for kind in ("labels/train/a.png", "images/train/a.jpg"):
        (data / kind).unlink()
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    assert complaint("lggan-train", f"--run_dir={copy}") == (
        f"{copy} was trained on 6 samples, and there are 5 now, so order and learning rates would "
        "shift; bring the samples of then back, or start a new run from its weights with "
        f"--warm_start={copy}"
    )
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before


def test_a_dry_run_prints_the_settings_and_writes_nothing(pristine, called, tmp_path):
    given = [*NETWORKS, f"--data_dir={pristine}", "--run_dir=run", "--dry_run"]
    code, out, err = called("lggan-train", *given)
    assert (code, err) == (0, [])
    assert json.loads(out)["data"]["data_dir"] == str(pristine)
    assert list(tmp_path.iterdir()) == []


def test_generate_refuses(run_dir, data, complaint, tmp_path):
    def said(*arguments):
        sentence = complaint("lggan-generate", *arguments)
        assert not (tmp_path / "out").exists()
        return sentence

    model, output = f"--model={run_dir}", "--output_dir=out"
    labels = f"--labels_dir={data / 'labels' / 'val'}"
    assert said(output, labels) == "--model is missing"
    assert said(model, labels) == "--output_dir is missing"
    assert "give one of --labels_dir" in said(model, output)
    assert "give one of --labels_dir" in said(model, output, labels, "--split=val")
    assert "--batch_size=0" in said(model, output, labels, "--batch_size=0")
    assert f"{tmp_path} is neither a run folder" in said(f"--model={tmp_path}", output, labels)
    assert "nowhere is missing" in said(model, output, "--labels_dir=nowhere")
    wrong_id(data)
    assert "val/g.png holds label id 9 at pixel (x=5, y=3)" in said(model, output, labels)
    (data / "labels" / "val" / "g.png").write_bytes(b"nonsense")
    assert "val/g.png cannot be read as a picture" in said(model, output, labels)

    untrained = tmp_path / "untrained"
    untrained.mkdir()
    for name in ("config.json", "classes.json"):
        shutil.copy(run_dir / name, untrained)
    assert said(f"--model={untrained}", output, labels) == (
        f"{untrained} has no checkpoint yet; train it first"
    )
    (untrained / "config.json").write_text("{")
    assert f"{untrained / 'config.json'} is not a run's" in said(
        f"--model={untrained}", output, labels
    )


def test_generate_to_a_place_that_cannot_be_written(run_dir, data, complaint, tmp_path):
    (tmp_path / "file").write_text("x")
    labels = f"--labels_dir={data / 'labels' / 'val'}"
    said = complaint("lggan-generate", f"--model={run_dir}", labels, "--output_dir=file/out")
    assert "cannot write file/out/g.png" in said


def test_the_best_checkpoint_draws_on_request(run_dir, data, called, complaint, tmp_path):
    """One whose weights are all 0: whatever it is given, it draws grey."""
    copy = RunFolder(shutil.copytree(run_dir, tmp_path / "small"))
    labels = f"--labels_dir={data / 'labels' / 'val'}"
    given = [f"--model={copy.path}", labels]
    wish = "has no best checkpoint: it was trained without --best_metric; use --checkpoint=latest"
    assert wish in complaint("lggan-generate", *given, "--checkpoint=best", "--output_dir=best")
    assert wish in complaint("lggan-export", f"--run_dir={copy.path}", "--checkpoint=best")

    _, generator, _ = load_generator(copy)
    for variable in generator.variables:
        variable.assign(tf.zeros_like(variable))
    step = tf.Variable(2, dtype=tf.int64)
    assert Checkpoints(copy, GeneratorOnly(generator), step).save_best("psnr", 9.0, True)
    for which in ("best", "latest"):
        choice = [f"--checkpoint={which}", f"--output_dir={which}"]
        assert called("lggan-generate", *given, *choice)[0] == 0
    best, latest = pictures(tmp_path / "best"), pictures(tmp_path / "latest")
    assert best.keys() == latest.keys() and len(best) == 2
    for name, picture in best.items():
        assert picture.min() >= 127 and picture.max() <= 128
        assert latest[name].std() > 0


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(run_dir, called, tmp_path):
    copy = Path(shutil.copytree(run_dir, tmp_path / "small"))
    (copy / "checkpoints" / "ckpt-9.index").write_bytes(b"nothing")
    manifest = {"files": {"ckpt-9.index": "0" * 64}, "notes": {}}
    (copy / "checkpoints" / "ckpt-9.json").write_text(json.dumps(manifest))
    code, out, err = called("lggan-train", f"--run_dir={copy}")
    assert (code, err) == (0, [])
    assert out.splitlines()[:2] == [
        "damaged and left out: ckpt-9 (ckpt-9.index is not as it was written); ckpt-3 is used",
        f"continuing {copy} from step 3",
    ]


def test_photos_that_a_model_does_not_see_are_refused(run_dir, data, pristine, complaint, tmp_path):
    given = [f"--model={run_dir}", "--output_dir=out"]
    maps = f"--labels_dir={data / 'labels' / 'val'}"
    idle = f"--sources_dir={data / 'images' / 'val'}"
    said = complaint("lggan-generate", *given, maps, idle)
    assert f"{idle} has no effect with this model: leave it out" in said
    for name in ("sources_dir", "instances_dir"):
        idle = f"--{name}={data / 'images' / 'val'}"
        said = complaint("lggan-generate", *given, "--split=val", idle)
        assert f"{idle} has no effect with --split=val" in said
    among = f"--output_dir={pristine}/new"
    said = complaint("lggan-generate", *given[:1], "--split=val", among)
    assert f"{among} is inside of the data={pristine}, whose files are read" in said
    assert not (pristine / "new").exists()
    assert not (tmp_path / "out").exists()


def test_export_refuses(run_dir, complaint, tmp_path):
    assert "--run_dir is missing" in complaint("lggan-export")
    assert "missing holds no run" in complaint("lggan-export", "--run_dir=missing")
    (tmp_path / "file").write_text("x")
    given = [f"--run_dir={run_dir}", "--savedmodels_dir=file"]
    assert "cannot write file/small" in complaint("lggan-export", *given)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert not (run_dir / "savedmodels").exists()


def test_a_wrong_id_met_while_training_ends_it_without_a_traceback(data, tmp_path):
    """It comes out of the input pipeline's threads, in a process as the user starts it."""
    labels = np.full(SIZE[::-1], 7, "uint8")
    Image.fromarray(labels).save(data / "labels" / "train" / "town" / "e.png")
    given = [*NETWORKS, f"--data_dir={data}", "--run_dir=run", "--epochs=2"]
    code, _, err = finished("train", *given, cwd=tmp_path)
    assert (code, err.count("\n")) == (2, 1), err
    assert err.startswith("lggan-train: error: ")
    assert "labels/train/town/e.png holds label id 7 at pixel (x=0, y=0)" in err
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))


def test_bad_input_in_processes_of_their_own(data, tmp_path):
    (data / "labels" / "train" / "c.png").unlink()
    given = [*NETWORKS, f"--data_dir={data}", "--run_dir=run"]
    code, out, err = finished("train", *given, cwd=tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert "images/train/c.jpg has no label map" in err
    arguments = ("--model=nowhere", "--labels_dir=x", "--output_dir=y")
    code, out, err = finished("generate", *arguments, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert err == (
        "lggan-generate: error: nowhere is neither a run folder (config.json) nor a SavedModel "
        "(saved_model.pb)\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_same_command_goes_on(pristine, tmp_path, number):
    given = [*NETWORKS, f"--data_dir={pristine}", "--run_dir=run", "--log_every=1"]
    process = started("train", *given, "--epochs=5000", cwd=tmp_path)
    for line in process.stdout:
        if line.startswith("step 3/"):
            process.send_signal(number)
            break
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (128 + number, "lggan-train: stopped and saved\n")
    step = int(out.splitlines()[-1].removeprefix("stopped by a signal at step ").partition(";")[0])
    assert step >= 3
    assert (tmp_path / "run" / "checkpoints" / f"ckpt-{step}.index").is_file()
    assert (tmp_path / "run" / "samples" / f"step_{step:06d}.png").is_file()

    process = started("train", *given, "--epochs=5000", cwd=tmp_path)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(f"step {step + 2}/"):
            process.send_signal(number)
            break
    process.communicate(timeout=120)
    assert lines[0] == f"continuing run from step {step}\n"
    assert lines[2].startswith(f"step {step + 1}/")


@pytest.mark.slow
def test_a_run_goes_on_when_nobody_reads_what_it_says(pristine, tmp_path):
    given = [*NETWORKS, f"--data_dir={pristine}", "--run_dir=run", "--log_every=1"]
    process = started("train", *given, "--epochs=3", "--decay_epochs=0", cwd=tmp_path)
    assert process.stdout.readline().startswith("6 samples")
    process.stdout.close()  # as `| head -1` does
    with process.stderr:
        assert (process.wait(timeout=120), process.stderr.read()) == (0, "")
    assert (tmp_path / "run" / "checkpoints" / "ckpt-9.index").is_file()
