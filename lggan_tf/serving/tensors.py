"""TensorFlow Serving's JSON to arrays and back.

Format: https://www.tensorflow.org/tfx/serving/api_rest, "Predict API" and "JSON mapping". Rows
(`instances`) are answered by rows (`predictions`), columns (`inputs`) by columns (`outputs`); a
model with one input or output may leave out its name. Strings may be `{"b64": ...}`, and outputs
whose name ends in `_bytes` always are.
"""

import base64
import binascii
import json
from itertools import chain

import numpy as np
import orjson
import tensorflow as tf

from lggan_tf.serving.loaded_model import Signature
from lggan_tf.serving.request_error import RequestError

DEFAULT_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
_DEEPEST = 16  # levels of nested lists; tensors have fewer axes
_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number with a point or NaN",
    str: "a string",
    dict: "an object",
    type(None): "null",
}


def parse_json(body: bytes) -> dict:
    """The request's object; `NaN` and `Infinity` are taken, as TensorFlow Serving does.

    Raises:
        RequestError: 400, no JSON, or no object.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RequestError(400, f"the body is not JSON: {reason[:200]}") from None
    if not isinstance(document, dict):
        raise RequestError(400, 'the body must be a JSON object with "instances" or "inputs"')
    return document


def signature_name(document: dict) -> str:
    """The signature that a request asks for.

    Raises:
        RequestError: 400, its name is no string.
    """
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise RequestError(400, '"signature_name" must be a string')
    return name or DEFAULT_SIGNATURE


def to_arrays(document: dict, signature: Signature) -> tuple[dict[str, np.ndarray], bool]:
    """The named arrays of a request, of the signature's dtypes, and whether they came as rows.

    Raises:
        RequestError: 400, what is wrong with which input.
    """
    present = [key for key in ("instances", "inputs") if key in document]
    if len(present) != 1:
        raise RequestError(400, 'the body needs one of "instances" (rows) and "inputs" (columns)')
    (key,) = present
    rows = key == "instances"
    columns = (_from_rows if rows else _from_columns)(document[key], signature)
    _check_names(columns, signature)
    return {name: to_array(v, name, signature.inputs[name]) for name, v in columns.items()}, rows


def _from_rows(instances, signature: Signature) -> dict[str, list]:
    if not isinstance(instances, list) or not instances:
        raise RequestError(400, '"instances" must be a list with one item or more')
    named = [_is_named(row) for row in instances]
    if not any(named):
        return {_only_input(signature, "instances"): instances}
    if not all(named):
        raise RequestError(400, '"instances" mixes objects with plain values')
    for number, row in enumerate(instances):
        if row.keys() != instances[0].keys():
            raise RequestError(400, f'item {number} of "instances" has other names than item 0')
    return {name: [row[name] for row in instances] for name in instances[0]}


def _from_columns(inputs, signature: Signature) -> dict:
    return inputs if _is_named(inputs) else {_only_input(signature, "inputs"): inputs}


def _is_named(value) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _only_input(signature: Signature, key: str) -> str:
    if len(signature.inputs) != 1:
        raise RequestError(
            400,
            f'"{key}" must name its inputs, as signature {signature.name} has '
            f"{len(signature.inputs)}: {', '.join(signature.inputs)}",
        )
    return next(iter(signature.inputs))


def _check_names(columns: dict, signature: Signature) -> None:
    known = ", ".join(signature.inputs)
    for name in columns:
        if name not in signature.inputs:
            raise RequestError(
                400, f"signature {signature.name} has no input {name[:100]!r}; it has: {known}"
            )
    for name in signature.inputs:
        if name not in columns:
            raise RequestError(400, f"input {name} is missing; needed are: {known}")


def to_array(value, name: str, spec: tf.TensorSpec) -> np.ndarray:
    """An array of nested lists, with the shape and dtype that `spec` wants.

    Strings become an array of `bytes` objects.

    Raises:
        RequestError: 400, ragged lists, a value of another type or out of range, a wrong shape.
    """
    shape, values = _flatten(value, name)
    check_shape(shape, name, spec)
    if spec.dtype == tf.string:
        array = np.empty(len(values), object)
        array[:] = [_to_bytes(v, name) for v in values]
    else:
        array = _to_numbers(values, name, spec.dtype)
    return array.reshape(shape)


def _flatten(value, name: str) -> tuple[list[int], list]:
    shape, values = [], [value]
    while values and type(values[0]) is list:
        if len(shape) == _DEEPEST:
            raise RequestError(400, f"input {name} is nested more than {_DEEPEST} levels deep")
        if set(map(type, values)) != {list} or len(set(map(len, values))) != 1:
            break
        shape.append(len(values[0]))
        values = list(chain.from_iterable(values))
    if list in set(map(type, values)):
        raise RequestError(400, f"input {name} is ragged: its lists differ in length or depth")
    return shape, values


def check_shape(shape, name: str, spec: tf.TensorSpec) -> None:
    """Refuses a shape that the signature does not take.

    Raises:
        RequestError: 400.
    """
    if not spec.shape.is_compatible_with(shape):
        wanted = [size if size is not None else "any" for size in spec.shape.as_list()]
        raise RequestError(
            400,
            f"input {name} must have the shape [{', '.join(map(str, wanted))}], and it has "
            f"[{', '.join(map(str, shape))}]",
        )


def _to_numbers(values: list, name: str, dtype: tf.DType) -> np.ndarray:
    if dtype.is_bool:
        allowed, wanted = {bool}, "true or false"
    elif dtype.is_integer:
        allowed, wanted = {int}, "a whole number"
    elif dtype.is_floating:
        allowed, wanted = {int, float}, "a number"
    else:
        raise RequestError(501, f"input {name} is {dtype.name}, which JSON cannot say")
    for kind in set(map(type, values)) - allowed:
        raise RequestError(
            400, f"input {name} holds {_WORDS[kind]} where {wanted} belongs ({dtype.name})"
        )
    if dtype.is_integer and values:
        for worst in (min(values), max(values)):
            if not dtype.min <= worst <= dtype.max:
                raise RequestError(
                    400,
                    f"input {name} must be from {dtype.min} to {dtype.max} ({dtype.name}), and "
                    f"one value is {str(worst)[:40]}",
                )
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype.as_numpy_dtype)
    except OverflowError:
        array = None
    if dtype.is_floating and (array is None or _overflows(array, values)):
        raise RequestError(400, f"input {name} holds a number too large for {dtype.name}")
    return array


def _overflows(array: np.ndarray, values: list) -> bool:
    infinite = np.flatnonzero(np.isinf(array.astype("float64")))
    return any(values[i] not in (float("inf"), float("-inf")) for i in infinite)


def _to_bytes(value, name: str) -> bytes:
    if _is_base64(value) and isinstance(value["b64"], str):
        text = value["b64"]
        try:
            # Padding may be left out, as TensorFlow Serving has it.
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise RequestError(400, f"input {name} holds a b64 that is not base64") from None
    if not isinstance(value, str):
        raise RequestError(
            400,
            f'input {name} holds {_WORDS[type(value)]} where a string or {{"b64": ...}} belongs',
        )
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise RequestError(400, f"input {name} holds half of a surrogate pair") from None


def to_json(outputs: dict[str, np.ndarray], rows: bool) -> bytes:
    """The answer's body.

    Raises:
        RequestError: 400, rows were asked for and the outputs have none in common; 500, text that
            is no text.
    """
    values = {name: _encodable(array, name) for name, array in outputs.items()}
    if rows:
        lengths = {array.shape[0] if array.ndim else None for array in outputs.values()}
        if len(lengths) != 1 or None in lengths:
            raise RequestError(
                400, 'the outputs have no common number of rows; ask with "inputs" for columns'
            )
    if len(values) == 1:
        (answer,) = values.values()
    elif rows:
        answer = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    else:
        answer = values
    return _dump({"predictions" if rows else "outputs": answer}, outputs)


def _encodable(array: np.ndarray, name: str):
    """What the encoder takes: numbers as an array, strings as nested lists."""
    if array.dtype == object:
        return _nested(array, (_as_base64 if name.endswith("_bytes") else _as_text)(name))
    if array.dtype.kind not in "biuf":  # bfloat16 and other strangers to numpy
        array = array.astype("float32")
    # A single value cannot be written as an array, nor can one of another byte order or stride.
    return np.ascontiguousarray(array) if array.ndim else array.item()


def _as_base64(name: str):
    return lambda value: {"b64": base64.b64encode(value).decode()}


def _as_text(name: str):
    def decode(value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise RequestError(
                500, f"output {name} is no UTF-8 text; the model should call it {name}_bytes"
            ) from None

    return decode


def _nested(array: np.ndarray, encode):
    if array.ndim == 0:
        return encode(array.item())
    return [_nested(np.asarray(item, object), encode) for item in array]


def _dump(answer: dict, outputs: dict[str, np.ndarray]) -> bytes:
    floats = [array for array in outputs.values() if array.dtype.kind in "fV"]
    if all(np.isfinite(array.astype("float64")).all() for array in floats):
        # Shortest float32 digits, and whole arrays at a time: pixels are many.
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    # NaN and Infinity are no JSON, but TensorFlow Serving writes them.
    return json.dumps(answer, default=lambda array: array.tolist(), separators=(",", ":")).encode()
