"""Decodes batches of encoded pictures inside a graph, and refuses in words what it cannot read.

TensorFlow scales grey values of fewer than 8 bits and drops half of those of 16; so the header of
a PNG (its first 26 bytes) is read first, and decides.
"""

import tensorflow as tf

HEADER = 26  # signature 8, length 4, "IHDR" 4, width 4, height 4, bit depth, colour type
JPEG = b"\xff\xd8\xff"
START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def common_size(contents: tf.Tensor) -> tf.Tensor:
    """PNG files `[B]` string -> the height and width that they share, `[2]` int32.

    Raises:
        tf.errors.InvalidArgumentError: (here and below, when the graph runs) no picture, no PNG,
            or different sizes.
    """
    some = tf.debugging.Assert(tf.size(contents) > 0, ["labels_bytes holds no picture"])
    with tf.control_dependencies([some, _is_png(contents, "labels_bytes")]):
        header = _header(contents)
    width, height = _number(header[:, 16:20]), _number(header[:, 20:24])
    sizes = tf.stack([height, width], axis=1)
    same = tf.debugging.Assert(
        tf.reduce_all(sizes == sizes[:1]),
        ["labels_bytes must be of one size, and heights and widths are", sizes],
        summarize=16,
    )
    with tf.control_dependencies([same]):
        return sizes[0]


def decode_ids(contents: tf.Tensor, name: str, size: tf.Tensor) -> tf.Tensor:
    """Grey PNG files of 1, 8 or 16 bits `[B]` string -> their values `[B,H,W]` int32.

    Args:
        contents: the files.
        name: of the input, for the words.
        size: height and width that they must have.
    """
    with tf.control_dependencies([_is_png(contents, name)]):
        header = tf.cast(_header(contents), "int32")
    depth, kind = header[:, 24], header[:, 25]
    grey = tf.debugging.Assert(
        tf.reduce_all((kind == 0) & ((depth == 1) | (depth >= 8))),
        [
            f"{name} must be grey PNG of 1, 8 or 16 bits, one channel of ids; colour types (0 "
            "grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA) and bits are",
            kind,
            depth,
        ],
        summarize=16,
    )

    def decode(file):
        content, bits = file
        values = tf.cast(tf.io.decode_png(content, channels=1, dtype=tf.uint16)[..., 0], "int32")
        # 8 bits come as 257 times their value, 1 bit as 65535 times.
        factor = tf.where(bits == 8, 257, tf.where(bits == 1, 65535, 1))
        return _of_size(values // factor, name, size)

    with tf.control_dependencies([grey]):
        spec = tf.TensorSpec([None, None], tf.int32)
        return tf.map_fn(decode, (contents, depth), fn_output_signature=spec)


def decode_photos(contents: tf.Tensor, name: str, size: tf.Tensor) -> tf.Tensor:
    """PNG, JPEG, BMP or GIF files `[B]` string -> RGB pictures `[B,H,W,3]` uint8."""

    def decode(content):
        # Pillow, which training reads with, decodes JPEG by the exact transform.
        picture = tf.cond(
            tf.strings.substr(content, 0, len(JPEG)) == JPEG,
            lambda: tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE"),
            lambda: tf.io.decode_image(content, channels=3, expand_animations=False),
        )
        return _of_size(picture, name, size)

    spec = tf.TensorSpec([None, None, 3], tf.uint8)
    return tf.map_fn(decode, contents, fn_output_signature=spec)


def _of_size(picture, name, size):
    found = tf.shape(picture)[:2]
    fits = tf.debugging.Assert(
        tf.reduce_all(found == size),
        [f"{name} must have the height and width of labels_bytes, and they are", found, size],
    )
    with tf.control_dependencies([fits]):
        return tf.identity(picture)


def _is_png(contents, name):
    starts = tf.strings.substr(contents, 0, len(START)) == START
    return tf.debugging.Assert(
        tf.reduce_all(starts & (tf.strings.length(contents) > HEADER)),
        [f"{name} must be PNG files; whether each one is:", starts],
        summarize=16,
    )


def _header(contents):
    """`[B,26]` uint8."""
    return tf.io.decode_raw(tf.strings.substr(contents, 0, HEADER), tf.uint8, fixed_length=HEADER)


def _number(digits):
    """`[B,4]` uint8, the most significant first -> `[B]` int32."""
    weights = tf.constant([2**24, 2**16, 2**8, 1], "int32")
    return tf.reduce_sum(tf.cast(digits, "int32") * weights, axis=1)
