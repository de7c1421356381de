"""The comparison with the baseline, on a small town and a generator that never trained."""

import importlib.util
import json
from pathlib import Path

import pytest
import tensorflow as tf

from lggan_tf.backbones.load import load_features
from lggan_tf.config import Config
from lggan_tf.data.classes import builtin_classes
from lggan_tf.runs.build import build_networks
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import GeneratorOnly

TOOL = Path(__file__).parents[2] / "tools" / "compare_with_baseline.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("compare_with_baseline", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def untrained_run(tmp_path_factory):
    config = Config.from_flat(
        {
            "image_height": 32,
            "image_width": 32,
            "filters": 4,
            "residual_blocks": 1,
            "spade_hidden": 4,
            "latent_stride": 16,
            "lambda_perceptual": 0.0,
            "town_places": 4,
        }
    ).check()
    folder, classes = RunFolder(tmp_path_factory.mktemp("run")), builtin_classes("town")
    folder.create(config, classes)
    _, generator, _ = build_networks(config, classes)
    Checkpoints(folder, GeneratorOnly(generator), tf.Variable(0, dtype=tf.int64)).save()
    return folder


def test_the_photo_is_perfect_and_the_untrained_generator_loses(tool, untrained_run):
    scores = tool.compare(str(untrained_run.path), 8, load_features("efficientnet_lite0"))
    assert scores["photo"]["mean_l1"] == 0.0
    assert scores["photo"]["feature_distance"] == pytest.approx(0.0, abs=1e-5)
    assert scores["photo"]["ssim"] == pytest.approx(1.0, abs=1e-3)
    assert "psnr" not in scores["photo"]
    assert 0.0 < scores["baseline"]["mean_l1"] < scores["fused"]["mean_l1"]
    assert scores["baseline"]["psnr"] > scores["fused"]["psnr"]
    # flat patches have less texture than a photo
    assert scores["baseline"]["gradient_magnitude"] < scores["photo"]["gradient_magnitude"]
    json.dumps(scores)
