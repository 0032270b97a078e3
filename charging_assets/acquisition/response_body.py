"""Read and decompress the body of a response within limits of size and time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from ssl import SSLCertVerificationError
from typing import Any, Literal

import urllib3

from charging_assets.text import printable

Outcome = Literal[
    "ok",  # 200, or a status that the kind accepts, and the body is whole
    "not_modified",  # 304 of a conditional request: the body is that of an earlier poll of the hour
    "http_error",  # any other status; the body is kept
    "redirect_refused",  # to a host that is not allowed, or too often; the target was not requested
    "link_refused",  # the kind asked for a page of a host that is not allowed; not requested
    "repeated_page",  # a page that was already received or requested: the list would not end
    "too_many_pages",  # more responses than max_pages; the page was not requested
    "bad_body",  # the kind cannot go on after this response, such as an error with status 200
    "truncated",  # the connection ended before the body did; what was received is kept
    "bad_encoding",  # an encoding that was not accepted, or damaged; kept as received
    "too_large",  # beyond max_body_bytes, or all of a place beyond max_place_bytes; not kept
    "connection_error",  # no response: DNS, connection, TLS or HTTP itself failed
    "timeout",  # the place's time limit was reached
    "over_budget",  # the poll's time limit was reached
    "failed",  # an error in this program; see its log
]

_PIECE = 64 * 1024
# zlib copies the input behind the end of a gzip member. Small slices bound that copy; otherwise a
# body of a million empty members takes time quadratic in its length.
_SLICE = 4 * 1024
_INFLATABLE = {"gzip", "x-gzip", "deflate"}
_GZIP_MAGIC = b"\x1f\x8b\x08"


def decompress_file(
    body: bytes, cap: int, is_expired: Callable[[], bool] = lambda: False
) -> tuple[Outcome, bytes | None, str | None]:
    """Decompress a body that is a gzip file, whatever its name or type; others stay as they are.

    JSON, CSV and XML cannot begin with the bytes of a gzip file.

    Returns:
        As `read_body`. A damaged or truncated file is returned as received.
    """
    if not body.startswith(_GZIP_MAGIC):
        return "ok", body, None
    size, decompressor = 0, _Decompressor("gzip")
    # First only counted, so that a bomb needs no memory.
    try:
        for part in decompressor.decompress(body):
            if (size := size + len(part)) > cap:
                return "too_large", None, f"more than {cap} bytes in the gzip file"
            if is_expired():
                return "truncated", body, "no time left to decompress the gzip file"
    except zlib.error:
        return "bad_encoding", body, "damaged gzip file"
    if not decompressor.is_complete:
        return "truncated", body, "the gzip file is cut short"
    content = BytesIO()
    for part in _Decompressor("gzip").decompress(body):
        content.write(part)
        if is_expired():
            return "truncated", body, "no time left to decompress the gzip file"
    return "ok", content.getvalue(), None


def read_body(
    raw: Any, encoding: str, cap: int, is_expired: Callable[[], bool] = lambda: False
) -> tuple[Outcome, bytes | None, str | None]:
    """Read a body and decompress it, with at most `cap` bytes before and after decompression.

    The body is decompressed twice: first only to count its bytes while they are received, then to
    keep them. So a decompression bomb needs only the memory of its compressed form. `is_expired`
    is checked before each piece, because a deadline closes sockets but cannot stop a computation;
    a body whose time expires is kept as received.

    Returns:
        The outcome, the body (None if it is too large) and a detail for outcomes other than ok.
    """
    decompressor = _Decompressor(encoding) if encoding in _INFLATABLE else None
    received, inflated, problem = BytesIO(), 0, None
    try:
        is_too_large = (raw.length_remaining or 0) > cap
        while not is_too_large and (piece := raw.read1(_PIECE, decode_content=False)):
            received.write(piece)
            for part in decompressor.decompress(piece) if decompressor else ():
                if (inflated := inflated + len(part)) > cap or is_expired():
                    break
            is_too_large = max(received.tell(), inflated) > cap
            if is_expired():
                raise TimeoutError
        if is_too_large:
            return "too_large", None, f"more than {cap} bytes"
    except zlib.error:
        return "bad_encoding", received.getvalue(), f"damaged {encoding}"
    except (urllib3.exceptions.HTTPError, OSError) as error:
        problem = f"the body is cut short: {describe_error(error)}"
    if decompressor is None:
        is_plain = encoding in {"", "identity"}
        outcome: Outcome = "truncated" if problem else "ok" if is_plain else "bad_encoding"
        return outcome, received.getvalue(), problem or (None if is_plain else "unknown encoding")
    body = BytesIO()
    for part in _Decompressor(encoding).decompress(received.getvalue()):
        body.write(part)
        if is_expired():
            return "truncated", received.getvalue(), "no time left to decompress it"
    problem = problem or (None if decompressor.is_complete else f"the {encoding} is cut short")
    return ("truncated" if problem else "ok"), body.getvalue(), problem


class _Decompressor:
    """Decompress gzip (one or more members) or deflate (with or without a zlib header)."""

    def __init__(self, encoding: str) -> None:
        self._encoding, self._is_finished, self.is_complete = encoding, False, True
        self._member: Any = None

    def decompress(self, data: bytes) -> Iterator[bytes]:
        """Decompress a piece into parts of at most 64 KiB; zlib.error if it is damaged."""
        with memoryview(data) as view:
            for start in range(0, len(data), _SLICE):
                yield from self._decompress_slice(bytes(view[start : start + _SLICE]))

    def _decompress_slice(self, data: bytes) -> Iterator[bytes]:
        part = b""
        # After a full part, more output may be pending although all input is consumed.
        while not self._is_finished and (data or len(part) == _PIECE):
            member = self._member or zlib.decompressobj(self._window_bits(data[0]))
            self._member, self.is_complete = member, member.eof
            part = member.decompress(data, _PIECE)
            yield part
            data = member.unconsumed_tail
            if member.eof:
                self._member, self.is_complete, part, data = None, True, b"", member.unused_data
                self._is_finished = self._encoding == "deflate" or data[:1] not in {b"", b"\x1f"}

    def _window_bits(self, first: int) -> int:
        if self._encoding != "deflate":
            return 31
        return 15 if first & 0x0F == 8 else -15


def describe_error(error: BaseException, redact: Callable[[str], str] = str) -> str:
    """Describe the root cause of an error; the messages above it contain URLs, also with keys.

    `redact` is applied to the whole text, before it is cut.
    """
    error = root_cause(error)
    if isinstance(error, SSLCertVerificationError):
        return f"TLS: {printable(redact(error.verify_message))}"
    # requests raises a plain OSError with the path where a certificate bundle is missing.
    text = str(error) if type(error) is OSError else getattr(error, "strerror", None)
    # The server controls parts of the text, such as an invalid status line.
    name = type(error).__name__
    return printable(redact(f"{name}: {text}")[:200]) if text else name


def root_cause(error: BaseException) -> BaseException:
    """The error that the others were raised from."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error
