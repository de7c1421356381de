"""Whatever is sent, an answer comes back: a status and, if it is an error, a sentence as JSON."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

fuzz = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just({"b64": "iVBORw0KGgo="})
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["labels", "labels_bytes", "x", "tag", "b64"]), inner)
    ),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["instances", "inputs", "signature_name", "context"]),
    VALUES | st.sampled_from(["serving_default", "png", "explain", "named", "uneven", "types"]),
    max_size=3,
)
SEGMENTS = st.sampled_from(
    [
        "v1",
        "models",
        "painter",
        "arithmetic",
        "versions",
        "3",
        "labels",
        "metadata",
        "..",
        "",
        "%00",
    ]
) | st.text(st.characters(max_codepoint=255), max_size=6)
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])


def check(answer):
    if answer.status_code == 200:
        return
    assert answer.status_code in {400, 404, 405, 413, 415, 501}, answer.text
    assert answer.headers["content-type"] == "application/json"
    if answer.request.method != "HEAD":
        assert answer.json().keys() == {"error"}
        assert "\n" not in answer.json()["error"]


@fuzz
@given(
    document=DOCUMENTS | VALUES, model=st.sampled_from(["painter", "mixer", "arithmetic", "nobody"])
)
def test_predict_takes_any_json(server, document, model):
    body = json.dumps(document).encode()
    check(server.post(f"/v1/models/{model}:predict", content=body))


@fuzz
@given(body=st.binary(max_size=200), model=st.sampled_from(["painter", "arithmetic"]))
def test_predict_takes_any_bytes(server, body, model):
    check(server.post(f"/v1/models/{model}:predict", content=body))


@fuzz
@given(data=st.data())
def test_generate_takes_any_damage_to_a_png(server, png, data):
    body = bytearray(png(np.arange(64).reshape(8, 8) % 4))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    multipart = data.draw(st.booleans())
    sent = {"files": {"labels": bytes(body)}} if multipart else {"content": bytes(body)}
    check(server.post("/generate?model=painter", **sent))


@fuzz
@given(
    body=st.binary(max_size=80) | st.text(st.sampled_from('-x\r\n:;="labelsname'), max_size=120),
    boundary=st.text(st.sampled_from("x-\"' ;="), max_size=4),
)
def test_generate_takes_any_multipart(server, body, boundary):
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    check(server.post("/generate?model=mixer", content=body, headers=headers))


@fuzz
@given(method=METHODS, segments=st.lists(SEGMENTS, max_size=6), query=st.text(max_size=8))
def test_any_path_has_an_answer(server, method, segments, query):
    from urllib.parse import quote

    path = "/".join(quote(segment, safe="%:.") for segment in segments)
    # The client itself refuses a path that begins with two slashes: no test of the server.
    check(server.request(method, f"/{path.lstrip('/')}?{quote(query)}"))


@pytest.fixture(autouse=True, scope="module")
def still_serving(server):
    yield
    answer = server.post("/v1/models/painter:predict", json={"instances": [[[0] * 4] * 4]})
    assert answer.status_code == 200
    assert server.api._predictor._batcher.waiting == 0
    assert server.api._metrics.in_progress == 0
