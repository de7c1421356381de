"""What a run tells at its start and about some of its steps, without a model."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from lggan_tf.config import Config
from lggan_tf.data.class_balance import balance_classes
from lggan_tf.errors import UserError
from lggan_tf.training.callbacks.profile import Profile
from lggan_tf.training.callbacks.settings import Settings


def test_settings_in_the_hparams_tab_and_the_balance_in_words(tmp_path, classes):
    config = Config.from_flat({"seed": 7, "gan_loss": "hinge", "flip": False, "class_balance": 1.0})
    counts = np.array([[4, 0, 0, 0, 1], [2, 0, 0, 2, 3]])
    writer, lines = tf.summary.create_file_writer(str(tmp_path)), []
    balance = balance_classes(counts, 1.0)
    Settings(config, "mine", classes, balance, writer, lines.append).on_train_begin()
    writer.flush()
    assert lines[:2] == [
        "class balance 1: shares of pixels, the rarest classes first",
        "  class   before    after  samples  weight",
    ]
    assert [line.split()[0] for line in lines[2:]] == ["road", "never", "tree", "sky"]
    events = EventAccumulator(str(tmp_path)).Reload()
    (text,) = events.Tensors("class_balance")
    assert tf.make_ndarray(text.tensor_proto)[()].decode().startswith("| class | before | after |")
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    info = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert info.hparams["seed"].number_value == 7
    assert info.hparams["gan_loss"].string_value == "hinge"
    assert info.hparams["flip"].bool_value is False
    assert set(info.hparams) == set(config.to_flat())


@pytest.fixture
def recorded(monkeypatch):
    """Calls of the profiler."""
    calls = []
    monkeypatch.setattr(tf.profiler.experimental, "start", lambda logs: calls.append(logs))
    monkeypatch.setattr(tf.profiler.experimental, "stop", lambda: calls.append("stop"))
    return calls


@pytest.mark.parametrize(
    ("steps", "of_call", "calls_of", "said"),
    [
        # (first step of a call, its last), counted from 0; epochs of 10 steps.
        ((3, 4), 1, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)], "3 to 4"),
        ((3, 5), 4, [(2, 5), (6, 9)], "3 to 6"),
        # A call that begins before them and ends behind them, and two that hold one end each.
        ((3, 4), 8, [(0, 7), (8, 9), (10, 17)], "1 to 8"),
        ((4, 6), 4, [(0, 3), (4, 7), (8, 9), (10, 13)], "1 to 8"),
        # An epoch's last call is shorter: the step is in the next one.
        ((11, 11), 4, [(4, 7), (8, 9), (10, 13)], "11 to 14"),
        # A run that goes on in their midst, and one that ends there.
        ((3, 9), 1, [(5, 5), (6, 6)], "6 to 7"),
        ((3, 4), 1, [(0, 0), (1, 1)], None),
        ((3, 4), 1, [(7, 7), (8, 8)], None),
        ((3, 4), 1, [], None),
        (None, 1, [(0, 0), (1, 1)], None),
    ],
)
def test_which_steps_are_recorded(tmp_path, recorded, steps, of_call, calls_of, said):
    lines = []
    profile = Profile(steps, tmp_path, lines.append, of_call, 10)
    for begin, end in calls_of:
        profile.on_train_batch_begin(begin)
        profile.on_train_batch_end(end)
    profile.on_train_end()
    assert recorded == ([str(tmp_path), "stop"] if said else [])
    expected = [f"profile of the steps {said}"] if said else []
    if steps and not said:
        expected = [f"no profile: this start did none of the steps {steps[0]} to {steps[1]}"]
    assert [line.split(" in ")[0] for line in lines] == expected


@pytest.mark.parametrize("text", ["5", "5,4", "0,3", "a,b", "1,2,3", "-1,5", ","])
def test_steps_that_are_none(text):
    with pytest.raises(UserError, match=f"--profile_steps={text} is not a first and a last step"):
        Config.from_flat({"profile_steps": text, "lambda_perceptual": 0.0}).check()


def test_steps_of_a_profile():
    assert Config.from_flat({"profile_steps": "10, 20"}).profiled_steps == (10, 20)
    assert Config().profiled_steps is None
