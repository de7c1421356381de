"""The pipeline's front end on real files: CamVid and the authors' cross-view samples."""

import numpy as np
import pytest

from lggan_tf.data.panel_source import PanelSource
from lggan_tf.data.sources import open_source


@pytest.mark.parametrize(("split", "count"), [("train", 367), ("val", 101)])
def test_camvid(shared_dir, split, count):
    source = open_source("folder", shared_dir / "data/camvid", split, height=0, width=0)
    assert len(source) == count
    assert source.classes.num_labels == 12
    assert source.classes.void_ids == (11,)
    sample = source.load(count // 2)
    assert sample["image"].shape == (192, 256, 3)
    assert sample["labels"].shape == (192, 256)


def test_camvid_class_shares(shared_dir):
    source = open_source("folder", shared_dir / "data/camvid", "val", height=0, width=0)
    counts = np.zeros(12)
    for index in range(len(source)):
        counts += np.bincount(source.load(index)["labels"].ravel(), minlength=12)
    shares = 100 * counts / counts.sum()
    expected = [
        9.172,
        25.970,
        0.564,
        28.952,
        8.720,
        16.332,
        0.890,
        3.077,
        1.744,
        0.651,
        2.218,
        1.710,
    ]
    np.testing.assert_allclose(shares, expected, atol=5e-4)


@pytest.mark.parametrize(
    ("folder", "direction", "expected"),
    [
        ("dayton", "g2a", [3.12, 20.49, 9.47, 43.20, 0, 23.72, 0]),
        ("dayton", "a2g", [1.05, 51.09, 0.59, 6.10, 22.65, 18.52, 0]),
        ("sva", "g2a", [11.50, 5.68, 2.81, 70.77, 0, 9.24, 0]),
        ("sva", "a2g", [4.96, 42.44, 4.74, 45.00, 0, 2.87, 0]),
    ],
)
def test_group_shares_of_the_label_panels(shared_dir, folder, direction, expected):
    counts, data_dir = np.zeros(7), shared_dir / "data/cross_view_samples" / folder
    for split in ("train", "val"):
        source = PanelSource(data_dir, split, direction)
        for index in range(len(source)):
            counts += np.bincount(source.load(index)["labels"].ravel(), minlength=7)
    np.testing.assert_allclose(100 * counts / counts.sum(), expected, atol=0.006)


def test_jpeg_label_panels_agree_with_the_colour_panels(shared_dir):
    """README of the samples: rounding agrees with the nearest colour in 98.0 % of street pixels."""
    groups = [
        [(0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32)],
        [(128, 64, 128), (244, 35, 232), (152, 251, 152)],
        [(153, 153, 153), (250, 170, 30), (220, 220, 0), (220, 20, 60), (255, 0, 0)],
        [(70, 70, 70), (102, 102, 156), (190, 153, 153)],
        [(70, 130, 180)],
        [(107, 142, 35)],
    ]
    colours = np.array([colour for group in groups for colour in group], np.int32)
    owner = np.repeat(np.arange(6), [len(group) for group in groups])
    source = PanelSource(shared_dir / "data/cross_view_samples/cvusa", "train", "a2g")
    agree = []
    for index in range(3):
        sample = source.load(index)
        flat = sample["colours"].reshape(-1, 1, 3).astype(np.int32)
        nearest = owner[((flat - colours) ** 2).sum(-1).argmin(-1)]
        agree.append((nearest == sample["labels"].ravel()).mean())
    assert np.mean(agree) > 0.96
