import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

import lggan_tf
from lggan_tf.bin import config_flags, recipes, runner
from lggan_tf.errors import UserError

BINARY = '''"""A binary of this test."""

from absl import flags

from lggan_tf.bin import config_flags, quiet, recipes, runner
from lggan_tf.errors import UserError


def define(flag_values):
    recipes.define(flag_values)
    config_flags.define(flag_values)
    flags.DEFINE_string("act", "", "What to do.", flag_values=flag_values)


def main(flag_values):
    config = config_flags.read(flag_values)
    if flag_values.act == "tensorflow":
        tensorflow = quiet.load_tensorflow()
        tensorflow.constant(1.0) + 1.0
        from absl import logging

        logging.warning("chatter")
        tensorflow.get_logger().warning("chatter")
    if flag_values.act == "fault":
        raise RuntimeError("a fault")
    print(config.to_json())


if __name__ == "__main__":
    runner.run(main, define)
'''


def define(flag_values):
    recipes.define(flag_values)
    config_flags.define(flag_values)
    flags.DEFINE_string(
        "run_dir", "", "Where the run goes.", flag_values=flag_values, module_name="train"
    )


def outcome(capsys, main, *arguments):
    """(exit code, stdout, stderr) of a run in this process."""
    with pytest.raises(SystemExit) as caught:
        runner.run(main, define, ["/some/bin/lggan-train", *arguments])
    return (caught.value.code, *capsys.readouterr())


def complaint(capsys, main, *arguments):
    """The one sentence of a run that ends with code 2."""
    code, out, err = outcome(capsys, main, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("lggan-train: error: ") and err.endswith("\n") and err.count("\n") == 1
    return err.removeprefix("lggan-train: error: ").rstrip("\n")


def raising(error):
    def main(flag_values):
        raise error

    return main


def never(flag_values):
    raise AssertionError("main must not run")


@pytest.fixture(name="binary")
def fixture_binary(tmp_path):
    """Runs the fake binary as its own process: arguments -> CompletedProcess."""
    file = tmp_path / "faker.py"
    file.write_text(BINARY)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_", "PYTHON"))}

    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, file, *arguments],
            env=clean | {"PYTHONPATH": str(Path(lggan_tf.__file__).parents[1])} | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_main_gets_the_parsed_flags_and_its_result_is_the_exit_code(capsys):
    seen = {}

    def main(flag_values):
        seen.update(
            flip=flag_values.flip, filters=flag_values.filters, stride=flag_values.latent_stride
        )
        return 7

    assert outcome(capsys, main, "--noflip", "--filters=8", "--recipe=town_semantic") == (7, "", "")
    assert seen == {"flip": False, "filters": 8, "stride": 16}
    assert outcome(capsys, lambda flag_values: None)[0] == 0


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("--fliters=8", "Unknown command line flag 'fliters'. Did you mean: filters ?"),
        ("--epochs=many", "--epochs=many: "),
        ("--flip=perhaps", "--flip=perhaps: "),
        ("--noflip=true", "--noflip=true does not take an argument"),
        ("--dataset=mars", "--dataset=mars: value should be one of <town_semantic|"),
        ("--filters", "Missing value for flag --filters"),
        ("--flagfile=nowhere.cfg", "Unable to open flagfile: "),
        ("--recipe=mars", "there is no recipe called 'mars'; there are ade20k, "),
        ("extra", "unexpected argument 'extra': "),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_code_2(capsys, argument, sentence):
    assert sentence in complaint(capsys, never, argument)


def test_a_users_mistake_is_one_sentence_even_if_it_was_two_lines(capsys):
    assert complaint(capsys, raising(UserError("the file\n  x is wrong"))) == "the file x is wrong"


def test_an_unwritable_place_is_named(capsys, tmp_path):
    file = tmp_path / "file"
    file.touch()
    below = file / "run"

    def main(flag_values):
        below.mkdir(parents=True)

    assert complaint(capsys, main) == f"{below}: not a directory; check the path"
    denied = PermissionError(errno.EACCES, "Permission denied", "/locked")
    assert complaint(capsys, raising(denied)) == (
        "/locked: permission denied; choose a place that you may write to"
    )


def test_a_full_disk_names_the_folders_in_use_where_the_error_names_none(capsys):
    full = OSError(errno.ENOSPC, "No space left on device")
    assert complaint(capsys, raising(full), "--run_dir=runs/a", "--data_dir=d") == (
        "--data_dir=d --run_dir=runs/a: no space left on device; "
        "free some space or choose another disk"
    )


def test_the_file_errors_of_tensorflow_are_named_too(capsys, tmp_path):
    import tensorflow as tf

    file = tmp_path / "a file"
    file.touch()
    assert complaint(capsys, lambda _: tf.io.gfile.makedirs(str(file / "run"))) == (
        f"{file}: not a directory; check the path"
    )
    assert complaint(capsys, lambda _: tf.io.read_file(str(file / "x"))) == (
        f"{file / 'x'}: not a directory; check the path"
    )
    missing = tmp_path / "not here"
    assert complaint(capsys, lambda _: tf.io.read_file(str(missing))) == (
        f"{missing}: no such file or directory; check the path"
    )
    full = tf.errors.ResourceExhaustedError(
        None, None, "{{node Save}} /d/x.data; No space left on device [Op:SaveV2]"
    )
    assert complaint(capsys, raising(full)).startswith(
        "/d/x.data: no space left on device; free some space"
    )


def test_other_errors_pass_through():
    import tensorflow as tf

    for error in (
        RuntimeError("a fault"),
        OSError(errno.EBADF, "Bad file descriptor"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor; out of memory"),
    ):
        with pytest.raises(type(error)) as caught:
            runner.run(raising(error), define, ["lggan-train"])
        assert caught.value is error


def test_an_interrupt_is_130_without_traceback(capsys):
    assert outcome(capsys, raising(KeyboardInterrupt())) == (130, "", "lggan-train: interrupted\n")


@pytest.mark.parametrize("flag", ["--help", "--helpfull", "-h"])
def test_help_shows_the_projects_flags_in_groups(capsys, flag):
    code, out, err = outcome(capsys, never, flag)
    assert (code, err) == (0, "")
    headings = re.findall(r"^(\w+):$", out, flags=re.MULTILINE)
    assert headings == ["recipe", "data", "model", "loss", "train", "help"]
    assert "--[no]flip: Mirror half of the training samples" in out
    assert "verbosity" not in out and "logtostderr" not in out


def test_the_fake_binary_prints_its_config(binary):
    done = binary("--recipe=town_semantic", "--filters=8")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["model"]["filters"] == 8


def test_an_unknown_flag_in_a_process_of_its_own(binary):
    done = binary("--nonsense=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lggan-faker: error: Unknown command line flag 'nonsense'\n"


def test_a_fault_keeps_its_traceback_and_is_code_1(binary):
    done = binary("--act=fault", "--lambda_perceptual=0")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback") and done.stderr.endswith("RuntimeError: a fault\n")


def test_help_has_the_binarys_words_and_its_own_flags(binary):
    done = binary("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: lggan-faker [")
    assert "A binary of this test." in done.stdout
    assert "\nlggan-faker:\n  --act: What to do.\n" in done.stdout


def test_tensorflow_starts_silently_unless_asked_to_speak(binary):
    silent = binary("--act=tensorflow", "--recipe=town_semantic", KERAS_BACKEND="torch")
    assert (silent.returncode, silent.stderr) == (0, "")
    loud = binary("--act=tensorflow", "--recipe=town_semantic", TF_CPP_MIN_LOG_LEVEL="0")
    assert loud.returncode == 0
    for line in ("cpu_feature_guard", "WARNING:absl:chatter", "WARNING:tensorflow:chatter"):
        assert line in loud.stderr
