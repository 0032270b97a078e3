"""Random changes of valid input; most results are nearly valid."""

from __future__ import annotations

import json
import random
from typing import Any

_TEXTS = [
    "", " ", "\x00", "\x1b[31m", "\u202e", "ä", "👍🏽", "../x", "a/b", "'", '"', "%", "-", "--1",
    "9" * 400, "1e999", "nan", "inf", "true", "null", "0001-01-01", "9999-12-31T24:00", "{", "[",
    "koeln", "x" * 5000, "=1+1", "<!channel>", "\ud7ff", "𝕏", "\r\n", "None",
]  # fmt: skip
_VALUES: list[Any] = [
    None, True, False, 0, -1, 2**31, 2**63, 2**64, 1.5, -0.0, 1e308, [], {}, [[]], [None], {"": 1},
]  # fmt: skip


def value(source: random.Random) -> Any:
    """A value of any JSON type."""
    return source.choice(_TEXTS if source.random() < 0.6 else _VALUES)


def mutate(document: Any, source: random.Random, rate: float = 0.05) -> Any:
    """Drop, repeat, rename or replace some members of a JSON document."""
    if source.random() < rate:
        return value(source)
    if isinstance(document, dict):
        mutated = {}
        for name, member in document.items():
            roll = source.random()
            if roll < rate / 2:
                continue
            new_name = source.choice(_TEXTS) if roll < rate else name
            mutated[new_name] = mutate(member, source, rate)
        return mutated
    if isinstance(document, list):
        members = [mutate(member, source, rate) for member in document]
        if members and source.random() < rate:
            members.append(source.choice(members))
        return members
    return document


def corrupt(content: bytes, source: random.Random) -> bytes:
    """Change, insert or drop some bytes, or truncate the content."""
    content_list = bytearray(content)
    for _ in range(source.choice([0, 0, 1, 1, 2, 5, 20])):
        if not content_list:
            break
        at = source.randrange(len(content_list))
        match source.randrange(4):
            case 0:
                content_list[at] = source.randrange(256)
            case 1:
                content_list[at:at] = source.choice([b"\x00", b"\xff", b'"', b"{", b"\xe2\x80"])
            case 2:
                del content_list[at : at + source.randrange(1, 20)]
            case _:
                del content_list[at:]
    return bytes(content_list)


def encode(document: Any) -> bytes:
    """Encode a document as JSON."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
