"""Reading a request's body, within limits of bytes and time."""

import asyncio

from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from lggan_tf.serving.request_error import RequestError

# A client that sends too much is read for a while all the same: closing at once would cut the
# connection under its hands before it sees the answer.
_TOLERATED = 4
_MOST_PARTS = 16


class BodyReader:
    """Reads bodies of at most `max_bytes`, sent in `seconds`, at most `at_a_time` together."""

    def __init__(self, max_bytes: int, seconds: float, at_a_time: int):
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._left = at_a_time

    async def read(self, request: Request) -> bytes:
        """The whole body.

        Raises:
            RequestError: 408, too slow; 413, too long; 415, compressed; 429, too many at a time.
            starlette.requests.ClientDisconnect: the client went away.
        """
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise RequestError(
                415, f"Content-Encoding {encoding[:50]!r} is not supported; send it as it is"
            )
        if not self._left:
            raise RequestError(
                429, "too many requests are being received; try again in 1 s", {"Retry-After": "1"}
            )
        self._left -= 1
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(request)
        except TimeoutError:
            raise RequestError(408, f"the body did not arrive within {self._seconds:g} s") from None
        finally:
            self._left += 1

    async def _read(self, request: Request) -> bytes:
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._max_bytes:
                chunks.clear()
                if size > _TOLERATED * self._max_bytes:
                    break
            else:
                chunks.append(chunk)
        if size > self._max_bytes:
            raise RequestError(
                413, f"the body is longer than the {self._max_bytes} bytes that this server takes"
            )
        return b"".join(chunks)


async def parse_multipart(headers: Headers, body: bytes) -> dict[str, bytes]:
    """The parts of a `multipart/form-data` body by name.

    Raises:
        RequestError: 400, broken, or a name that comes twice.
    """

    async def stream():
        yield body

    parser = MultiPartParser(
        headers,
        stream(),
        max_files=_MOST_PARTS,
        max_fields=_MOST_PARTS,
        max_part_size=len(body) + 1,
    )
    parser.spool_max_size = len(body) + 1  # it is in memory already; no temporary files
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError, KeyError, ValueError) as error:
        raise RequestError(400, f"the multipart body cannot be read: {error}") from None
    parts = {}
    try:
        for name, value in form.multi_items():
            if name in parts:
                raise RequestError(400, f"part {name[:100]!r} comes twice")
            # A part without a file name is taken for text, and a PNG is none.
            parts[name] = await value.read() if isinstance(value, UploadFile) else value.encode()
    finally:
        await form.close()
    return parts
