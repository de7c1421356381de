"""`POST /generate`: a label map as PNG in, a picture as PNG out, by the signature `png`.

A model with one input takes the PNG as the body. One with several takes `multipart/form-data`, a
part per input, named as the input with or without `_bytes`: `labels`, `source`, `colours`, `edges`.
"""

import numpy as np
from starlette.datastructures import Headers

from lggan_tf.serving import pictures
from lggan_tf.serving.body import parse_multipart
from lggan_tf.serving.loaded_model import Signature
from lggan_tf.serving.request_error import RequestError

_SUFFIX = "_bytes"


def choose_model(name: str | None, names: list[str]) -> str:
    """The model that is meant: it may be left out where there is one.

    Raises:
        RequestError: 400, several; 404, none.
    """
    if name is not None:
        return name
    if not names:
        raise RequestError(404, "there is no model that could be loaded")
    if len(names) > 1:
        raise RequestError(400, f"say which model with ?model=NAME; there are: {', '.join(names)}")
    return names[0]


async def read_inputs(headers: Headers, body: bytes, signature: Signature) -> dict[str, np.ndarray]:
    """The signature's inputs, `[1]` encoded pictures each.

    Raises:
        RequestError: 400, a part that is missing, unknown or broken; 415, no PNG.
    """
    parts = await _parts(headers, body, signature)
    for name, data in parts.items():
        pictures.png_size(data, name.removesuffix(_SUFFIX))
    inputs = {name: np.empty(1, object) for name in parts}
    for name, data in parts.items():
        inputs[name][0] = data
    return inputs


async def _parts(headers: Headers, body: bytes, signature: Signature) -> dict[str, bytes]:
    wanted = {name.removesuffix(_SUFFIX): name for name in signature.inputs}
    if not headers.get("content-type", "").startswith("multipart/"):
        if len(wanted) > 1:
            raise RequestError(
                400,
                f"this model needs {len(wanted)} pictures; send them as multipart/form-data with "
                f"the parts {', '.join(wanted)}",
            )
        return {name: body for name in signature.inputs}
    found = {}
    for part, data in (await parse_multipart(headers, body)).items():
        name = part.removesuffix(_SUFFIX)
        if name not in wanted:
            raise RequestError(
                400, f"part {part[:100]!r} is unknown; this model takes {', '.join(wanted)}"
            )
        if wanted[name] in found:
            raise RequestError(400, f"part {name} comes twice")
        found[wanted[name]] = data
    for part, name in wanted.items():
        if name not in found:
            raise RequestError(400, f"part {part} is missing; this model takes {', '.join(wanted)}")
    return found


def picture(outputs: dict[str, np.ndarray]) -> bytes:
    """The one encoded picture among the outputs.

    Raises:
        RequestError: 500, the signature gives something else.
    """
    for array in outputs.values():
        if array.dtype == object and array.size == 1:
            return array.flat[0]
    raise RequestError(500, "the model's signature png gave no encoded picture")
