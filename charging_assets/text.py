"""Text helpers: make text of others safe to print, count nouns."""

from __future__ import annotations

import re

# C0 and C1 controls without tab and newline, line and paragraph separators, and the characters
# that change the direction of the following text (Unicode TR #36, section 3.2).
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_STRIPPED = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ") | dict.fromkeys(
    map(ord, _BIDIRECTIONAL)
)


def escape_control(text: str) -> str:
    """Escape control and bidirectional characters as `\\x1b` or `\\u202e`, except tab and newline.

    A terminal executes control characters; bidirectional ones change how a text reads.
    """
    return _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def strip_control(text: str) -> str:
    """Remove bidirectional characters, and replace each control character by a space.

    Control characters are C0 (with tab and newline), DEL, C1, and line and paragraph separators.
    """
    return text if text.isprintable() else text.translate(_STRIPPED)


def escape_json_control(text: str, *, lines: bool = True) -> str:
    """`escape_control` in JSON notation, `\\u001b`; without `lines` also tab and newline."""
    text = _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text if lines else text.replace("\t", "\\t").replace("\n", "\\n")


def count_noun(number: int, one: str, many: str | None = None) -> str:
    """`1 hour`, `1,048 hours`: a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def printable(text: str) -> str:
    """One line of valid UTF-8: tabs, newlines and invalid bytes are escaped too.

    `k\\xf6ln` is a file name in another encoding.
    """
    try:
        decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        decoded = text.encode("utf-8", "backslashreplace").decode()
    return escape_control(decoded.replace("\t", "\\t").replace("\n", "\\n"))


def is_address(path: str) -> bool:
    """Whether a path is in fact a URL, which may hold a password that messages must not show."""
    return "://" in path


def redact_url(url: str) -> str:
    """A URL without user, password, query and fragment, for error messages."""
    start = url.find("//") + 2 if "//" in url else 0
    at = url.rfind("@")
    redacted = f"{url[:start]}…{url[at:]}" if at >= start else url
    return re.sub(r"[?#].*", "?…", redacted, flags=re.DOTALL)
