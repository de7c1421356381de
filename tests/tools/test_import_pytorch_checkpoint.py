"""From weight files to pictures, a SavedModel and further training: the tool and the binaries."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lggan_tf.bin import export, generate, runner, train
from lggan_tf.config import Config
from lggan_tf.data.classes import builtin_classes
from lggan_tf.runs import pytorch_names
from lggan_tf.runs.build import build_networks
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import load_generator

pytestmark = pytest.mark.slow

TOOL = Path(__file__).parents[2] / "tools" / "import_pytorch_checkpoint.py"
# What no key tells: size and data set. The town's twelve classes are twelve class heads.
NOT_TOLD = {
    "dataset": "town_cross_view",
    "image_height": 32,
    "image_width": 32,
    "discriminator_views": "semantic,source",
    "lambda_perceptual": 0.0,
    "lambda_feature_matching": 0.0,
    "gan_loss": "cross_entropy",
    "town_places": 4,
    "global_batch_size": 2,
    "epochs": 1,
    "decay_epochs": 0,
    "log_every": 1,
    # The recipe's crop, which is of 256 pixels.
    "load_height": 0,
    "load_width": 0,
    "flip": False,
}
TOLD = {
    "filters": 4,
    "residual_blocks": 1,
    "residual_blocks_in": "encoder",
    "global_generator": "resnet",
    "merge": "sum",
    "discriminator": "patch",
    "discriminator_filters": 4,
    "discriminator_layers": 3,
    "lambda_class": 0.0,
}


def as_flags(settings):
    return [f"--{name}={value}" for name, value in settings.items()]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("import_pytorch_checkpoint", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """net_G and net_D1 as the authors name their tensors, with what older files hold beside."""
    config = Config.from_flat(NOT_TOLD | TOLD).check()
    _, generator, discriminators = build_networks(config, builtin_classes("town"))
    judge = discriminators["source"]
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("weights")
    for variable in (*generator.variables, *judge.variables):
        variable.assign(rng.normal(0, 0.2, variable.shape))
    states = {
        "net_G": pytorch_names.state_of(pytorch_names.generator_slots(generator)),
        "net_D1": pytorch_names.state_of(pytorch_names.patch_discriminator_slots(judge))
        | {"model.3.running_mean": np.zeros(8), "model.3.running_var": np.ones(8)},
    }
    for name, state in states.items():
        np.savez(root / name, **{f"module.{key}": value for key, value in state.items()})
    return root, states


@pytest.fixture
def called(tool, capsys, monkeypatch, tmp_path):
    """Runs the tool or a binary in this process: arguments -> (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    for variable in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL"):  # set by the binaries
        monkeypatch.setenv(variable, os.environ.get(variable, ""))

    def call(program, *arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            runner.run(program.main, program.define, ["program", *map(str, arguments)])
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return call


def test_import_then_generate_export_and_train(tool, files, called, tmp_path):
    root, states = files
    weights = [f"--weights={root}/net_G.npz", f"--d1={root}/net_D1.npz"]
    code, out, err = called(tool, *weights, "--run_dir=run", *as_flags(NOT_TOLD))
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert f"{root}/net_G.npz: cross-view generator, becomes generator" in lines
    assert f"{root}/net_D1.npz: cross-view discriminator, becomes discriminator_source" in lines
    assert f"conv1 {4 * 15 * 49 + 4:,}" in lines
    assert f"deconv5_* {12 * (4 * 3 * 49 + 3):,}" in lines
    total = sum(value.size for value in states["net_G"].values())
    assert f"in all {total:,}" in lines
    (ignored,) = (line for line in lines if line.startswith("ignored"))
    assert ignored.endswith(": model.3.running_mean, model.3.running_var")
    assert "no discriminator for the view semantic: training would start a new one" in lines
    assert lines[-1] == "imported into run; its settings are in run/config.json"

    # The recipe's settings, those that the files tell, the authors' ways, and what was given.
    config = json.loads(Path("run/config.json").read_text())
    assert config["train"]["beta_1"] == 0.5
    assert config["model"]["filters"] == 4
    assert config["data"]["wrap_pixels"] and config["train"]["early_decay"]
    assert not config["data"]["bicubic_labels"]  # the town has no grey panels

    code, out, err = called(generate, "--model=run", "--split=val", "--output_dir=drawn")
    assert (code, err) == (0, "")
    pictures = sorted(Path("drawn").iterdir())
    assert len(pictures) > 0
    assert np.asarray(Image.open(pictures[0])).shape == (32, 32, 3)
    code, out, err = called(export, "--run_dir=run")
    assert (code, err) == (0, "") and Path("run/savedmodels/run/1/saved_model.pb").is_file()

    # As a start for training: at rate 0 the imported weights stay what they are.
    rates = ["--generator_learning_rate=0", "--discriminator_learning_rate=0"]
    code, out, err = called(train, "--run_dir=run", *rates)
    assert (code, err) == (0, "")
    said = out.splitlines()
    assert said[0] == (
        "starting from the weights in run; new are discriminator_semantic, generator_optimizer, "
        "discriminator_optimizer"
    )
    assert said[-1].startswith("done: 2 of 2 steps")
    _, generator, step = load_generator(RunFolder("run"))
    assert step == 2
    for slot in pytorch_names.generator_slots(generator):
        np.testing.assert_array_equal(slot.read(), states["net_G"][slot.key])
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint("run/checkpoints"))
    kernel = reader.get_tensor("discriminator_source/v0000/.ATTRIBUTES/VARIABLE_VALUE")
    np.testing.assert_array_equal(kernel, states["net_D1"]["model.0.weight"].transpose(2, 3, 1, 0))

    # From now on it is a run like any other, with the settings that it was trained with.
    assert json.loads(Path("run/config.json").read_text())["train"]["generator_learning_rate"] == 0
    code, out, err = called(train, "--run_dir=run")
    assert code == 0 and out.splitlines()[0] == "continuing run from step 2"
    code, out, err = called(train, "--run_dir=run", "--generator_learning_rate=1")
    assert code == 2 and "holds a run with --generator_learning_rate=0.0, not 1.0" in err


def test_other_networks_than_the_files_cannot_be_trained(tool, files, called):
    root, _ = files
    given = [f"--weights={root}/net_G.npz", "--run_dir=run", *as_flags(NOT_TOLD)]
    assert called(tool, *given)[0] == 0
    code, _, err = called(train, "--run_dir=run", "--merge=conv")
    assert code == 2 and "run holds a run with --merge=sum, not conv" in err
    # A classification head, too, is part of the networks.
    code, _, err = called(train, "--run_dir=run", "--lambda_class=1")
    assert code == 2 and "ckpt-0 does not fit this run" in err
    assert json.loads(Path("run/config.json").read_text())["loss"]["lambda_class"] == 0


def test_refusals_are_one_sentence_and_leave_nothing(tool, files, called, tmp_path):
    root, _ = files
    g, d1 = f"--weights={root}/net_G.npz", f"--d1={root}/net_D1.npz"
    for arguments, words in (
        ([], "--weights is missing"),
        ([g], "--run_dir is missing"),
        ([g, "--run_dir=run", "--recipe=mars"], "no recipe called 'mars'"),
        ([f"--weights={root}/net_D1.npz", "--run_dir=run"], "give it as --d1"),
        ([g, d1, "--run_dir=run", "--filters=8"], "--filters=8 does not fit"),
        ([g, d1, "--run_dir=run"], "has the shape (4, 15, 7, 7)"),
    ):
        code, _, err = called(tool, *arguments)
        assert code == 2 and words in err
        assert len(err.splitlines()) == 1
        assert not list(tmp_path.iterdir())
