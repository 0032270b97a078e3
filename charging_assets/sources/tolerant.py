"""A tolerant JSON parser, so that one invalid value does not affect the rest of a response.

It is the slow path for text that the strict decoder rejects (NaN, 1e999, lone surrogates, invalid
UTF-8, bare control characters, deep nesting), and reports every repair.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from charging_assets.sources import BadBody

# The path of a value: its name or index, and the path of its parent; None is the record.
Path = tuple[Any, "Path"] | None
# Called with the code and path of a repair. Its `pointer` is rendered only if it is listed.
Report = Callable[[str, Path], None]

# Far more than any record has, and far below Python's recursion limit.
MAX_DEPTH = 320
# Longer field names are cut.
MAX_NAME = 256
# Longer pointers are cut when they are stored; rendering more would only cost memory.
_POINTER_CHARACTERS = 1024
# Python's limit for parsing integers.
_MAX_DIGITS = 4300
_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},:]', re.DOTALL)
_CLOSED_BY = {b"[": b"]", b"{": b"}"}


def parse(text: bytes) -> tuple[Any, list[str]]:
    """The JSON value of a text, and the codes of repairs.

    Raises:
        BadBody: the text is not JSON.
    """
    repairs: list[str] = []
    text = text.removeprefix(_BOM)
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode("utf-8", "replace")
        repairs.append("invalid_utf8")
    try:
        try:
            return _loads(decoded, strict=True), repairs
        except ValueError as error:
            # Keep the text only: the error would keep this frame in memory.
            refusal = str(error)
        # Fails again unless bare control characters were the only problem.
        return _loads(decoded, strict=False), [*repairs, "control_character"]
    except RecursionError:
        raise BadBody("too_deep", "the answer is nested too deeply", text) from None
    except ValueError:
        raise BadBody("not_json", f"the answer is not JSON: {refusal}", text) from None


def members(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The unparsed members of a list or an object as (name, value); BadBody if it is neither.

    Only brackets and quotes must match; errors inside a member do not affect other members.
    """
    text = text.removeprefix(_BOM).strip()
    open_brackets: list[bytes] = []
    name, start = b"", 1
    for token in _TOKEN.finditer(text if text[:1] in _CLOSED_BY else b""):
        mark = token[0]
        is_member = len(open_brackets) == 1
        if mark in _CLOSED_BY:
            open_brackets.append(mark)
        elif mark in (b"]", b"}"):
            if _CLOSED_BY[open_brackets.pop()] != mark:
                break
            if is_member:
                if name or text[start : token.start()].strip():
                    yield name, text[start : token.start()].strip()
                if token.end() < len(text):
                    break
                return
        elif mark == b"," and is_member:
            yield name, text[start : token.start()].strip()
            name, start = b"", token.end()
        elif mark == b":" and is_member and open_brackets == [b"{"] and not name:
            name, start = text[start : token.start()].strip(), token.end()
        elif mark == b'"':
            break
    raise BadBody("not_json", "the answer is not JSON: its brackets do not match", text)


def is_object(text: bytes) -> bool:
    """Whether a text begins like an object."""
    return text.removeprefix(_BOM).lstrip().startswith(b"{")


def fields(text: bytes) -> dict[str, bytes]:
    """The unparsed fields of an object by name; the last one of a name wins."""
    return dict(named_members(text))


def named_members(text: bytes) -> Iterator[tuple[str, bytes]]:
    """The unparsed fields of an object as (name, value); a name may occur several times."""
    for name, value in members(text):
        parsed = parse(name)[0] if name else None
        if not isinstance(parsed, str):
            raise BadBody("not_json", "the answer is not JSON: a field has no name", text)
        yield _clean_text(parsed, None, ignore), value


def ignore(_code: str, _path: Path) -> None:
    """A `Report` that ignores repairs."""


def record(fragment: bytes, report: Report = ignore) -> Any:
    """The value of one record; pointers of repairs are relative to the record."""
    if _is_too_deep(fragment):
        raise BadBody("too_deep", f"the record is nested over {MAX_DEPTH} levels", fragment)
    try:
        return msgspec.json.decode(fragment)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value, codes = parse(fragment)
    for code in codes:
        report(code, None)
    return _strict(value, None, report)


def pointer_token(name: str) -> str:
    """A field name as token of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def pointer(path: Path) -> str:
    """The JSON pointer of a path, cut since names may be as long as the response."""
    names: list[str | int] = []
    while path is not None:
        name, path = path
        names.append(name)
    rendered = ""
    while names and len(rendered) < _POINTER_CHARACTERS:
        rendered += "/" + pointer_token(str(names.pop())[:_POINTER_CHARACTERS])
    return rendered[:_POINTER_CHARACTERS]


def _loads(text: str, *, strict: bool) -> Any:
    return json.loads(text, parse_int=_whole, parse_constant=float, strict=strict)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits.lstrip("-")) <= _MAX_DIGITS else math.inf


def _is_too_deep(fragment: bytes) -> bool:
    if fragment.count(b"[") + fragment.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _TOKEN.finditer(fragment):
        if token[0] in _CLOSED_BY:
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token[0] in (b"]", b"}"):
            depth -= 1
    return False


def _strict(value: Any, path: Path, report: Report) -> Any:
    """The value without parts that strict JSON cannot represent; each repair is reported."""
    if isinstance(value, dict):
        strict = {}
        for published, member in value.items():
            name = _clean_text(published, path, report)
            strict[name] = _strict(member, (name, path), report)
        return strict
    if isinstance(value, list):
        return [_strict(member, (index, path), report) for index, member in enumerate(value)]
    if isinstance(value, str):
        return _clean_text(value, path, report)
    if isinstance(value, float) and not math.isfinite(value):
        report("not_finite", path)
        return None
    return value


def _clean_text(value: str, path: Path, report: Report) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        report("invalid_utf8", path)
        return value.encode("utf-8", "replace").decode()
    return value
