import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.metrics.feature_distance import feature_distance
from lggan_tf.metrics.gradient_magnitude import gradient_magnitude
from lggan_tf.metrics.mean_l1 import mean_l1
from lggan_tf.metrics.psnr import psnr
from lggan_tf.metrics.ssim import ssim


def grey(*levels, size=16):
    return np.stack([np.full((size, size, 3), level, np.float32) for level in levels])


@pytest.fixture
def noise():
    return np.random.default_rng(0).uniform(-1, 1, (2, 24, 20, 3)).astype(np.float32)


def test_mean_l1():
    np.testing.assert_allclose(mean_l1(grey(1, 0, 0.5), grey(-1, 0, 0.25)), [2, 0, 0.25])


def test_psnr_by_head():
    """A difference of 0.2 is a tenth of the peak: 20 dB; black against white is 0 dB."""
    values = psnr(grey(0.1, -1, 0.3), grey(-0.1, 1, 0.3)).numpy()
    np.testing.assert_allclose(values[:2], [20, 0], atol=1e-4)
    assert values[2] == np.inf


def test_psnr_is_that_of_the_bytes(noise):
    """The same number as 10 log10(255^2 / MSE) of images in 0..255."""
    a, b = (noise + 1) * 127.5, (noise[::-1] + 1) * 127.5
    expected = 10 * np.log10(255**2 / np.mean((a - b).astype(np.float64) ** 2, axis=(1, 2, 3)))
    np.testing.assert_allclose(psnr(noise, noise[::-1]), expected, rtol=1e-5)


def slow_ssim(a, b):
    """Wang et al. equation 13 on [0, 1], window by window, for one image."""
    a, b = (a.astype(np.float64) + 1) / 2, (b.astype(np.float64) + 1) / 2
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window = (window / window.sum())[..., None]
    values = []
    for i in range(a.shape[0] - 10):
        for j in range(a.shape[1] - 10):
            x, y = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            mean_x, mean_y = (window * x).sum((0, 1)), (window * y).sum((0, 1))
            var_x = (window * (x - mean_x) ** 2).sum((0, 1))
            var_y = (window * (y - mean_y) ** 2).sum((0, 1))
            covariance = (window * (x - mean_x) * (y - mean_y)).sum((0, 1))
            luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
            values.append(luminance * (2 * covariance + 9e-4) / (var_x + var_y + 9e-4))
    return np.mean(values)


def test_ssim_equals_its_definition(noise):
    other = np.clip(0.5 * noise + 0.3, -1, 1)
    expected = [slow_ssim(a, b) for a, b in zip(noise, other, strict=True)]
    np.testing.assert_allclose(ssim(noise, other), expected, atol=1e-4)
    np.testing.assert_allclose(ssim(noise, noise), [1, 1], atol=1e-6)


def test_ssim_counts_from_black():
    """Grey 0.5 against white 1 in [0, 1]: (2 * 0.5 + c1) / (1.25 + c1), nearly 0.8."""
    np.testing.assert_allclose(ssim(grey(0), grey(1)), [1.0001 / 1.2501], atol=1e-3)


def test_gradient_magnitude_by_head():
    """A ramp of 3 per 16 pixels across and 4 down has the gradient 5/16 everywhere."""
    row, column = np.mgrid[:8, :8].astype(np.float32)
    ramp = np.repeat(((3 * column + 4 * row) / 16)[..., None], 3, -1)
    images = np.stack([ramp, np.zeros_like(ramp)])
    np.testing.assert_allclose(gradient_magnitude(images), [5 / 16, 0], atol=1e-6)


def test_gradient_magnitude_takes_luma():
    """A step of 1 in green alone is a step of 0.587; one of three differences sees it."""
    image = np.zeros((1, 2, 4, 3), np.float32)
    image[:, :, 2:, 1] = 1
    np.testing.assert_allclose(gradient_magnitude(image), [0.587 / 3], rtol=1e-5)


def test_gradient_magnitude_falls_with_blur(noise):
    blurred = tf.nn.avg_pool2d(noise, 3, 1, "SAME")
    assert np.all(gradient_magnitude(blurred).numpy() < 0.5 * gradient_magnitude(noise).numpy())


def test_feature_distance_by_head():
    """Equal directions 0, right angles 2, opposite 4, at any length; layers are averaged."""
    x, y = [1.0, 0.0], [0.0, 1.0]
    a = tf.constant([x, x, x])[:, None, None]
    b = tf.constant([[7.0, 0.0], y, [-3.0, 0.0]])[:, None, None]
    np.testing.assert_allclose(feature_distance([a], [b]), [0, 2, 4], atol=1e-6)
    np.testing.assert_allclose(feature_distance([a, a], [b, a]), [0, 1, 2], atol=1e-6)


def test_feature_distance_averages_positions_and_bears_zeros():
    a = tf.constant([[[[3.0, 4.0], [0.0, 0.0]]]])
    b = tf.constant([[[[4.0, -3.0], [0.0, 0.0]]]])
    np.testing.assert_allclose(feature_distance([a], [b]), [1.0], atol=1e-6)


def test_feature_distance_unequal_lists():
    with pytest.raises(ValueError):
        feature_distance([tf.zeros([1, 1, 1, 1])], [])


@pytest.mark.parametrize("metric", [mean_l1, psnr, ssim])
def test_in_a_graph_and_with_bfloat16(metric, noise):
    other = noise[::-1].copy()
    graph = tf.function(metric)(tf.constant(noise), tf.constant(other))
    np.testing.assert_allclose(graph, metric(noise, other), rtol=1e-5)
    assert graph.shape == (2,) and graph.dtype == tf.float32
    half = metric(tf.cast(noise, tf.bfloat16), tf.cast(other, tf.bfloat16))
    assert half.dtype == tf.float32
    np.testing.assert_allclose(half, graph, rtol=0.05, atol=0.01)
