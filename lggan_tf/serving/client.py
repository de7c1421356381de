"""A client for `lggan-serve` and, `generate` aside, for TensorFlow Serving's REST API.

    with Client("http://127.0.0.1:8501") as client:
        picture = client.generate(Path("map.png").read_bytes(), model="town_semantic")
        found = client.predict("town_semantic", {"labels": labels})  # {"image": [B,H,W,3]}

Needs Python and numpy alone.
"""

import base64
import http.client
import json
import time
import uuid
from urllib.parse import quote, urlencode, urlsplit

import numpy as np

_LONGEST_WAIT = 30.0


class ServerError(Exception):
    """The server refused a request.

    Attributes:
        status: the HTTP status.
        message: the server's sentence.
    """

    def __init__(self, status: int, message: str):
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Client:
    """Keeps one connection; for several threads make several clients.

    Args:
        url: of the server, as `http://127.0.0.1:8501`.
        timeout: seconds to wait for the network.
        retries: how often to try again when the server is full (429), after the time that it says.
    """

    def __init__(self, url: str, timeout: float = 60.0, retries: int = 3):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address like http://127.0.0.1:8501")
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)
        self._prefix = parts.path.rstrip("/")
        self._retries = retries

    def __enter__(self) -> "Client":
        """Itself."""
        return self

    def __exit__(self, *_) -> None:
        """Closes the connection."""
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def status(self, model: str) -> list[dict]:
        """`version`, `state` and `status` of the model's versions."""
        return json.loads(self.request("GET", _path(model)))["model_version_status"]

    def metadata(self, model: str, version: int | None = None) -> dict:
        """Signature name -> its inputs and outputs, as TensorFlow Serving describes them."""
        answer = json.loads(self.request("GET", _path(model, version) + "/metadata"))
        return answer["metadata"]["signature_def"]["signature_def"]

    def predict(
        self,
        model: str,
        inputs: dict[str, np.ndarray | list],
        signature: str = "serving_default",
        version: int | None = None,
    ) -> dict[str, np.ndarray] | np.ndarray:
        """The outputs of a signature: an array if there is one, else name -> array.

        Args:
            model: its name.
            inputs: name -> array or nested lists; `bytes` are sent as base64. Of labels for
                example `[B,H,W]` integers.
            signature: which signature.
            version: which version; the newest by default.

        Raises:
            ServerError: what the server refuses.
        """
        body = {
            "signature_name": signature,
            "inputs": {name: _encode(value) for name, value in inputs.items()},
        }
        answer = self.request(
            "POST",
            _path(model, version) + ":predict",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        outputs = json.loads(answer)["outputs"]
        if isinstance(outputs, dict) and outputs.keys() != {"b64"}:
            return {name: _decode(value) for name, value in outputs.items()}
        return _decode(outputs)

    def generate(
        self,
        labels: bytes,
        model: str | None = None,
        version: int | None = None,
        **others: bytes,
    ) -> bytes:
        """A PNG for a label map.

        Args:
            labels: the label map as PNG, a pixel's value being its label id.
            model: its name; needed where the server has several.
            version: which version; the newest by default.
            others: what else the model wants as PNG: `source`, `colours`, `edges`.

        Raises:
            ServerError: what the server refuses.
        """
        query = {"model": model, "version": version}
        query = urlencode({name: value for name, value in query.items() if value is not None})
        kind, body = "image/png", labels
        if others:
            kind, body = _multipart({"labels": labels} | others)
        return self.request("POST", f"/generate?{query}", body, {"Content-Type": kind})

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict | None = None
    ) -> bytes:
        """The body of an answer.

        Raises:
            ServerError: a status from 400 on.
            OSError, http.client.HTTPException: no connection.
        """
        for left in range(self._retries, -1, -1):
            status, answered, data = self.exchange(method, path, body, headers or {})
            if status != 429 or not left:
                break
            time.sleep(min(_LONGEST_WAIT, float(answered.get("Retry-After", 1))))
        if status >= 400:
            raise ServerError(status, _sentence(data))
        return data

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request as it is: status, headers and body of its answer.

        Raises:
            OSError, http.client.HTTPException: no connection.
        """
        path = self._prefix + path
        used = self._connection.sock is not None
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # The server closes connections that are idle, and this one may have been.
            self._connection.close()
            if not used:
                raise
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        return response.status, response.headers, response.read()


def _path(model: str, version: int | None = None) -> str:
    return f"/v1/models/{quote(model, safe='')}" + (
        "" if version is None else f"/versions/{version}"
    )


def _encode(value):
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, np.ndarray | np.generic):
        return _encode(value.tolist())
    if isinstance(value, list | tuple):
        # A list of numbers is as it should be; only strings need a look.
        return value if _all_numbers(value) else [_encode(item) for item in value]
    return value


def _all_numbers(value) -> bool:
    while value and isinstance(value[0], list | tuple):
        value = value[0]
    return bool(value) and isinstance(value[0], int | float)


def _decode(value) -> np.ndarray:
    def plain(item):
        if isinstance(item, dict):
            return base64.b64decode(item["b64"])
        return [plain(part) for part in item] if isinstance(item, list) else item

    first = value
    while isinstance(first, list) and first:
        first = first[0]
    return np.array(plain(value), object) if isinstance(first, dict) else np.array(value)


def _multipart(parts: dict[str, bytes]) -> tuple[str, bytes]:
    boundary = uuid.uuid4().hex
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.png"\r\n'
        "Content-Type: image/png\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in parts.items()
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def _sentence(data: bytes) -> str:
    try:
        return json.loads(data)["error"]
    except (ValueError, KeyError, TypeError):
        return data[:200].decode("utf-8", "replace")
