"""Reading JSON that is not quite JSON, so that one bad value never costs its neighbours.

Belongs here: the slow path for what the strict decoder refuses (NaN, 1e999, lone surrogates, bad
UTF-8, bare control characters, endless nesting), with every repair named. Does not belong here:
what fields mean.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from charging_assets.kinds import BadBody

# Where a value is: its name or index, and where the value that holds it is; None is the record.
Path = tuple[Any, "Path"] | None
# A repair's code and path. Its `pointer` is not rendered for what nobody lists.
Report = Callable[[str, Path], None]

# Far more than any record has, and far from the end of Python's stack wherever it is read.
MAX_DEPTH = 320
# Of longer names of fields, the beginning is kept.
MAX_NAME = 256
# Longer pointers are cut by whoever stores them; rendering more of them would only cost memory.
_POINTER_CHARACTERS = 1024
# Python itself refuses to parse more.
_MAX_DIGITS = 4300
_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},:]', re.DOTALL)
_CLOSED_BY = {b"[": b"]", b"{": b"}"}


def parse(text: bytes) -> tuple[Any, list[str]]:
    """The JSON value of a text, as far as there is one, and the codes of repairs to the text.

    BadBody if there is none.
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
            # Its text alone: the error holds this frame, and would be in memory as long as it.
            refusal = str(error)
        # Refused again unless bare control characters were all that was wrong.
        return _loads(decoded, strict=False), [*repairs, "control_character"]
    except RecursionError:
        raise BadBody("too_deep", "the answer is nested too deeply", text) from None
    except ValueError:
        raise BadBody("not_json", f"the answer is not JSON: {refusal}", text) from None


def members(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The members of a list or an object as (name, value), unparsed; BadBody if it is neither.

    Only brackets and quotes must be whole: what is wrong inside a member stays inside it.
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
    """Whether a text begins as an object does."""
    return text.removeprefix(_BOM).lstrip().startswith(b"{")


def fields(text: bytes) -> dict[str, bytes]:
    """An object's fields by name, unparsed; of one that is there twice, the last."""
    return dict(named_members(text))


def named_members(text: bytes) -> Iterator[tuple[str, bytes]]:
    """An object's fields as (name, value), unparsed; a name may occur twice."""
    for name, value in members(text):
        parsed = parse(name)[0] if name else None
        if not isinstance(parsed, str):
            raise BadBody("not_json", "the answer is not JSON: a field has no name", text)
        yield _clean_text(parsed, None, ignore), value


def ignore(_code: str, _path: Path) -> None:
    """Report of repairs that nobody wants to know."""


def record(fragment: bytes, report: Report = ignore) -> Any:
    """One record's value; pointers of its repairs are relative to the record."""
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
    """A field's name in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def pointer(path: Path) -> str:
    """The JSON pointer of a path, cut: names may be as long as the answer."""
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
    """The value without what strict JSON cannot say; each repair is reported."""
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
