"""Read the SQL files: from the repository root in a checkout, from the package in a wheel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def sql_folder() -> Path:
    """The folder of all SQL files."""
    packaged = _PACKAGE / "sql"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "sql"


_read: dict[str, str] = {}


@cache
def sql(name: str) -> str:
    """The statement of a file, such as `facts/fact_status`, without its last semicolon."""
    text = (sql_folder() / f"{name}.sql").read_text(encoding="utf-8").strip().rstrip(";")
    _read[name] = text
    return text


def read_texts() -> Mapping[str, str]:
    """The statements that this process has read so far, by name."""
    return _read


def sql_names(folder: str) -> list[str]:
    """The files of a folder, sorted, as names for `sql`."""
    return sorted(f"{folder}/{path.stem}" for path in (sql_folder() / folder).glob("*.sql"))
