"""Text that others sent, made safe to show in a terminal, a log, a message or a page."""

from __future__ import annotations

import re

# C0 and C1 controls without tab and newline, the separators that some programs take for newlines,
# and the characters that change the direction of what follows (Unicode TR #36, section 3.2).
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_STRIPPED = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ") | dict.fromkeys(
    map(ord, _BIDIRECTIONAL)
)


def escape_control(text: str) -> str:
    """Show control and bidirectional characters as `\\x1b` or `\\u202e`; tab and newline stay.

    A terminal obeys the first kind, and the second lets a text read as another one.
    """
    return _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def strip_control(text: str) -> str:
    """A text without bidirectional characters, and with a space for each control character.

    The controls are C0 (tab and newline too), DEL, C1 and the separators of lines and paragraphs.
    """
    return text if text.isprintable() else text.translate(_STRIPPED)


def escape_json_control(text: str, *, lines: bool = True) -> str:
    """`escape_control` in the spelling of JSON, `\\u001b`; without `lines`, tab and newline too."""
    text = _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text if lines else text.replace("\t", "\\t").replace("\n", "\\n")


def shorten(text: str, length: int) -> str:
    """The text, cut to at most `length` characters with an ellipsis as the last."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def printable(text: str) -> str:
    """Text of one line as UTF-8: also tabs, newlines and what is no character are escaped.

    `k\\xf6ln` is a file name whose bytes are of another encoding.
    """
    try:
        decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a pair of UTF-16, which stands for no byte
        decoded = text.encode("utf-8", "backslashreplace").decode()
    return escape_control(decoded.replace("\t", "\\t").replace("\n", "\\n"))


def is_address(path: str) -> bool:
    """Whether what should be a path is a URL, whose password messages must not show."""
    return "://" in path


def redact_url(url: str) -> str:
    """An address as errors may show it: without user, password, query and fragment."""
    start = url.find("//") + 2 if "//" in url else 0
    at = url.rfind("@")
    shown = f"{url[:start]}…{url[at:]}" if at >= start else url
    return re.sub(r"[?#].*", "?…", shown, flags=re.DOTALL)
