"""A version has answered once before a client asks it."""

import logging

import pytest

from lggan_tf.serving.loaded_model import LoadedModel
from lggan_tf.serving.warm_up import load_warm, warm_up


@pytest.fixture
def events(caplog):
    caplog.set_level(logging.INFO, "lggan_tf.serving.warm_up")
    return lambda: [(r.getMessage(), r.signature) for r in caplog.records]


@pytest.mark.parametrize("name", ["painter/3", "mixer/1"])
def test_what_draws_has_drawn(models_dir, events, name):
    load_warm(models_dir / name)
    assert events() == [("warmed up", "png"), ("warmed up", "serving_default")]


def test_other_models_are_left_alone(models_dir, events):
    load_warm(models_dir / "arithmetic" / "7")
    assert events() == []


def test_a_model_that_refuses_is_noted_and_loaded(models_dir, events, caplog):
    model = LoadedModel(models_dir / "painter" / "3")
    for signature in model.signatures.values():
        call = signature._function

        def refused(call=call, **inputs):
            # Sides of 127 pixels: no multiple of four.
            return call(**{name: value[:, 1:, :] for name, value in inputs.items()})

        if signature.name == "serving_default":
            signature._function = refused
    warm_up(model)
    assert events() == [("warmed up", "png"), ("not warmed up", "serving_default")]
    assert "must be multiples of 4" in caplog.records[-1].reason
