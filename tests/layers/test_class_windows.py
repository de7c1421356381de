import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.class_windows import class_windows, foreign_share


def expected_parts(labels, num_classes, size):
    """(pixel, class) -> the parts (row of taps, cell, column) of that foreign class, tap by tap."""
    batch, height, width = labels.shape
    half = size // 2
    padded = np.pad(labels, ((0, 0), (half, half), (half, half)), "reflect")
    found = {}
    for n, y, x, i, j in np.ndindex(batch, height, width, size, size):
        owner = int(padded[n, y + i, x + j])
        if owner in (labels[n, y, x], num_classes):
            continue
        pixel, cell = (n * height + y) * width + x, (n * height + y) * padded.shape[2] + x + j
        found.setdefault((pixel, owner), set()).add((i, cell, j))
    return found


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("num_classes", [1, 2, 5])
def test_equals_tap_by_tap(rng, size, num_classes):
    labels = rng.integers(0, num_classes + 1, (2, 6, 5)).astype("int32")
    labels[1, :4] = labels[1, 0, 0]
    windows = class_windows(tf.constant(labels), num_classes, size)
    own, foreign = np.split(windows.classes, [labels.size])
    np.testing.assert_array_equal(own, labels.ravel())
    pairs = list(zip(np.array(windows.pixels).tolist(), foreign.tolist(), strict=True))
    expected = expected_parts(labels, num_classes, size)
    assert len(pairs) == len(expected) and set(pairs) == set(expected)
    ours = {pair: set() for pair in pairs}
    assert len(windows.foreign_parts) == len(windows.foreign_pairs) == size
    for i, (parts, numbers) in enumerate(
        zip(windows.foreign_parts, windows.foreign_pairs, strict=True)
    ):
        for part, number in zip(np.array(parts), np.array(numbers), strict=True):
            ours[pairs[number]].add((i, part // size, part % size))
    assert ours == expected
    assert sum(map(len, windows.foreign_parts)) == sum(map(len, expected.values()))


def test_many_classes_and_pixels():
    """Pixel times class is above 2^32 here; a 32 bit key would mix pairs up."""
    classes = 100_000
    labels = np.full((1, 256, 256), 7, "int32")
    labels[0, 200, 100], labels[0, 250, 250] = classes - 1, 3
    windows = class_windows(tf.constant(labels), classes, 3)
    foreign = np.array(windows.classes)[labels.size :]
    around = [
        (y * 256 + x, owner)
        for row, column, owner in ((200, 100, classes - 1), (250, 250, 3))
        for y in range(row - 1, row + 2)
        for x in range(column - 1, column + 2)
        if (y, x) != (row, column)
    ]
    inside = [(200 * 256 + 100, 7), (250 * 256 + 250, 7)]
    pairs = zip(np.array(windows.pixels).tolist(), foreign.tolist(), strict=True)
    assert sorted(pairs) == sorted(around + inside)


def test_share_of_foreign_taps(rng):
    def share(labels, num_classes, size=7):
        return float(foreign_share(tf.constant(labels, "int32"), num_classes, size))

    assert share(np.full((1, 9, 9), 2), 5) == share(np.full((1, 9, 9), 5), 5) == 0
    noise = rng.integers(0, 4, (2, 64, 64))
    assert share(noise, 4) == pytest.approx(3 / 4, abs=0.02)
    assert share(noise, 4, size=1) == 0
    # Of 4 labels one is void now: it sees 3 of 4 taps, the others 2 of 4.
    assert share(noise, 3) == pytest.approx(3 / 4 * 2 / 4 + 1 / 4 * 3 / 4, abs=0.02)
