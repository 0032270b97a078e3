"""Reading a body: what decompressing costs, and that it ends when its time is over."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any

import pytest

from charging_assets.acquisition import bodies
from charging_assets.acquisition.bodies import read_body

_EMPTY_MEMBER = gzip.compress(b"", mtime=0)


class _Raw:
    """A response's raw stream over bytes."""

    def __init__(self, body: bytes) -> None:
        self._body, self.length_remaining = io.BytesIO(body), len(body)

    def read1(self, size: int, decode_content: bool = False) -> bytes:
        return self._body.read(size)


class _CountingZlib:
    """zlib that counts the bytes which its decompressors are given."""

    error = zlib.error

    def __init__(self) -> None:
        self.given = 0

    def decompressobj(self, window_bits: int) -> Any:
        counting, member = self, zlib.decompressobj(window_bits)

        class Member:
            def decompress(self, data: bytes, size: int) -> bytes:
                counting.given += len(data)
                return member.decompress(data, size)

            def __getattr__(self, name: str) -> Any:
                return getattr(member, name)

        return Member()


def _bytes_given(monkeypatch: pytest.MonkeyPatch, members: int) -> int:
    counting = _CountingZlib()
    monkeypatch.setattr(bodies, "zlib", counting)
    assert read_body(_Raw(_EMPTY_MEMBER * members), "gzip", 1 << 20) == ("ok", b"", None)
    return counting.given


@pytest.mark.fault(
    "gzip of a million members that hold nothing",
    "twice the members take twice the time",
    area="answers",
)
def test_read_body__gzip_of_empty_members_costs_its_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    once, twice = (_bytes_given(monkeypatch, members) for members in (2_000, 4_000))
    assert twice <= 2.2 * once


@pytest.mark.parametrize("looks", [0, 1, 5, 20])
def test_read_body__time_that_is_over_ends_decompressing(looks: int) -> None:
    compressed, left = gzip.compress(bytes(2_000_000)), iter(range(looks))
    outcome, body, problem = read_body(
        _Raw(compressed), "gzip", 10_000_000, lambda: next(left, None) is None
    )
    assert outcome == "truncated"
    assert body is not None
    assert compressed.startswith(body)
    assert problem == "no time left to decompress it"


def test_read_body__time_that_is_over_ends_reading() -> None:
    outcome, body, _ = read_body(_Raw(bytes(1_000_000)), "", 10_000_000, lambda: True)
    assert outcome == "truncated"
    assert body is not None
    assert len(body) < 1_000_000
