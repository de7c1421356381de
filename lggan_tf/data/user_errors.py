"""Carries a `UserError` out of a tf.data pipeline.

Python code in a pipeline runs inside a TensorFlow operator: what it raises reaches the reader of
the dataset as a `tf.errors.OpError` whose message holds a traceback. So the sentence is put between
marks on the inside, and `raised_as_user_error` finds it again on the outside, whoever reads: a for
loop, `model.fit`, a distributed dataset.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import tensorflow as tf

from lggan_tf.errors import UserError

_OPEN, _CLOSE = "<user error>", "</user error>"
_SENTENCE = re.compile(f"{_OPEN}(.*?){_CLOSE}", re.DOTALL)
_P, _R = ParamSpec("_P"), TypeVar("_R")


def marked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function` for use in a pipeline: `raised_as_user_error` finds its user errors."""

    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except UserError as error:
            raise RuntimeError(f"{_OPEN}{error}{_CLOSE}") from None

    return call


@contextlib.contextmanager
def raised_as_user_error() -> Iterator[None]:
    """Around code that reads batches: user errors from inside the pipeline are raised as such.

    Raises:
        UserError: in place of a TensorFlow error that carries one; other errors pass unchanged.
    """
    try:
        yield
    except tf.errors.OpError as error:
        found = _SENTENCE.search(str(error))
        if found is None:
            raise
        raise UserError(found.group(1)) from error
