"""One SQL, two engines: from the Redshift dialect to the one that runs.

Belongs here: rendering of statements and of their parameters. Does not belong here: connections, or
how rendered statements outlast a process (`rendered_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from charging_assets.storage.rendered_files import RenderedFiles

_files: RenderedFiles | None = None


def remember_in(folder: Path | None) -> None:
    """Where this process finds, and leaves, statements that were rendered; None for nowhere."""
    global _files
    _files = RenderedFiles(folder) if folder is not None else None


def forget_old() -> int:
    """Delete kept statements that are no longer of use; how many."""
    return _files.forget() if _files else 0


# Room for every statement of a migration (a comment is one a column) and of all loads: with less,
# each one is parsed anew each time.
@lru_cache(maxsize=4096)
def rendered(sql: str, dialect: str) -> tuple[str, frozenset[str]]:
    """A statement of the Redshift dialect in another, and the names of its parameters."""
    known = _files.get(sql, dialect) if _files else None
    if known is None:
        known = _rendered(sql, dialect)
        if _files:
            _files.put(sql, dialect, *known)
    return known


def _rendered(sql: str, dialect: str) -> tuple[str, frozenset[str]]:
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, read="redshift")
    names = frozenset(str(node.this) for node in tree.find_all(exp.Placeholder))
    return tree.sql(dialect=dialect), names


def bound(sql: str, params: Mapping[str, Any], dialect: str) -> tuple[str, dict[str, Any]]:
    """The rendered statement and just the parameters that it names; KeyError if one is missing."""
    statement, names = rendered(sql, dialect)
    return statement, {name: params[name] for name in names}
