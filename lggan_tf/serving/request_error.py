"""Errors that a client gets as `{"error": SENTENCE}`, with the status that fits."""

import re

import tensorflow as tf

# TensorFlow Serving's statuses for TensorFlow's errors; what is not listed is the server's fault.
_STATUSES = (
    (tf.errors.InvalidArgumentError, 400),
    (tf.errors.FailedPreconditionError, 400),
    (tf.errors.OutOfRangeError, 400),
    (tf.errors.UnimplementedError, 501),
)
# Behind the message stands which node failed and which function was called.
_BEHIND = re.compile(r"\n\t \[\[|\s*\[Op:|\n\nOriginal stack trace")
# Before it, on lines of its own, where the node was made; or on its own line a number and a code.
_CODE = re.compile(r"^\s*(\(\d+\)\s+[A-Z_]+:)?\s*|\{\{.*?\}\}")
_ITEM = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]")
_LONGEST = 500


class RequestError(Exception):
    """A request that cannot be answered.

    Attributes:
        status: the HTTP status.
        message: a sentence for whoever sent the request.
        headers: what belongs to the status, as `Retry-After` to 429.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def from_tensorflow(error: Exception) -> RequestError:
    """The request error for what a model's graph raised.

    An assertion in the graph was written for the client, so its words are passed on, and so is
    what TensorFlow says of an argument. Anything else is not the client's to know.
    """
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return RequestError(503, "the model needs more memory for this request than there is")
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return RequestError(status, sentence(str(error.message)))
    return RequestError(500, "the model failed; the server's log says why")


def sentence(message: str) -> str:
    """The readable part of TensorFlow's error message, on one line.

    Of `assertion failed: [labels must be below 4, and one is] [7]` and what stands around it
    remains `labels must be below 4, and one is 7`.
    """
    lines = _BEHIND.split(message)[0].strip().splitlines()
    text = _CODE.sub("", lines[-1] if lines else "").strip()
    if text.startswith("assertion failed:"):
        words = []
        for item in _ITEM.findall(text):
            if item.startswith("Condition "):  # which tensors were compared, and all their values
                break
            words.append(item)
        text = " ".join(words)
    text = text or "the model refused the input"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
