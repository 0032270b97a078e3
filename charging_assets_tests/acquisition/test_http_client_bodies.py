"""Response bodies: compressed, in chunks, truncated, or not JSON."""

from __future__ import annotations

import gzip
import zlib

import pytest

from charging_assets_tests.acquisition import loopback
from charging_assets_tests.acquisition.client_calls import fetch_from
from charging_assets_tests.acquisition.loopback import OK, Loopback, reply


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "compressed"),
    [
        ("gzip", gzip.compress(OK * 5000)),
        ("GZIP", gzip.compress(OK * 2500) + gzip.compress(OK * 2500)),
        ("x-gzip", gzip.compress(OK * 5000) + b"trailing rubbish"),
        ("deflate", zlib.compress(OK * 5000)),
        ("deflate", _raw_deflate(OK * 5000)),
        ("identity", OK * 5000),
    ],
)
def test_fetch__supported_encoding_is_decoded(
    server: Loopback, encoding: str, compressed: bytes
) -> None:
    server.behaviours["x"] = reply(compressed, Content_Encoding=encoding)
    place = fetch_from(server)
    assert (place.outcome, place.body) == ("ok", OK * 5000)


# With 65,540 the output is full when all input is consumed, and some output is pending.
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 65_540, 131_072, 1_000_000])
def test_fetch__compressed_body_of_any_size_is_complete(server: Loopback, size: int) -> None:
    body = b"a" * size
    server.behaviours["x"] = reply(gzip.compress(body), Content_Encoding="gzip")
    server.behaviours["y"] = reply(_raw_deflate(body), Content_Encoding="deflate")
    assert [
        (place.outcome, place.body) for place in (fetch_from(server), fetch_from(server, "y"))
    ] == [
        ("ok", body),
        ("ok", body),
    ]


@pytest.mark.parametrize(
    "compressed", [gzip.compress(OK) + gzip.compress(OK), zlib.compress(OK * 2)]
)
def test_fetch__body_in_chunks_of_one_byte_is_complete(server: Loopback, compressed: bytes) -> None:
    encoding = "gzip" if compressed[:1] == b"\x1f" else "deflate"

    def behave(handler: loopback.Handler) -> None:
        handler.begin(Transfer_Encoding="chunked", Content_Encoding=encoding)
        for byte in (*compressed, None):
            handler.chunk(b"" if byte is None else bytes([byte]))

    server.behaviours["x"] = behave
    place = fetch_from(server)
    assert (place.outcome, place.body) == ("ok", OK * 2)


@pytest.mark.fault(
    "HTML, a truncated answer, or an answer of another schema",
    "the body is archived byte for byte and reported; no other answer is affected",
    area="answers",
)
def test_fetch__html_with_200_is_ok_for_the_transport(server: Loopback) -> None:
    server.behaviours["x"] = loopback.html()
    assert (fetch_from(server).outcome, fetch_from(server).body) == ("ok", loopback.HTML)


@pytest.mark.fault(
    "HTML, a truncated answer, or an answer of another schema",
    area="answers",
)
@pytest.mark.parametrize(
    ("behaviour", "kept"),
    [
        (loopback.truncated(), OK),
        (loopback.truncated_chunks(), OK),
        (loopback.broken_chunks(), OK),
        (loopback.truncated_gzip(OK), None),
    ],
    ids=["content_length", "chunks", "broken_chunks", "gzip"],
)
def test_fetch__truncated_body_is_kept_and_reported(
    server: Loopback, behaviour: loopback.Behaviour, kept: bytes | None
) -> None:
    server.behaviours["x"] = behaviour
    place = fetch_from(server)
    assert (place.outcome, place.http_status) == ("truncated", 200)
    assert place.body is not None and place.body and OK.startswith(place.body)
    assert kept is None or place.body == kept


@pytest.mark.parametrize(
    ("encoding", "body"), [("br", b"\x0b\x02\x80"), ("gzip", OK), ("gzip, gzip", b"x")]
)
def test_fetch__encoding_not_accepted_is_kept_as_received(
    server: Loopback, encoding: str, body: bytes
) -> None:
    server.behaviours["x"] = reply(body, Content_Encoding=encoding)
    place = fetch_from(server)
    assert (place.outcome, place.body) == ("bad_encoding", body)
