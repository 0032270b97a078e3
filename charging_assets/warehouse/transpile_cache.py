"""A cache of transpiled statements on disk, shared by processes.

Each Dagster run is a process of its own, and parsing the few hundred statements of a load takes two
seconds. A file has one statement under a hash of its text, its dialect and the parser's release,
with a checksum: a damaged file is ignored and written again. Files are written atomically, all
writers of a file write the same bytes, and the folder can be deleted at any time.
"""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec

from charging_assets.lake.folders import create_hidden, make_private

_SUFFIX = ".json"
# Raise by one when the same parser is used in another way.
_FORMAT = "1"
# Older files are of an earlier release or of one-time queries.
MAX_AGE = timedelta(days=30)


class _Entry(msgspec.Struct, array_like=True):
    checksum: str
    statement: str
    names: list[str]


_DECODER = msgspec.json.Decoder(_Entry)


class TranspileCache:
    """A folder of transpiled statements. Without room or rights it stays empty and never fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, sql: str, dialect: str) -> tuple[str, frozenset[str]] | None:
        """A cached statement with its parameter names; None if it is missing or damaged."""
        try:
            entry = _DECODER.decode(self._path(sql, dialect).read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        if entry.checksum != _checksum(entry.statement, entry.names):
            return None
        return entry.statement, frozenset(entry.names)

    def put(self, sql: str, dialect: str, statement: str, names: frozenset[str]) -> None:
        """Cache a transpiled statement."""
        ordered = sorted(names)
        body = msgspec.json.encode(_Entry(_checksum(statement, ordered), statement, ordered))
        target = self._path(sql, dialect)
        try:
            make_private(self.folder)
            file, temp_path = create_hidden(self.folder, ".writing-")
            try:
                with file:
                    file.write(body)
                temp_path.replace(target)
            except BaseException:
                temp_path.unlink(missing_ok=True)
                raise
        except OSError:
            return

    def prune(self, max_age: timedelta = MAX_AGE) -> int:
        """Delete files older than `max_age`; return how many."""
        oldest, deleted = time.time() - max_age.total_seconds(), 0
        for path in self.folder.glob("*"):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    deleted += 1
            except OSError:
                continue
        return deleted

    def _path(self, sql: str, dialect: str) -> Path:
        key = "\0".join((_FORMAT, _parser(), dialect, sql))
        return self.folder / f"{sha256(key.encode()).hexdigest()[:32]}{_SUFFIX}"


@cache
def _parser() -> str:
    return version("sqlglot")


def _checksum(statement: str, names: list[str]) -> str:
    return sha256("\0".join((statement, *names)).encode()).hexdigest()[:16]
