"""How large an encoded picture is, read from its header: a few bytes can decode to gigabytes."""

import io
import struct

from PIL import Image

from lggan_tf.serving.request_error import RequestError

PNG = b"\x89PNG\r\n\x1a\n"
# TensorFlow's operators decode all of these, whatever they are called. Pillow tells the size of
# some; of the others the header does not tell how much there is to decode, or Pillow reads none.
_MEASURED = {b"\xff\xd8\xff": "JPEG", b"BM": "BMP"}
_REFUSED = {
    b"GIF8": "GIF",
    b"RIFF": "WebP",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
}


def png_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height of a PNG, from its first chunk.

    Args:
        data: the file.
        name: what to call it in errors.

    Raises:
        RequestError: 415, no PNG; 400, a PNG without the header that every PNG starts with.
    """
    if not data:
        raise RequestError(400, f"{name} is empty: send a PNG")
    if not data.startswith(PNG):
        raise RequestError(415, f"{name} is no PNG")
    if len(data) < 33 or data[8:16] != b"\0\0\0\rIHDR":
        raise RequestError(400, f"{name} is a PNG that ends or breaks in its header")
    width, height = struct.unpack(">II", data[16:24])
    if not width or not height:
        raise RequestError(400, f"{name} is a PNG of {width} x {height} pixels")
    return width, height


def picture_size(data: bytes, name: str) -> tuple[int, int] | None:
    """Width and height of a PNG, JPEG or BMP; None for bytes that are no picture.

    Raises:
        RequestError: 415, another kind of picture; 400, a broken header.
    """
    if data.startswith(PNG):
        return png_size(data, name)
    for magic, kind in _REFUSED.items():
        if data.startswith(magic):
            raise RequestError(415, f"{name} is a {kind} file; send a PNG")
    for magic, kind in _MEASURED.items():
        if data.startswith(magic):
            try:
                # Opening reads the header; the size is compared with our own limit by the caller.
                with Image.open(io.BytesIO(data), formats=[kind]) as picture:
                    return picture.size
            except (Image.DecompressionBombError, Image.DecompressionBombWarning):
                raise RequestError(413, f"{name} is a {kind} file with too many pixels") from None
            except Exception:
                raise RequestError(400, f"{name} is a {kind} file with a broken header") from None
    return None


def too_many_pixels(pixels: int, limit: int) -> RequestError:
    """What a request with `pixels` gets from a server that takes `limit`."""
    return RequestError(
        413,
        f"the request has {pixels} pixels (height x width x batch), and this server takes {limit}",
    )
