"""Reading JSON that is not quite JSON, so that one bad value never costs its neighbours.

Belongs here: the slow path for what the strict decoder refuses (NaN, 1e999, lone surrogates, bad
UTF-8), with every repair named. Does not belong here: what fields mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from charging_assets.kinds import BadBody

Repairs = list[tuple[str, str]]

# More digits than any published number has; Python itself refuses to parse over 4,300.
_MAX_DIGITS = 300


def parse(body: bytes) -> tuple[Any, Repairs]:
    """The JSON value of a body, as far as there is one; BadBody if there is none."""
    repairs: Repairs = []
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("utf-8", "replace")
        repairs.append(("", "invalid_utf8"))
    try:
        return json.loads(text, parse_int=_whole, parse_float=_real, parse_constant=float), repairs
    except RecursionError:
        raise BadBody("too_deep", "the answer is nested too deeply", body) from None
    except ValueError as error:
        raise BadBody("not_json", f"the answer is not JSON: {error}", body) from None


def members(values: Sequence[Any], pointer: str) -> tuple[list[bytes], Repairs]:
    """Each member as strict JSON: what JSON cannot say becomes null and is named by pointer."""
    repairs: Repairs = []
    encoded = []
    for index, value in enumerate(values):
        try:
            strict = _strict(value, f"{pointer}/{index}", repairs)
            encoded.append(msgspec.json.encode(strict))
        except RecursionError:
            repairs.append((f"{pointer}/{index}", "too_deep"))
            encoded.append(b"null")
    return encoded, repairs


def record(fragment: bytes) -> tuple[Any, Repairs]:
    """One record's value; its repairs' pointers are relative to the record."""
    try:
        return msgspec.json.decode(fragment), []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    value, repairs = parse(fragment)
    (strict,), damaged = members([value], "")
    return msgspec.json.decode(strict), [
        *repairs,
        *((pointer.removeprefix("/0"), code) for pointer, code in damaged),
    ]


def pointer_token(name: str) -> str:
    """A field's name in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < _MAX_DIGITS else math.inf


def _real(digits: str) -> float:
    return float(digits)


def _strict(value: Any, pointer: str, repairs: Repairs) -> Any:
    if isinstance(value, dict):
        return {
            _clean_text(name, pointer, repairs): _strict(
                member, f"{pointer}/{pointer_token(name)}", repairs
            )
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_strict(member, f"{pointer}/{i}", repairs) for i, member in enumerate(value)]
    if isinstance(value, str):
        return _clean_text(value, pointer, repairs)
    if isinstance(value, float) and not math.isfinite(value):
        repairs.append((pointer, "not_finite"))
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value


def _clean_text(value: str, pointer: str, repairs: Repairs) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        repairs.append((pointer, "invalid_utf8"))
        return value.encode("utf-8", "replace").decode()
    return value
