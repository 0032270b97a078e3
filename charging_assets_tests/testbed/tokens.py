"""SQL as tokens with places, so that a statement can be changed without being written anew.

Belongs here: reading and editing. Does not belong here: what any dialect means by a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from charging_assets_tests.testbed.errors import SYNTAX, Refused


@dataclass(frozen=True)
class Token:
    """A word, string, number or sign; `upper` is empty for strings and quoted names."""

    text: str
    upper: str
    start: int
    end: int
    is_string: bool = False

    @property
    def name(self) -> str:
        """The token as an identifier: folded to lower case unless it was quoted."""
        return self.text.lower() if self.upper else self.text


class Statement:
    """The tokens of one statement, and edits to its text."""

    def __init__(self, sql: str, tokens: tuple[Token, ...] | None = None) -> None:
        self.sql = sql
        self.tokens = tokenized(sql) if tokens is None else tokens
        self._edits: list[tuple[int, int, str]] = []

    def upper(self, at: int) -> str:
        return self.tokens[at].upper if 0 <= at < len(self.tokens) else ""

    def starts(self, *words: str, at: int = 0) -> bool:
        return all(self.upper(at + offset) == word for offset, word in enumerate(words))

    def find(self, *words: str, at: int = 0, depth: int | None = None) -> int:
        """The first place of consecutive words (at a depth of parentheses if given), or -1."""
        for place, level in self.levels(at):
            if depth in (None, level) and self.starts(*words, at=place):
                return place
        return -1

    def levels(self, at: int = 0) -> Iterator[tuple[int, int]]:
        """Places with their depth of parentheses, counted from `at`."""
        level = 0
        for place in range(at, len(self.tokens)):
            if self.upper(place) == ")":
                level -= 1
            yield place, level
            if self.upper(place) == "(":
                level += 1

    def close(self, opening: int) -> int:
        """The place of the parenthesis that closes the one at `opening`."""
        for place, level in self.levels(opening):
            if place > opening and level == 0:
                return place
        raise syntax_error("end of input")

    def parts(self, first: int, last: int) -> list[tuple[int, int]]:
        """The pieces between commas of [first, last), as ranges of places."""
        found, begin, level = [], first, 0
        for place in range(first, last):
            word = self.upper(place)
            level += (word == "(") - (word == ")")
            if word == "," and level == 0:
                found.append((begin, place))
                begin = place + 1
        return [*found, (begin, last)]

    def qualified_name(self, at: int) -> tuple[str, int]:
        """A name with its schema, quoted for PostgreSQL, and the place after it."""
        parts = [quoted(self.tokens[at].name)]
        at += 1
        while self.upper(at) == ".":
            parts.append(quoted(self.tokens[at + 1].name))
            at += 2
        return ".".join(parts), at

    def text(self, first: int, last: int) -> str:
        """The source of the places [first, last)."""
        if first >= last:
            return ""
        return self.sql[self.tokens[first].start : self.tokens[last - 1].end]

    def replace(self, first: int, last: int, words: str) -> None:
        """Put words in the stead of the places [first, last)."""
        self._edits.append((self.tokens[first].start, self.tokens[last - 1].end, words))

    def edited(self) -> str:
        """The statement with all edits made."""
        sql = self.sql
        for start, end, words in sorted(self._edits, reverse=True):
            sql = sql[:start] + words + sql[end:]
        return sql


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(words: str) -> str:
    return "'" + words.replace("\\", "\\\\").replace("'", "''") + "'"


def syntax_error(near: str) -> Refused:
    if near == "end of input":
        return Refused("syntax error at end of input", SYNTAX)
    return Refused(f'syntax error at or near "{near}"', SYNTAX)


# Backslashes escape in strings, as in Redshift's (and the PostgreSQL 8 that it came from).
_TOKEN = re.compile(
    r"""
    (?P<blank> \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<string> '(?: [^'\\] | \\. | '' )*' | \$\$.*?\$\$ )
  | (?P<quoted> "(?: [^"] | "" )+" )
  | (?P<word> [^\W\d][\w$]* | \#[^\W\d][\w$]* | \$\d+ | \d+(?:\.\d*)?(?:[eE][+-]?\d+)? | \.\d+ )
  | (?P<sign> :: | <> | != | <= | >= | \|\| | !?~\*? | [^\s\w] )
    """,
    re.VERBOSE | re.DOTALL,
)


@lru_cache(maxsize=1024)
def tokenized(sql: str) -> tuple[Token, ...]:
    """The tokens of a text; comments are none."""
    found, at = [], 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None or (match["sign"] or "") in {"'", '"'}:
            raise Refused(f'unterminated quoted string at or near "{sql[at : at + 20]}"', SYNTAX)
        at = match.end()
        if match["string"]:
            given = match["string"]
            words = given[2:-2] if given[0] == "$" else _unescaped(given[1:-1])
            found.append(Token(words, "", match.start(), at, is_string=True))
        elif match["quoted"]:
            words = match["quoted"][1:-1].replace('""', '"')
            found.append(Token(words, "", match.start(), at))
        elif not match["blank"]:
            found.append(Token(match[0], match[0].upper(), match.start(), at))
    return tuple(found)


def _unescaped(words: str) -> str:
    return re.sub(r"\\(.)|''", lambda found: found[1] or "'", words, flags=re.DOTALL)


def statements(sql: str) -> list[str]:
    """A text split at its semicolons, without what is empty."""
    found, begin = [], 0
    for token in tokenized(sql):
        if token.upper == ";":
            found.append(sql[begin : token.start])
            begin = token.end
    return [part for part in [*found, sql[begin:]] if tokenized(part)]
