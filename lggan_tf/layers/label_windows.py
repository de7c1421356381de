"""The distinct windows of a label map, and convolutions computed once for each of them.

What a convolution gives at a pixel is a function of the labels in its window, and real label maps
have few distinct ones: of the 5x5 windows of a city's 256x512 map about 7 % are distinct.
"""

from typing import NamedTuple

import tensorflow as tf

# Of an id: three share a key of 64 bits.
ID_BITS = 21
# A window of k ids in a row is three overlapping shorter ones, so far apart, time and again.
STEPS = {3: (1,), 7: (1, 2)}
# Rows that a running sum takes at most; see `lggan_tf.layers.segments`.
CHUNK = 1024
# Distinct windows per pixel, above which the plain convolution is as fast.
LARGEST_SHARE = 0.5


class LabelMap(NamedTuple):
    """A semantic map by the symbol of each pixel, a symbol being a label, with an edge or without.

    Attributes:
        symbols: `[B,H,W]` int32, 0 to S - 1.
        values: `[S,C]` float, the channels of the semantic map for each symbol.
    """

    symbols: tf.Tensor
    values: tf.Tensor


class LabelWindows(NamedTuple):
    """The k x k windows of N pixels: a window is k columns side by side, a column k ids.

    Attributes:
        places: `[N]` int32, the distinct window of each pixel, 0 to U - 1.
        windows: `[U,k]` int32, the distinct columns of each window from left to right.
        columns: `[V,k]` int32, the ids of each distinct column from top to bottom.
        parts: `[N]` int32, the part of each pixel, a part being up to 1024 pixels of one window.
        part_windows: `[P]` int32, the window of each part.
        are_few: bool, whether it pays to compute for each window instead of for each pixel.
    """

    places: tf.Tensor
    windows: tf.Tensor
    columns: tf.Tensor
    parts: tf.Tensor
    part_windows: tf.Tensor
    are_few: tf.Tensor


def label_windows(ids: tf.Tensor, kernel_size: int) -> LabelWindows:
    """The distinct windows of padded ids.

    Args:
        ids: `[B,H+k-1,W+k-1]` int32, not negative. Where there are more than 2^21, of pixels or
            of columns (that is, in a huge map of noise), the windows are wrong and not `are_few`.
        kernel_size: k, 3 or 7.

    Returns:
        The windows of N = B H W pixels in the order of the pixels.
    """
    numbers, columns, fit_above = _runs(tf.cast(ids, "int64"), 1, kernel_size)
    numbers, windows, fit_beside = _runs(numbers, 2, kernel_size)
    places = tf.reshape(numbers, [-1])
    size = tf.size(places, tf.int64)
    chunks = size // CHUNK + 1
    keys, parts = tf.unique(places * chunks + tf.range(size) // CHUNK)
    most = tf.cast(LARGEST_SHARE * tf.cast(size, "float32"), "int32")
    return LabelWindows(
        places=tf.cast(places, "int32"),
        windows=tf.cast(windows, "int32"),
        columns=tf.cast(columns, "int32"),
        parts=parts,
        part_windows=tf.cast(keys // chunks, "int32"),
        are_few=(tf.shape(windows)[0] <= most) & fit_above & fit_beside,
    )


def convolve_ids(windows: LabelWindows, table: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The convolution's value in each distinct window, by products of every id.

    Best where there are fewer ids than columns.

    Args:
        windows: of the ids.
        table: `[I,D]`, what stands for each id.
        kernel: `[k,k,D,E]`.

    Returns:
        `[U,E]`, in float32 or wider.
    """
    size, _, depth, filters = kernel.shape
    by_row = tf.reshape(tf.transpose(kernel, [2, 0, 1, 3]), [depth, size * size * filters])
    products = tf.reshape(_wide(tf.matmul(table, by_row)), [-1, size * filters])
    columns = tf.add_n([take(products, windows.columns[:, i] * size + i) for i in range(size)])
    return _beside(windows, columns, filters)


def convolve_columns(windows: LabelWindows, table: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """As `convolve_ids`, by products of every column; best where there are about as many ids."""
    size, _, depth, filters = kernel.shape
    of_columns = tf.reshape(tf.transpose(kernel, [0, 2, 1, 3]), [size * depth, size * filters])
    rows = tf.reshape(take(table, tf.reshape(windows.columns, [-1])), [-1, size * depth])
    return _beside(windows, _wide(tf.matmul(rows, of_columns)), filters)


def spread(windows: LabelWindows, table: tf.Tensor) -> tf.Tensor:
    """A value for each distinct window `[U,E]` -> the values of the pixels `[N,E]`."""

    @tf.custom_gradient
    def gather(table):
        def gradient(upstream):
            # In two stages, as a window may be that of nearly all pixels.
            parts = _sums(_wide(upstream), windows.parts, tf.size(windows.part_windows))
            sums = _sums(parts, windows.part_windows, tf.shape(table)[0])
            return tf.cast(sums, table.dtype)

        return tf.gather(table, windows.places), gradient

    return gather(table)


def take(table: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """`tf.gather(table, places)`, whose gradient is dense."""

    @tf.custom_gradient
    def gather(table):
        def gradient(upstream):
            return tf.cast(_sums(_wide(upstream), places, tf.shape(table)[0]), table.dtype)

        return tf.gather(table, places), gradient

    return gather(table)


def _runs(ids, axis, size):
    """Numbers the runs of `size` ids along an axis.

    Returns:
        Numbers `[B,.,.]`, the members of each `[.,k]`, and whether all ids fitted into keys.
    """
    members, fit = None, True
    for step in STEPS[size]:
        fit &= tf.reduce_max(ids) < 2**ID_BITS
        ids, triples = _triples(ids, axis, step)
        if members is None:
            members = triples
        else:  # the middle one adds but its own middle
            # Clipped for keys that overflowed; what they give is not used.
            known = tf.clip_by_value(triples, 0, tf.shape(members, tf.int64)[0] - 1)
            first, middle, last = (tf.gather(members, known[:, i]) for i in range(3))
            members = tf.concat([first, middle[:, 1:2], last], axis=1)
    return ids, members, fit


def _triples(ids, axis, step):
    """Numbers of (ids[i - step], ids[i], ids[i + step]) and the three ids of each number."""
    length = tf.shape(ids)[axis] - 2 * step
    first, middle, last = (
        ids[:, i * step : i * step + length]
        if axis == 1
        else ids[:, :, i * step : i * step + length]
        for i in range(3)
    )
    keys = (first * 2**ID_BITS + middle) * 2**ID_BITS + last
    distinct, numbers = tf.unique(tf.reshape(keys, [-1]), out_idx=tf.int64)
    parts = [distinct // 4**ID_BITS, distinct // 2**ID_BITS % 2**ID_BITS, distinct % 2**ID_BITS]
    return tf.reshape(numbers, tf.shape(keys)), tf.stack(parts, axis=1)


def _beside(windows, columns, filters):
    """Columns' shares of the windows that have them at the left, .., `[V,k E]` -> `[U,E]`."""
    size = windows.windows.shape[1]
    columns = tf.reshape(columns, [-1, filters])
    return tf.add_n([take(columns, windows.windows[:, j] * size + j) for j in range(size)])


_sums = tf.math.unsorted_segment_sum


def _wide(values):
    """What sums are made in: half precision would lose a pixel against the sum of the others."""
    return values if values.dtype == tf.float64 else tf.cast(values, "float32")
