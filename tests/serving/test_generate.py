import asyncio
import io
import json
import threading

import numpy as np
import pytest
from grey_png import grey_png
from PIL import Image

from lggan_tf.serving import loaded_model
from lggan_tf.serving.logs import JsonFormatter


def test_a_png_for_a_png(server, maps, png, pixels, colours):
    for query in ("model=painter", "model=painter&version=3"):
        answer = server.post(f"/generate?{query}", content=png(maps.labels[0]))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-model"] == "painter"
        assert answer.headers["x-model-version"] == "3"
        assert (pixels(answer.content) == maps.image[0]).all()


def encode(picture):
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    return encoded.getvalue()


@pytest.mark.parametrize("ids", [2, 4, 200])
def test_a_palette_is_a_list_of_ids(server, pixels, colours, ids):
    """At 1, 2 and 8 bits, where brightness would give other ids."""
    labels = np.random.default_rng(2).integers(0, min(ids, 4), (8, 12), "uint8")
    palette = Image.fromarray(labels, "P")
    palette.putpalette(np.random.default_rng(3).integers(0, 256, 3 * ids, "uint8").tolist())
    answer = server.post("/generate?model=painter", content=encode(palette))
    assert answer.status_code == 200, answer.text
    assert (pixels(answer.content) == colours[labels]).all()


def test_one_grey_bit_is_0_and_1(server, pixels, colours):
    labels = np.random.default_rng(2).integers(0, 2, (8, 12), "uint8")
    answer = server.post("/generate?model=painter", content=grey_png(labels, 1))
    assert answer.status_code == 200, answer.text
    assert (pixels(answer.content) == colours[labels]).all()


def test_label_maps_that_would_be_misread_are_refused(server, png):
    wide = Image.fromarray(np.ones((8, 8), "uint16"))
    colour = Image.new("RGB", (8, 8), (1, 1, 1))
    large = Image.new("P", (80, 80))
    broken = encode(Image.new("P", (8, 8)))[:-25]
    for body, status, words in (
        (encode(colour), 400, "labels is a PNG in colours"),
        (encode(colour.convert("LA")), 400, "labels is a PNG in colours"),
        (grey_png(np.zeros((8, 8), "uint8"), 2), 400, "a grey PNG of 2 bits"),
        (grey_png(np.zeros((8, 8), "uint8"), 4), 400, "a grey PNG of 4 bits"),
        (encode(wide), 400, "16 bits, and this model's ids have 8"),
        (encode(large), 413, "6400 pixels"),
        (broken, 400, "labels is a broken PNG"),
    ):
        answer = server.post("/generate?model=painter", content=body)
        assert answer.status_code == status
        assert words in answer.json()["error"]


@pytest.mark.parametrize("suffix", ["", "_bytes"])
def test_several_pictures_as_multipart(server, maps, png, pixels, suffix):
    source = np.full((8, 12, 3), 100, "uint8")
    files = {f"labels{suffix}": png(maps.labels[0]), f"source{suffix}": png(source)}
    answer = server.post("/generate?model=mixer", files=files)
    assert answer.status_code == 200, answer.text
    assert (pixels(answer.content) == maps.image[0] // 2 + 50).all()


def test_one_picture_as_multipart(server, maps, png, pixels):
    answer = server.post("/generate?model=painter", files={"labels": png(maps.labels[1])})
    assert (pixels(answer.content) == maps.image[1]).all()


def test_the_only_model_needs_no_name(start, save_painter, maps, png, pixels, tmp_path):
    (tmp_path / "only").mkdir()
    save_painter(tmp_path / "only" / "1")
    served = start(tmp_path)
    answer = served.post("/generate", content=png(maps.labels[0]))
    assert answer.headers["x-model"] == "only"
    assert (pixels(answer.content) == maps.image[0]).all()
    (tmp_path / "only" / "labels.json").write_text(json.dumps({"stable": 1}))
    served.api._versions.scan()
    assert served.post("/generate?label=stable", content=png(maps.labels[0])).status_code == 200
    assert served.post("/generate?label=best", content=png(maps.labels[0])).status_code == 404
    answer = served.get("/v1/models/only/labels/stable")
    assert answer.json()["model_version_status"][0]["version"] == "1"
    body = {"instances": maps.labels.tolist()}
    answer = served.post("/v1/models/only/labels/stable:predict", json=body)
    assert answer.json()["predictions"] == maps.image.tolist()
    answer = served.get("/v1/models/only/labels/stable/metadata")
    assert answer.json()["model_spec"]["version"] == "1"


def test_a_name_in_another_script(start, save_painter, maps, png, tmp_path):
    (tmp_path / "街").mkdir()
    save_painter(tmp_path / "街" / "1")
    served = start(tmp_path)
    answer = served.post("/generate?model=街", content=png(maps.labels[0]))
    assert answer.status_code == 200
    assert answer.headers["x-model"] == "%E8%A1%97"
    assert served.get("/v1/models/街").status_code == 200
    assert "街" in served.get("/").text
    assert served.get("/metrics").status_code == 200


def test_requests_share_a_batch_and_each_gets_its_own(start, png, pixels, colours):
    """Two sizes, one bad map among them: the good ones do not notice."""
    served = start(max_batch_size=16, batch_timeout=0.5)
    rng = np.random.default_rng(1)
    labels = [rng.integers(0, 4, (8, 8 + 4 * (n % 2)), "uint8") for n in range(12)]
    labels[5][0, 0] = 9

    async def send_all():
        return await asyncio.gather(
            *(served.send("POST", "/generate?model=painter", content=png(m)) for m in labels)
        )

    answers = served.run(send_all())
    for number, (answer, asked) in enumerate(zip(answers, labels, strict=True)):
        if number == 5:
            assert answer.status_code == 400
            assert answer.json()["error"] == "labels must be below 4, and one is 9"
        else:
            assert (pixels(answer.content) == colours[asked]).all()
    text = served.get("/metrics").text
    assert "lggan_batch_rows_count 2.0" in text
    assert "lggan_batch_rows_sum 12.0" in text
    assert 'lggan_requests_total{model="painter",route="generate",status="200"} 11.0' in text
    assert 'lggan_requests_total{model="painter",route="generate",status="400"} 1.0' in text
    assert "lggan_versions_loaded 3.0" in text
    assert "process_resident_memory_bytes" in text


def test_a_batch_of_several_requests_keeps_to_the_limit_of_pixels(start, png):
    served = start(max_batch_size=8, batch_timeout=0.2, max_batch_pixels=200)
    body = png(np.zeros((8, 8)))

    async def send_all():
        await asyncio.gather(
            *(served.send("POST", "/generate?model=painter", content=body) for _ in range(6))
        )

    served.run(send_all())
    assert "lggan_batch_rows_count 2.0" in served.get("/metrics").text


@pytest.fixture
def gate(monkeypatch):
    """While it is closed no model answers."""
    gate = threading.Event()
    call = loaded_model.Signature.__call__

    def held(self, inputs):
        gate.wait(30)
        return call(self, inputs)

    monkeypatch.setattr(loaded_model.Signature, "__call__", held)
    yield gate
    gate.set()


def test_a_full_queue(start, png, gate):
    served = start(max_batch_size=1, queue_size=2)
    body = png(np.zeros((8, 8)))

    async def send_all():
        sent = [
            asyncio.ensure_future(served.send("POST", "/generate?model=painter", content=body))
            for _ in range(6)
        ]
        while sum(answer.done() for answer in sent) < 3:
            await asyncio.sleep(0.01)
        gate.set()
        return await asyncio.gather(*sent)

    answers = served.run(send_all())
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 3
    for answer in answers:
        if answer.status_code == 429:
            assert answer.headers["content-type"] == "application/json"
            assert int(answer.headers["retry-after"]) >= 1
            assert "waiting already; try again in" in answer.json()["error"]


def test_an_answer_that_takes_too_long(start, png, gate):
    served = start(request_timeout=0.3)
    body = png(np.zeros((8, 8)))
    answer = served.post("/generate?model=painter", content=body)
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] == "there was no answer within 0.3 s"
    assert served.get("/healthz").status_code == 200


def test_what_the_log_and_the_headers_say_of_a_request(server, png, caplog):
    caplog.set_level("INFO", "lggan_tf.serving")
    sent = {"x-request-id": "mine.7"}
    answer = server.post("/generate?model=painter", content=png(np.zeros((8, 8))), headers=sent)
    assert answer.headers["x-request-id"] == "mine.7"
    assert {part.split(";")[0] for part in answer.headers["server-timing"].split(", ")} == {
        "wait",
        "model",
        "total",
    }
    (record,) = [r for r in caplog.records if r.getMessage() == "request"]
    line = json.loads(JsonFormatter().format(record))
    assert line["level"] == "info" and line["time"].endswith("Z")
    expected = {"id": "mine.7", "method": "POST", "path": "/generate", "status": 200}
    assert line.items() >= (expected | {"model": "painter", "version": 3}).items()
    assert line["bytes_out"] == len(answer.content)
    assert line["model_ms"] > 0
    for strange in ("a b", "x" * 100, ""):
        answer = server.get("/healthz", headers={"x-request-id": strange})
        assert len(answer.headers["x-request-id"]) == 32


def test_health_and_readiness(start, tmp_path):
    served = start(tmp_path)
    assert served.get("/healthz").json() == {"status": "ok"}
    answer = served.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"error": "there is no model that could be loaded"}
    assert served.post("/generate", content=b"x").status_code == 404
    served.api._versions.scanned = False
    for answer in (
        served.get("/readyz"),
        served.post("/generate", content=b"x"),
        served.post("/generate?model=m", content=b"x"),
        served.get("/v1/models/m"),
        served.post("/v1/models/m:predict", json={"instances": []}),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json() == {"error": "models are being loaded"}


def test_ready_with_models_and_not_when_stopping(start):
    served = start()
    answer = served.get("/readyz")
    assert answer.json() == {"status": "ready", "models": ["arithmetic", "mixer", "painter"]}
    assert "connection" not in answer.headers
    served.api.app.stopping = True
    answer = served.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["connection"] == "close"
    assert served.get("/healthz").status_code == 200


def test_the_page_names_the_models_that_draw(server):
    answer = server.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<option>mixer</option><option>painter</option>" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
