"""The SQL files: found beside the package in a checkout, inside it in a wheel.

Belongs here: where `sql/` is and what stands in it. Does not belong here: what statements mean.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def sql_folder() -> Path:
    """The folder of all SQL files."""
    shipped = _PACKAGE / "sql"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "sql"


@cache
def sql(name: str) -> str:
    """The statement of a file, such as `facts/fact_status`, without its last semicolon."""
    return (sql_folder() / f"{name}.sql").read_text(encoding="utf-8").strip().rstrip(";")


def sql_names(folder: str) -> list[str]:
    """The files of a folder, sorted, as names for `sql`."""
    return sorted(f"{folder}/{path.stem}" for path in (sql_folder() / folder).glob("*.sql"))
