"""Every bad request gets its status and a sentence as JSON, and harms nothing."""

import json
import struct
import zlib
from base64 import b64encode

import numpy as np
import pytest

PAINTER, ARITHMETIC = "/v1/models/painter:predict", "/v1/models/arithmetic:predict"
GOOD = [[[0, 1, 2, 3]] * 4]
ZEROS = np.zeros((8, 12))


def png_with_header(width, height, tail=b""):
    """A PNG that says what size it has and holds next to nothing."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + tail


def bomb():
    """60 kB that decode to 64 million pixels: what a limit on bytes does not see."""
    data = zlib.compress(bytes(8001 * 8000), 9)
    check = zlib.crc32(b"IDAT" + data)
    idat = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", check)
    return png_with_header(8000, 8000, idat)


def instances(value, **more):
    return {"json": {"instances": value, **more}}


def inputs(value, **more):
    return {"json": {"inputs": value, **more}}


def raw(text):
    return {"content": text}


PREDICT = {
    "ids that the model does not know": (instances([[[0, 1, 2, 9]] * 4]), 400, "below 4"),
    "a side that is no multiple": (instances([[[0, 1, 2]] * 4]), 400, "multiples of 4"),
    "an id above its type": (instances([[[0, 1, 2, 256]] * 4]), 400, "from 0 to 255"),
    "a huge integer": (instances([[[0, 1, 2, 10**400]] * 4]), 400, "from 0 to 255"),
    "a negative id": (instances([[[0, 1, 2, -1]] * 4]), 400, "one value is -1"),
    "fractions": (instances([[[0.5, 1.5]]]), 400, "a whole number belongs"),
    "NaN": (raw('{"instances": [[[NaN, 1]]]}'), 400, "NaN where a whole number"),
    "strings": (instances([[["0", "1"]]]), 400, "a string where a whole number"),
    "truth": (instances([[[True, 1]]]), 400, "true or false where"),
    "null": (instances([[[None, 1]]]), 400, "null where"),
    "objects among numbers": (instances([[[{"a": 1}, 1]]]), 400, "an object where"),
    "ragged rows": (instances([[[0, 1], [2]]]), 400, "ragged"),
    "ragged depth": (instances([[[0, 1], 2]]), 400, "ragged"),
    "too few axes": (instances([0, 1]), 400, "must have the shape [any, any, any]"),
    "too many axes": (instances([[[[[[0]]]]]]), 400, "it has [1, 1, 1, 1, 1, 1]"),
    "no pixels": (instances([[]]), 400, "it has [1, 0]"),
    "a batch of nothing": (instances([]), 400, "one item or more"),
    "instances of another kind": (instances("x"), 400, "must be a list"),
    "rows and columns": ({"json": {"instances": GOOD, "inputs": GOOD}}, 400, "needs one of"),
    "neither": ({"json": {}}, 400, "needs one of"),
    "objects mixed with values": (instances([{"labels": GOOD[0]}, GOOD[0]]), 400, "mixes"),
    "rows of other names": (instances([{"labels": GOOD[0]}, {"x": 0}]), 400, "other names"),
    "an input that is not there": (inputs({"pixels": GOOD}), 400, "no input 'pixels'"),
    "a missing input": (inputs({}), 400, "input labels is missing"),
    "an unknown signature": (instances(GOOD, signature_name="x"), 400, "no signature 'x'"),
    "a signature of another kind": (instances(GOOD, signature_name=1), 400, "must be a string"),
    "no JSON": (raw("hello"), 400, "the body is not JSON"),
    "half of a JSON": (raw('{"instances": [[['), 400, "the body is not JSON"),
    "no UTF-8": (raw(b'{"a": "\xff\xfe"}'), 400, "the body is not JSON"),
    "a list": (raw("[1, 2]"), 400, "must be a JSON object"),
    "an empty body": (raw(""), 400, "the body is not JSON"),
    "a deep nest": (raw('{"instances": ' + "[" * 90_000), 400, "nested too deeply"),
    "a closed deep nest": (instances(json.loads("[" * 40 + "]" * 40)), 400, "16 levels"),
    "a huge JSON": (raw('{"instances": [' + "0," * 110_000 + "0]}"), 413, "longer than the 200000"),
    "an endless body": (raw("0" * 2_000_000), 413, "longer than the 200000"),
    "too many pixels": (instances([[[0] * 80] * 80]), 413, "6400 pixels"),
    "too many in a batch": (instances([[[0] * 40] * 40] * 3), 413, "4800 pixels"),
    "gzip": ({"content": b"x", "headers": {"content-encoding": "gzip"}}, 415, "'gzip' is not"),
    "broken base64": (instances([{"b64": "%%%"}], signature_name="png"), 400, "not base64"),
    "base64 of a number": (instances([{"b64": 7}], signature_name="png"), 400, '{"b64": ...}'),
    "no picture": (instances([{"b64": "aGVsbG8="}], signature_name="png"), 400, "image"),
    "a GIF": (instances(["GIF89a..."], signature_name="png"), 415, "GIF"),
    "half a surrogate": (raw('{"signature_name": "png", "instances": ["\\ud800"]}'), 400, "surr"),
}
ARITHMETICS = {
    "several inputs without names": (instances([1], signature_name="named"), 400, "has 3: "),
    "columns without names": (inputs([1], signature_name="named"), 400, "has 3: "),
    "a wrong fixed size": (
        inputs({"tag": ["a"], "signal": [[1]], "sensor": [[[1, 2]] * 2]}, signature_name="named"),
        400,
        "input signal must have the shape [any, 5], and it has [1, 1]",
    ),
    "rows of a scalar output": (
        instances([{"left": 1, "factor": 2}], signature_name="uneven"),
        400,
        "input factor must have the shape [], and it has [1]",
    ),
    "a number too large": (instances([1e300]), 400, "too large for float32"),
    "an object that is no b64": (
        inputs(
            {"tag": [{"c64": ""}], "signal": [[1] * 5], "sensor": [[[1, 2]] * 2]},
            signature_name="named",
        ),
        400,
        "an object where a string",
    ),
}
PATHS = {
    "an unknown model": ("GET", "/v1/models/nobody", 404, "no model 'nobody'"),
    "an unknown version": ("GET", "/v1/models/painter/versions/99", 404, "no version 99"),
    "to predict with it": ("POST", "/v1/models/painter/versions/99:predict", 404, "loaded are: 3"),
    "a version that is none": ("GET", "/v1/models/painter/versions/one", 400, "whole number"),
    "a huge version": ("GET", f"/v1/models/painter/versions/{'9' * 5000}", 400, "whole number"),
    "a negative version": ("GET", "/v1/models/painter/versions/-3", 400, "whole number"),
    "an unknown label": ("GET", "/v1/models/painter/labels/best", 404, "no label 'best'"),
    "up and away": ("GET", "/v1/models/../../etc/passwd", 404, "no such path"),
    "the same encoded": ("GET", "/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404, "no such path"),
    "dots": ("GET", "/v1/models/%2e%2e", 404, "no model '..'"),
    "a backslash": ("GET", "/v1/models/..%5c..%5cwindows", 404, "no model"),
    "a NUL": ("GET", "/v1/models/painter%00.png", 404, "no model"),
    "a long name": ("GET", "/v1/models/" + "a" * 5000, 404, "no model 'aaa"),
    "markup": ("GET", "/v1/models/%3Cscript%3E", 404, "no model '<script>'"),
    "no name": ("GET", "/v1/models/", 404, "no such path"),
    "something behind": ("GET", "/v1/models/painter/versions/3/files", 404, "no such path"),
    "version and label": ("GET", "/v1/models/painter/versions/3/labels/x", 404, "no such path"),
    "another path": ("GET", "/admin", 404, "no such path"),
    "a wrong verb": ("GET", PAINTER, 405, "use POST"),
    "another wrong verb": ("DELETE", "/v1/models/painter", 405, "use GET"),
    "an invented verb": ("FOO", "/v1/models/painter", 405, "use GET"),
    "a wrong verb for pictures": ("GET", "/generate", 405, "use POST"),
    "classify": ("POST", "/v1/models/painter:classify", 501, ":predict is"),
    "a method that is none": ("POST", "/v1/models/painter:destroy", 404, "no :destroy"),
}
GENERATE = {
    "nothing": ("?model=painter", b"", 400, "labels is empty"),
    "no PNG": ("?model=painter", b"hello", 415, "labels is no PNG"),
    "a PNG cut short": ("?model=painter", png_with_header(8, 8)[:20], 400, "breaks in its header"),
    "a PNG without pixels": ("?model=painter", png_with_header(0, 8), 400, "0 x 8 pixels"),
    "a PNG without data": ("?model=painter", png_with_header(8, 8), 400, "PNG"),
    "a bomb": ("?model=painter", bomb(), 413, "64000000 pixels"),
    "a bomb by its header": (
        "?model=painter",
        png_with_header(2**31 - 1, 2**31 - 1),
        413,
        "pixels",
    ),
    "no model": ("", png_with_header(8, 8), 400, "say which model"),
    "an unknown model": ("?model=../painter", png_with_header(8, 8), 404, "no model '../painter'"),
    "a version that is none": ("?model=painter&version=x", b"", 400, "whole number"),
    "a model without pictures": ("?model=arithmetic", png_with_header(8, 8), 400, "no signature"),
    "too few pictures": ("?model=mixer", png_with_header(8, 8), 400, "the parts labels, source"),
    "too long": ("?model=painter", b"\x89PNG\r\n\x1a\n" + bytes(300_000), 413, "longer than"),
}


def check(server, answer, status, words):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found.keys() == {"error"}
    assert words in found["error"]
    assert "\n" not in found["error"] and len(found["error"]) < 700
    for secret in ("Traceback", "node", "__inference", "site-packages", "Error:"):
        assert secret not in found["error"]
    # Nothing is left waiting, and the next request is served.
    assert server.api._predictor._batcher.waiting == 0
    good = server.post(PAINTER, json={"instances": GOOD})
    assert good.status_code == 200


@pytest.mark.parametrize(("arguments", "status", "words"), PREDICT.values(), ids=PREDICT.keys())
def test_predict(server, arguments, status, words):
    check(server, server.post(PAINTER, **arguments), status, words)


@pytest.mark.parametrize(("arguments", "status", "words"), ARITHMETICS.values(), ids=ARITHMETICS)
def test_predict_of_other_signatures(server, arguments, status, words):
    check(server, server.post(ARITHMETIC, **arguments), status, words)


@pytest.mark.parametrize(("method", "path", "status", "words"), PATHS.values(), ids=PATHS.keys())
def test_paths_and_verbs(server, method, path, status, words):
    body = {"json": {"instances": GOOD}} if method == "POST" else {}
    answer = server.request(method, path, **body)
    check(server, answer, status, words)
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(("query", "body", "status", "words"), GENERATE.values(), ids=GENERATE)
def test_generate(server, query, body, status, words):
    check(server, server.post(f"/generate{query}", content=body), status, words)


def test_multipart(server, png):
    good = {"labels": png(ZEROS), "source": png(np.zeros((8, 12, 3)))}
    for files, words in (
        ({"labels": good["labels"]}, "part source is missing"),
        (
            good | {"edges": good["labels"]},
            "part 'edges' is unknown; this model takes labels, sour",
        ),
        ([*good.items(), ("labels", good["labels"])], "comes twice"),
        ([*good.items(), ("labels_bytes", good["labels"])], "comes twice"),
        (good | {"source": png(np.zeros((4, 12, 3)))}, "Incompatible shapes"),
    ):
        check(server, server.post("/generate?model=mixer", files=files), 400, words)
    head = {"content-type": "multipart/form-data; boundary=x"}
    for headers, body in (
        (head, b"--x\r\nContent-Disposition: form-data\r\n\r\nA\r\n--x--\r\n"),
        (head, b"nothing of the kind"),
        (head, b"--x\r\n"),
        ({"content-type": "multipart/form-data"}, b"--x--"),
        ({"content-type": "multipart/mixed; boundary="}, b"--x--"),
    ):
        answer = server.post("/generate?model=mixer", headers=headers, content=body)
        check(server, answer, 400, "")


def test_a_picture_of_a_kind_whose_size_is_unknown_is_not_decoded(server, png):
    """TensorFlow would decode it, as its PNG operator takes every format."""
    for magic in (b"RIFF\0\0\0\0WEBPVP8 ", b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n", b"GIF89a"):
        body = {"signature_name": "png", "inputs": {"labels_bytes": [encoded(magic)]}}
        check(server, server.post(PAINTER, json=body), 415, "send a PNG")
    # The size of these is known.
    body["inputs"]["labels_bytes"] = [
        encoded(b"BM" + bytes(8) + struct.pack("<5I", 14, 40, 80, 80, 1))
    ]
    check(server, server.post(PAINTER, json=body), 400, "BMP")
    body["inputs"]["labels_bytes"] = [encoded(b"\xff\xd8\xff\xe0" + bytes(50))]
    check(server, server.post(PAINTER, json=body), 400, "JPEG file with a broken header")


def encoded(data):
    return {"b64": b64encode(data).decode()}


def test_a_fault_of_the_server_tells_the_client_nothing(server, monkeypatch, caplog):
    def broken(*_):
        raise KeyError("a secret")

    monkeypatch.setattr("lggan_tf.serving.tensors.to_json", broken)
    answer = server.post(PAINTER, json={"instances": GOOD}, headers={"x-request-id": "abc-1"})
    monkeypatch.undo()
    check(server, answer, 500, "under the id abc-1")
    assert "secret" not in answer.text
    assert "a secret" in caplog.text


def test_a_failing_model_tells_the_client_nothing(server, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("a secret")

    monkeypatch.setattr("lggan_tf.serving.loaded_model.Signature.__call__", broken)
    answer = server.post(PAINTER, json={"instances": GOOD})
    monkeypatch.undo()
    check(server, answer, 500, "the model failed; the server's log says why")
    assert "a secret" in caplog.text
