"""SQL as tokens with positions, so that parts of a statement can be replaced."""

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
        self.tokens = tokenize(sql) if tokens is None else tokens
        self._edits: list[tuple[int, int, str]] = []

    def upper(self, at: int) -> str:
        return self.tokens[at].upper if 0 <= at < len(self.tokens) else ""

    def starts(self, *words: str, at: int = 0) -> bool:
        return all(self.upper(at + offset) == word for offset, word in enumerate(words))

    def find(self, *words: str, at: int = 0, depth: int | None = None) -> int:
        """The first position of consecutive words (at a depth of parentheses if given), or -1."""
        for position, level in self.levels(at):
            if depth in (None, level) and self.starts(*words, at=position):
                return position
        return -1

    def levels(self, at: int = 0) -> Iterator[tuple[int, int]]:
        """Positions with their depth of parentheses, counted from `at`."""
        level = 0
        for position in range(at, len(self.tokens)):
            if self.upper(position) == ")":
                level -= 1
            yield position, level
            if self.upper(position) == "(":
                level += 1

    def close(self, opening: int) -> int:
        """The position of the parenthesis that closes the one at `opening`."""
        for position, level in self.levels(opening):
            if position > opening and level == 0:
                return position
        raise syntax_error("end of input")

    def parts(self, first: int, last: int) -> list[tuple[int, int]]:
        """The parts between commas of [first, last), as ranges of positions."""
        parts, begin, level = [], first, 0
        for position in range(first, last):
            word = self.upper(position)
            level += (word == "(") - (word == ")")
            if word == "," and level == 0:
                parts.append((begin, position))
                begin = position + 1
        return [*parts, (begin, last)]

    def qualified_name(self, at: int) -> tuple[str, int]:
        """A name with its schema, quoted for PostgreSQL, and the position after it."""
        parts = [quoted(self.tokens[at].name)]
        at += 1
        while self.upper(at) == ".":
            parts.append(quoted(self.tokens[at + 1].name))
            at += 2
        return ".".join(parts), at

    def text(self, first: int, last: int) -> str:
        """The source of the positions [first, last)."""
        if first >= last:
            return ""
        return self.sql[self.tokens[first].start : self.tokens[last - 1].end]

    def replace(self, first: int, last: int, words: str) -> None:
        """Replace the positions [first, last) with words."""
        self._edits.append((self.tokens[first].start, self.tokens[last - 1].end, words))

    def edited(self) -> str:
        """The statement with all edits applied."""
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


# Backslashes escape in strings, as in Redshift and PostgreSQL 8.
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
def tokenize(sql: str) -> tuple[Token, ...]:
    """The tokens of a text, without comments."""
    tokens, at = [], 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None or (match["sign"] or "") in {"'", '"'}:
            raise Refused(f'unterminated quoted string at or near "{sql[at : at + 20]}"', SYNTAX)
        at = match.end()
        if match["string"]:
            source = match["string"]
            words = source[2:-2] if source[0] == "$" else _unescape(source[1:-1])
            tokens.append(Token(words, "", match.start(), at, is_string=True))
        elif match["quoted"]:
            words = match["quoted"][1:-1].replace('""', '"')
            tokens.append(Token(words, "", match.start(), at))
        elif not match["blank"]:
            tokens.append(Token(match[0], match[0].upper(), match.start(), at))
    return tuple(tokens)


def _unescape(words: str) -> str:
    return re.sub(r"\\(.)|''", lambda match: match[1] or "'", words, flags=re.DOTALL)


def statements(sql: str) -> list[str]:
    """A text split at its semicolons, without empty statements."""
    parts, begin = [], 0
    for token in tokenize(sql):
        if token.upper == ";":
            parts.append(sql[begin : token.start])
            begin = token.end
    return [part for part in [*parts, sql[begin:]] if tokenize(part)]
