"""The request and response examples of TensorFlow Serving's documentation, in our words.

Source: https://github.com/tensorflow/serving/blob/master/tensorflow_serving/g3doc/api_rest.md,
sections "Model status API", "Model Metadata API", "Predict API", "Encoding binary values", "JSON
conformance" and "Example". Same structure, other names and values; `arithmetic` stands for all
models of these examples. The shape of the metadata is that of GetModelMetadataResponse as JSON.
"""

import json
from base64 import b64decode, b64encode

import pytest

MODEL = "/v1/models/arithmetic"
OK = {"error_code": "OK", "error_message": ""}
ROWS = [
    {"tag": "red", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
    {"tag": "blue", "signal": [5, 4, 3, 2, 2], "sensor": [[0.5, 6], [7, 8]]},
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
ROW_ANSWERS = [
    {"raw_bytes": {"b64": "cmVk"}, "scaled": [[2, 4], [6, 8]], "total": 15, "word": "red!"},
    {"raw_bytes": {"b64": "Ymx1ZQ=="}, "scaled": [[1, 12], [14, 16]], "total": 16, "word": "blue!"},
]
COLUMN_ANSWERS = {name: [row[name] for row in ROW_ANSWERS] for name in ROW_ANSWERS[0]}
BINARY = {"tag": [{"b64": "AAH/"}, "text"], "signal": [[1] * 5] * 2, "sensor": [[[0, 0]] * 2] * 2}


@pytest.mark.parametrize("where", ["", "/versions/7"])
def test_status(server, where):
    answer = server.get(MODEL + where)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    expected = {"version": "7", "state": "AVAILABLE", "status": OK}
    assert answer.json() == {"model_version_status": [expected]}


@pytest.mark.parametrize("where", ["", "/versions/7"])
def test_metadata(server, where):
    answer = server.get(f"{MODEL}{where}/metadata").json()
    assert answer.keys() == {"model_spec", "metadata"}
    assert answer["model_spec"] == {"name": "arithmetic", "signature_name": "", "version": "7"}
    assert answer["metadata"].keys() == {"signature_def"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures.keys() >= {"serving_default", "named", "uneven", "types"}
    default = signatures["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"] == {
        "x": {
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
            "name": default["inputs"]["x"]["name"],
        }
    }
    assert default["inputs"]["x"]["name"].endswith(":0")
    assert signatures["named"]["inputs"]["tag"]["dtype"] == "DT_STRING"
    sizes = [d["size"] for d in signatures["named"]["inputs"]["sensor"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", "2", "2"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # One input and one output: their names are left out, by rows and by columns.
        ({"instances": [1.0, 2.0, 5.0]}, {"predictions": [1.25, 1.5, 2.25]}),
        ({"inputs": [4, -4]}, {"outputs": [2.0, 0.0]}),
        # They may be given all the same.
        ({"instances": [{"x": 8}]}, {"predictions": [3.0]}),
        ({"inputs": {"x": [8]}}, {"outputs": [3.0]}),
        ({"signature_name": "serving_default", "instances": [0]}, {"predictions": [1.0]}),
        ({"signature_name": "", "instances": [0]}, {"predictions": [1.0]}),
        # Several inputs and outputs, by rows and by columns.
        ({"signature_name": "named", "instances": ROWS}, {"predictions": ROW_ANSWERS}),
        ({"signature_name": "named", "inputs": COLUMNS}, {"outputs": COLUMN_ANSWERS}),
        # Inputs without a common first axis: columns only.
        (
            {"signature_name": "uneven", "inputs": {"left": [1, 2, 3], "factor": 0.5}},
            {"outputs": 3.0},
        ),
    ],
)
@pytest.mark.parametrize("where", ["", "/versions/7"])
def test_predict(server, body, expected, where):
    answer = server.post(f"{MODEL}{where}:predict", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == expected


def test_binary_values(server):
    """Strings come as text or base64, and go as base64 if their name says that they are bytes."""
    columns = {**BINARY, "tag": [{"b64": "AAH/"}, {"b64": "dGV4dA"}]}  # padding may be missing
    body = {"signature_name": "named", "inputs": columns}
    answer = server.post(f"{MODEL}:predict", json=body)
    # `word` is the same bytes under a name that promises text.
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("output word is no UTF-8 text")
    columns["tag"] = [{"b64": "w6Q="}, "text"]
    outputs = server.post(f"{MODEL}:predict", json=body).json()["outputs"]
    assert outputs["word"] == ["ä!", "text!"]
    assert outputs["raw_bytes"] == [{"b64": "w6Q="}, {"b64": "dGV4dA=="}]


def test_bytes_as_instances(server, maps, png, pixels):
    """A `b64` object is a value, not a row of named inputs."""
    rows = [{"b64": b64encode(png(labels)).decode()} for labels in maps.labels]
    for instances in (rows, [{"labels_bytes": row} for row in rows]):
        body = {"signature_name": "png", "instances": instances}
        answer = server.post("/v1/models/painter:predict", json=body).json()["predictions"]
        for item, image in zip(answer, maps.image, strict=True):
            assert item.keys() == {"b64"}
            assert (pixels(b64decode(item["b64"])) == image).all()


def test_whole_floats_and_integers_look_like_what_they_are(server):
    """1.0 for a float and 1 for an integer, and no more digits than a float32 has."""
    columns = {**COLUMNS, "sensor": [[[0.05, 1], [2, 3]]] * 2}
    text = server.post(f"{MODEL}:predict", json={"signature_name": "named", "inputs": columns}).text
    assert '"scaled":[[[0.1,2.0],[4.0,6.0]],' in text
    assert '"total":[15,16]' in text


def test_nan_and_infinity(server):
    """No JSON, but taken and given, as the documentation has it."""
    answer = server.post(f"{MODEL}:predict", content='{"instances": [NaN, Infinity, -Infinity, 0]}')
    assert answer.text == '{"predictions":[NaN,Infinity,-Infinity,1.0]}'


def test_all_types(server):
    sent = {"yes": [True], "small": [-128], "large": [2**64 - 1], "wide": [0.1], "half": [1.5]}
    for key, answered in (("inputs", "outputs"), ("instances", "predictions")):
        value = sent if key == "inputs" else [{name: v[0] for name, v in sent.items()}]
        text = server.post(f"{MODEL}:predict", json={"signature_name": "types", key: value}).text
        assert json.loads(text) == {answered: value}


def test_an_unknown_model(server):
    answer = server.post("/v1/models/arithmetics:predict", json={"instances": [1.0, 5.0]})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"error"}


def test_pixels_as_rows_and_columns(server, maps):
    model = "/v1/models/painter:predict"
    labels, image = maps.labels.tolist(), maps.image.tolist()
    for body, expected in (
        ({"instances": labels}, {"predictions": image}),
        ({"inputs": {"labels": labels}}, {"outputs": image}),
    ):
        assert server.post(model, json=body).json() == expected
    explained = server.post(model, json={"signature_name": "explain", "instances": labels}).json()
    row = explained["predictions"][1]
    assert row.keys() == {"image", "image_global", "image_local", "weight_global", "weight_local"}
    assert row["weight_local"][7][11] == [0.75]
    assert row["image_local"][0][0][0] == -row["image"][0][0][0]
