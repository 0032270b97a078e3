"""Rendered statements, kept from one process to the next.

Belongs here: files of them. Does not belong here: rendering (`dialect`).

Each run of Dagster is a process of its own, and parsing the few hundred statements of a load takes
two seconds. A file holds one statement under a hash of its text, its dialect and the parser's
release, with a checksum: whatever is not as it was written is rendered anew. Files are written
whole or not at all, all writers of a file write the same, and the folder may go at any time.
"""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec

from charging_assets.storage.folders import create_hidden, make_private

_SUFFIX = ".json"
# Raised whenever the same parser would be used in another way.
_FORMAT = "1"
# Statements of a release before, and of questions that were asked once.
KEPT = timedelta(days=30)


class _Kept(msgspec.Struct, array_like=True):
    checksum: str
    statement: str
    names: list[str]


_KEPT = msgspec.json.Decoder(_Kept)


class RenderedFiles:
    """A folder of rendered statements; without room or rights it keeps nothing, and never fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, sql: str, dialect: str) -> tuple[str, frozenset[str]] | None:
        """A statement that was kept, and the names of its parameters."""
        try:
            kept = _KEPT.decode(self._path(sql, dialect).read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        if kept.checksum != _checksum(kept.statement, kept.names):
            return None
        return kept.statement, frozenset(kept.names)

    def put(self, sql: str, dialect: str, statement: str, names: frozenset[str]) -> None:
        """Keep a rendered statement."""
        ordered = sorted(names)
        body = msgspec.json.encode(_Kept(_checksum(statement, ordered), statement, ordered))
        target = self._path(sql, dialect)
        try:
            make_private(self.folder)
            file, written = create_hidden(self.folder, ".writing-")
            try:
                with file:
                    file.write(body)
                written.replace(target)
            except BaseException:
                written.unlink(missing_ok=True)
                raise
        except OSError:
            return

    def forget(self, kept: timedelta = KEPT) -> int:
        """Delete what was written longer ago; how many files. What is needed comes again."""
        before, gone = time.time() - kept.total_seconds(), 0
        for path in self.folder.glob("*"):
            try:
                if path.stat().st_mtime < before:
                    path.unlink()
                    gone += 1
            except OSError:
                continue
        return gone

    def _path(self, sql: str, dialect: str) -> Path:
        told = "\0".join((_FORMAT, _parser(), dialect, sql))
        return self.folder / f"{sha256(told.encode()).hexdigest()[:32]}{_SUFFIX}"


@cache
def _parser() -> str:
    return version("sqlglot")


def _checksum(statement: str, names: list[str]) -> str:
    return sha256("\0".join((statement, *names)).encode()).hexdigest()[:16]
