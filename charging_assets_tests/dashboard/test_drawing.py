"""Recompressed PNGs have the same pixels."""

from __future__ import annotations

import struct
import zlib

import altair as alt
import vl_convert

from charging_assets.dashboard.drawing import png, svg


def chunks(picture: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and body of each chunk of a PNG, with their sums checked."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    parts, at = [], 8
    while at < len(picture):
        (length,) = struct.unpack(">I", picture[at : at + 4])
        body = picture[at + 4 : at + 8 + length]
        assert picture[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(body))
        parts.append((body[:4], body[4:]))
        at += 12 + length
    return parts


def pixels(picture: bytes) -> bytes:
    return zlib.decompress(b"".join(body for kind, body in chunks(picture) if kind == b"IDAT"))


def test_png__is_the_same_picture_in_fewer_bytes() -> None:
    values = alt.InlineData(values=[{"x": n, "y": n % 7} for n in range(200)])
    drawn = svg(alt.Chart(values).mark_bar().encode(x="x:O", y="y:Q"), "en", "bars")
    plain = bytes(vl_convert.svg_to_png(drawn, scale=2.0))
    packed = png(drawn)
    assert pixels(packed) == pixels(plain)
    assert [kind for kind, _ in chunks(packed)][-2:] == [b"IDAT", b"IEND"]
    assert dict(chunks(packed))[b"IHDR"] == dict(chunks(plain))[b"IHDR"]
    assert len(packed) < len(plain) / 2
