"""Reading a body: the cost of decompression, and that it stops at the time limit."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any

import pytest

from charging_assets.acquisition import response_body
from charging_assets.acquisition.response_body import read_body

_EMPTY_MEMBER = gzip.compress(b"", mtime=0)


class _Raw:
    """A response's raw stream over bytes."""

    def __init__(self, body: bytes) -> None:
        self._body, self.length_remaining = io.BytesIO(body), len(body)

    def read1(self, size: int, decode_content: bool = False) -> bytes:
        return self._body.read(size)


class _CountingZlib:
    """zlib that counts the input bytes of its decompressors."""

    error = zlib.error

    def __init__(self) -> None:
        self.input_bytes = 0

    def decompressobj(self, window_bits: int) -> Any:
        counting, member = self, zlib.decompressobj(window_bits)

        class Member:
            def decompress(self, data: bytes, size: int) -> bytes:
                counting.input_bytes += len(data)
                return member.decompress(data, size)

            def __getattr__(self, name: str) -> Any:
                return getattr(member, name)

        return Member()


def _input_bytes(monkeypatch: pytest.MonkeyPatch, members: int) -> int:
    counting = _CountingZlib()
    monkeypatch.setattr(response_body, "zlib", counting)
    assert read_body(_Raw(_EMPTY_MEMBER * members), "gzip", 1 << 20) == ("ok", b"", None)
    return counting.input_bytes


@pytest.mark.fault(
    "gzip with a million empty members",
    "decompression time is linear in the number of members",
    area="answers",
)
def test_read_body__gzip_of_empty_members_takes_linear_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    once, twice = (_input_bytes(monkeypatch, members) for members in (2_000, 4_000))
    assert twice <= 2.2 * once


@pytest.mark.parametrize("checks", [0, 1, 5, 20])
def test_read_body__expired_time_ends_decompressing(checks: int) -> None:
    compressed, left = gzip.compress(bytes(2_000_000)), iter(range(checks))
    outcome, body, problem = read_body(
        _Raw(compressed), "gzip", 10_000_000, lambda: next(left, None) is None
    )
    assert outcome == "truncated"
    assert body is not None
    assert compressed.startswith(body)
    assert problem == "no time left to decompress it"


def test_read_body__expired_time_ends_reading() -> None:
    outcome, body, _ = read_body(_Raw(bytes(1_000_000)), "", 10_000_000, lambda: True)
    assert outcome == "truncated"
    assert body is not None
    assert len(body) < 1_000_000
