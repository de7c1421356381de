"""Grey PNG files of any depth, by the format's specification; Pillow writes 1, 8 and 16 bits."""

import struct
import zlib

import numpy as np


def grey_png(values: np.ndarray, bits: int) -> bytes:
    """A file whose samples are `values` `[h, w]`, of 1, 2, 4 or 8 bits."""
    height, width = values.shape
    digits = (values[..., None] >> np.arange(bits)[::-1]) & 1
    rows = np.packbits(digits.reshape(height, -1).astype("uint8"), axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
