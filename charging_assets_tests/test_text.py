"""Text that others sent, made safe to show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging_assets.text import escape_control, printable, redact_url

_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1bc", "\\x1b[31mred\\x1bc"),
        ("bell\x07", "bell\\x07"),
        ("C1 \x9b31m", "C1 \\x9b31m"),
        ("a\rb", "a\\x0db"),
        ("exe.\u202egnp", "exe.\\u202egnp"),
        ("two\nlines\tand Köln, 東京, 👍🏽", "two\nlines\tand Köln, 東京, 👍🏽"),
    ],
)
def test_escape_control__escapes_terminal_controls(text: str, expected: str) -> None:
    assert escape_control(text) == expected


@given(st.text())
def test_escape_control__leaves_no_control_or_direction(text: str) -> None:
    escaped = escape_control(text)
    assert not {unicodedata.bidirectional(char) for char in escaped} & _DIRECTIONS
    assert all(char in "\n\t" or unicodedata.category(char) != "Cc" for char in escaped)
    assert escape_control(escaped) == escaped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("köln.json", "köln.json"),
        (b"k\xf6ln.json".decode("utf-8", "surrogateescape"), "k\\xf6ln.json"),
        ("a\x1b[31mb\nc\0", "a\\x1b[31mb\\nc\\x00"),
        ("\ud800x", "\\ud800x"),
        ("\u202eabc", "\\u202eabc"),
    ],
)
def test_printable__escapes_unsafe_text(text: str, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://poi.example.org/a", "https://poi.example.org/a"),
        ("https://ops:sentinel@poi.example.org/a", "https://…@poi.example.org/a"),
        ("https://ops:sen/tin@el@poi.example.org", "https://…@poi.example.org"),
        ("s3://KEY:sentinel@bucket/prefix", "s3://…@bucket/prefix"),
        ("ops:sentinel@poi.example.org", "…@poi.example.org"),
        ("https://poi.example.org/a?key=sentinel", "https://poi.example.org/a?…"),
        ("https://poi.example.org/a#sentinel\nsentinel", "https://poi.example.org/a?…"),
    ],
)
def test_redact_url__removes_user_password_and_query(url: str, expected: str) -> None:
    assert redact_url(url) == expected
