"""A client for `lggan-serve` and, `generate` aside, for TensorFlow Serving's REST API.

    with Client("http://127.0.0.1:8501") as client:
        picture = client.generate(Path("map.png").read_bytes(), model="town_semantic")
        found = client.predict("town_semantic", {"labels": labels})  # {"image": [B,H,W,3]}

Needs Python, numpy and requests alone (the extra `serve` has it).
"""

import base64
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

# TensorFlow's names of types, where they are not numpy's.
_DTYPES = {"float": "float32", "double": "float64", "half": "float16", "string": "object"}


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
    """Keeps its connections, and makes a new one after any error; one client for each thread.

    Args:
        url: of the server, as `http://127.0.0.1:8501`.
        timeout: seconds to wait for the network.
        retries: how often to try again when the server is full (429) or not ready (503), after
            the time that it says, else after a time that doubles and is partly random. A drawing
            changes nothing on the server, so it may be asked for again, and once more where its
            answer breaks off or does not come in time.
    """

    def __init__(self, url: str, timeout: float = 60.0, retries: int = 3):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address like http://127.0.0.1:8501")
        self._url, self._timeout = url.rstrip("/"), timeout
        self._patient, self._once = requests.Session(), requests.Session()
        again = Retry(
            connect=0,
            read=1,  # the server closes connections that are idle, also as a request sets out
            status=retries,
            status_forcelist=(429, 503),
            allowed_methods=None,
            backoff_factor=0.5,
            backoff_jitter=0.5,
            raise_on_status=False,
        )
        self._patient.mount(self._url, HTTPAdapter(max_retries=again))

    def __enter__(self) -> "Client":
        """Itself."""
        return self

    def __exit__(self, *_) -> None:
        """Closes the connections."""
        self.close()

    def close(self) -> None:
        """Closes the connections; a later request opens new ones."""
        self._patient.close()
        self._once.close()

    def status(self, model: str) -> list[dict]:
        """`version`, `state` and `status` of the model's versions."""
        return self._json("GET", _path(model))["model_version_status"]

    def metadata(self, model: str, version: int | None = None) -> dict:
        """Signature name -> its inputs and outputs, as TensorFlow Serving describes them."""
        answer = self._json("GET", _path(model, version) + "/metadata")
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

        Returns:
            Arrays of the types that the model's metadata say; `bytes` are in arrays of objects.

        Raises:
            ServerError: what the server refuses.
            requests.RequestException: no connection, or no answer in time.
        """
        body = {
            "signature_name": signature,
            "inputs": {name: _encode(value) for name, value in inputs.items()},
        }
        outputs = self._json("POST", _path(model, version) + ":predict", json=body)["outputs"]
        described = self.metadata(model, version)[signature]["outputs"]
        dtypes = {name: _dtype(of["dtype"]) for name, of in described.items()}
        if len(dtypes) == 1:
            return _decode(outputs, *dtypes.values())
        return {name: _decode(value, dtypes[name]) for name, value in outputs.items()}

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
            requests.RequestException: no connection, or no answer in time.
        """
        query = {"model": model, "version": version}
        query = urlencode({name: value for name, value in query.items() if value is not None})
        if not others:
            png = {"Content-Type": "image/png"}
            return self._ask("POST", f"/generate?{query}", data=labels, headers=png).content
        files = {"labels": labels} | others
        parts = {name: (f"{name}.png", data, "image/png") for name, data in files.items()}
        return self._ask("POST", f"/generate?{query}", files=parts).content

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict | None = None
    ) -> bytes:
        """The body of an answer.

        Raises:
            ServerError: a status from 400 on.
            requests.RequestException: no connection, or no answer in time.
        """
        return self._ask(method, path, data=body, headers=headers).content

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request as it is: status, headers and body of its answer.

        Raises:
            requests.RequestException: no connection, or no answer in time.
        """
        answer = self._once.request(
            method, self._url + path, data=body, headers=headers, timeout=self._timeout
        )
        return answer.status_code, answer.headers, answer.content

    def _ask(self, method, path, **content) -> requests.Response:
        answer = self._patient.request(method, self._url + path, timeout=self._timeout, **content)
        if answer.status_code >= 400:
            raise ServerError(answer.status_code, _sentence(answer))
        return answer

    def _json(self, method, path, **content) -> dict:
        return self._ask(method, path, **content).json()


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


def _dtype(name: str) -> str:
    word = name.removeprefix("DT_").lower()
    return _DTYPES.get(word, word)


def _decode(value, dtype: str) -> np.ndarray:
    def plain(item):
        if isinstance(item, dict):
            return base64.b64decode(item["b64"])
        return [plain(part) for part in item] if isinstance(item, list) else item

    return np.array(plain(value) if dtype == "object" else value, dtype)


def _sentence(answer: requests.Response) -> str:
    try:
        return answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return answer.content[:200].decode("utf-8", "replace")
