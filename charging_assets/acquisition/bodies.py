"""Reading a body of unknown manners: within a size, whatever it is compressed to.

Belongs here: what an answer comes to, and reading and inflating its body. Does not belong here:
connections (`connections`), retries and redirects (`client`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from ssl import SSLCertVerificationError
from typing import Any, Literal

import urllib3

from charging_assets.text import printable

Outcome = Literal[
    "ok",  # 200, and the body is whole
    "http_error",  # any other status; the body is kept
    "redirect_refused",  # to another origin, or too often; the target was not asked
    "truncated",  # the connection ended before the body did; what came is kept
    "bad_encoding",  # compressed in a way not asked for, or damaged; kept as received
    "too_large",  # beyond max_body_bytes; not kept
    "connection_error",  # no answer: name, connection, TLS or HTTP itself failed
    "timeout",  # the place's time was over
    "over_budget",  # the poll's time was over
    "failed",  # this program failed; its log says how
]

_PIECE = 64 * 1024
# zlib copies what follows the end of a gzip member; what it is given at a time bounds that copy, so
# that a body of a million empty members costs its length and not the square of it.
_SLICE = 4 * 1024
_INFLATABLE = {"gzip", "x-gzip", "deflate"}


def read_body(
    raw: Any, encoding: str, cap: int, is_over: Callable[[], bool] = lambda: False
) -> tuple[Outcome, bytes | None, str | None]:
    """A body, decoded, if neither what is received nor what it inflates to is beyond the cap.

    It is inflated twice: as it comes, only counted, and when its size is known to be allowed. So
    a bomb costs the memory of its compressed form. `is_over` is asked before each piece, for a
    deadline shuts sockets and cannot stop a computation: what was received until then is kept as
    received.
    """
    inflating = _Inflating(encoding) if encoding in _INFLATABLE else None
    received, inflated, problem = BytesIO(), 0, None
    try:
        is_too_large = (raw.length_remaining or 0) > cap
        while not is_too_large and (piece := raw.read1(_PIECE, decode_content=False)):
            received.write(piece)
            for part in inflating.parts(piece) if inflating else ():
                if (inflated := inflated + len(part)) > cap or is_over():
                    break
            is_too_large = max(received.tell(), inflated) > cap
            if is_over():
                raise TimeoutError
        if is_too_large:
            return "too_large", None, f"more than {cap} bytes"
    except zlib.error:
        return "bad_encoding", received.getvalue(), f"damaged {encoding}"
    except (urllib3.exceptions.HTTPError, OSError) as error:
        problem = f"the body is cut short: {reason(error)}"
    if inflating is None:
        is_known = encoding in {"", "identity"}
        outcome: Outcome = "truncated" if problem else "ok" if is_known else "bad_encoding"
        return outcome, received.getvalue(), problem or (None if is_known else "unknown encoding")
    body = BytesIO()
    for part in _Inflating(encoding).parts(received.getvalue()):
        body.write(part)
        if is_over():
            return "truncated", received.getvalue(), "no time left to decompress it"
    problem = problem or (None if inflating.is_whole else f"the {encoding} is cut short")
    return ("truncated" if problem else "ok"), body.getvalue(), problem


class _Inflating:
    """gzip, also of several members, or deflate, with zlib's header or without."""

    def __init__(self, encoding: str) -> None:
        self._encoding, self._is_over, self.is_whole = encoding, False, True
        self._member: Any = None

    def parts(self, data: bytes) -> Iterator[bytes]:
        """What a piece inflates to, at most 64 KiB at a time; zlib.error if it is damaged."""
        with memoryview(data) as view:
            for start in range(0, len(data), _SLICE):
                yield from self._slice(bytes(view[start : start + _SLICE]))

    def _slice(self, data: bytes) -> Iterator[bytes]:
        part = b""
        # A full part may have more behind it although all of the input is taken.
        while not self._is_over and (data or len(part) == _PIECE):
            member = self._member or zlib.decompressobj(self._window_bits(data[0]))
            self._member, self.is_whole = member, member.eof
            part = member.decompress(data, _PIECE)
            yield part
            data = member.unconsumed_tail
            if member.eof:
                self._member, self.is_whole, part, data = None, True, b"", member.unused_data
                self._is_over = self._encoding == "deflate" or data[:1] not in {b"", b"\x1f"}

    def _window_bits(self, first: int) -> int:
        if self._encoding != "deflate":
            return 31
        return 15 if first & 0x0F == 8 else -15


def reason(error: BaseException) -> str:
    """Why, by the root of the error: the messages above it carry addresses, keys included."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    if isinstance(error, SSLCertVerificationError):
        return f"TLS: {printable(error.verify_message)}"
    # requests says by a bare OSError that a bundle of certificates is missing, and which.
    text = str(error) if type(error) is OSError else getattr(error, "strerror", None)
    # A server chooses parts of it, such as a status line that is none.
    return printable(f"{type(error).__name__}: {text}"[:200]) if text else type(error).__name__
