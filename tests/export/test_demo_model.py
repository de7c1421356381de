"""The trained model that the repository holds."""

from pathlib import Path

import numpy as np
import pytest

from lggan_tf.data.town_source import TownSource
from lggan_tf.export.drawing import open_drawing

MODEL = Path(__file__).parents[2] / "savedmodels" / "town_semantic"


@pytest.mark.skipif(not MODEL.is_dir(), reason="the demo model is in the repository alone")
def test_it_is_small_and_draws_the_town():
    """At the size that it was trained for and at another one."""
    assert sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file()) < 10e6
    drawing = open_drawing(MODEL)
    for side in (128, 64):
        sample = TownSource("semantic", "val", 0, side, side).load(0)
        drawn = drawing.draw({"labels": sample["labels"][None]})[0].numpy()
        assert drawn.shape == sample["image"].shape and drawn.dtype == np.uint8
        photo = sample["image"].astype("float64")
        own, upside_down = (
            np.corrcoef(drawn.ravel(), other.ravel())[0, 1] for other in (photo, photo[::-1])
        )
        assert own > 0.4 and upside_down < own - 0.3
