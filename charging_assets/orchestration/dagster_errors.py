"""Errors of Dagster's home that a user can fix, as one line with a remedy.

Dagster stores runs, events and schedules in SQLite files in its home. Their errors come from
SQLAlchemy, with SQL, parameters and a link, and name neither the folder nor a remedy.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from charging_assets.cause_chain import cause_chain

# A run's events and SQLite's journals need less; below the second limit no journal can grow.
_LEAST_FREE_BYTES, _NO_ROOM_BYTES = 10 * 1000**2, 1000**2
_DAMAGED = re.compile("malformed|not a database", re.IGNORECASE)
_FILES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
_OTHER_HOME = "set DAGSTER_HOME to another folder"


class DagsterHomeError(Exception):
    """Dagster's home cannot be used; the message names the folder, the reason and the remedy."""


def unusable_path(folder: Path) -> str | None:
    """Why Dagster's SQLite files cannot be in a folder; None if they can.

    Dagster writes the path into a URL without escaping it. SQLAlchemy then decodes `%20` and reads
    the text after a `?` as options: it cannot open the file, or opens one in another folder.
    """
    from sqlalchemy.engine import make_url

    file = folder / "runs.db"
    if make_url(f"sqlite:///{file}").database == str(file):
        return None
    character = re.search(r"\?|%[0-9A-Fa-f]{2}", str(folder))
    what = character[0] if character else "characters with a special meaning in a URL"
    return f"its path holds {what}"


def require_room(folder: Path) -> None:
    """Raise DagsterHomeError if the disk of a home, which may be absent, is almost full.

    Otherwise a run would start, and Dagster would print an error for each event.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if (free := shutil.disk_usage(nearest).free) < _LEAST_FREE_BYTES:
        raise DagsterHomeError(
            f"no room on the disk of Dagster's home {folder} ({free / 1000**2:.1f} MB free); "
            "free some space and try again"
        )


def require_undamaged(folder: Path) -> None:
    """Raise DagsterHomeError if an SQLite file of a home, which may be absent, is damaged."""
    if (file := _damaged_file([folder / name for name in _FILES])) is not None:
        raise DagsterHomeError(_damaged(folder, file))


def explain(error: BaseException, folder: Path) -> str | None:
    """The message for an error of Dagster's SQLite files in a folder; None for any other error."""
    for cause in cause_chain(error):
        if _is_schema_mismatch(cause):
            return (
                f"Dagster's home {folder} was written by another release of Dagster ({cause}); "
                f"install that release, or {_OTHER_HOME}"
            )
        # Only these types: a violated constraint or a wrong parameter is a bug.
        if type(cause) in (sqlite3.OperationalError, sqlite3.DatabaseError):
            if _DAMAGED.search(str(cause)):
                runs = sorted((folder / "history" / "runs").glob("*.db"))
                file = _damaged_file([*(folder / name for name in _FILES), *runs])
                return _damaged(folder, file)
            if _is_full_disk(str(cause).lower(), folder):
                return (
                    f"no room on the disk of Dagster's home {folder}; free some space and try again"
                )
            reason, remedy = _diagnosis(str(cause), folder)
            return f"Dagster's home {folder} cannot be used: {reason}; {remedy}"
        if _is_postgres_error(cause):
            reason = str(cause).strip().partition("\n")[0]
            return (
                f"Dagster's PostgreSQL cannot be used: {reason}; check that it runs, and check "
                "DAGSTER_POSTGRES_HOST and the other DAGSTER_POSTGRES_ variables"
            )
    return None


def _is_postgres_error(error: BaseException) -> bool:
    """Whether PostgreSQL is unreachable or refused the login; the driver is optional."""
    return f"{type(error).__module__}.{type(error).__name__}" == "psycopg2.OperationalError"


def _is_schema_mismatch(error: BaseException) -> bool:
    origin = f"{type(error).__module__}.{type(error).__name__}"
    return (origin.startswith("alembic.") and "locate revision" in str(error)) or origin.endswith(
        ".DagsterInstanceSchemaOutdated"
    )


def _diagnosis(message: str, folder: Path) -> tuple[str, str]:
    text = message.lower()
    if "locked" in text:
        return (
            "another program has locked its SQLite files",
            "close it (a backup, an SQLite shell?) and try again",
        )
    if "readonly" in text or "read-only" in text:
        return (
            "its SQLite files cannot be written to",
            f"change their permissions, or {_OTHER_HOME}",
        )
    if "no such table" in text or "no such column" in text:
        return (
            f"its SQLite files are incomplete or of another release of Dagster ({message})",
            "move the folder away and try again (the history of runs is lost, the data is not)",
        )
    return message, f"check its permissions, or {_OTHER_HOME}"


def _is_full_disk(text: str, folder: Path) -> bool:
    if "full" in text:
        return True
    # SQLite also reports these errors if its journal could not be created or extended.
    return ("disk i/o" in text or "unable to open" in text) and _has_no_room(folder)


def _has_no_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _NO_ROOM_BYTES
    except OSError:
        return False


def _damaged(folder: Path, file: Path | None) -> str:
    what = file.relative_to(folder) if file else "an SQLite file"
    return (
        f"Dagster's home {folder} cannot be used: {what} is damaged; move the folder away and try "
        "again (the history of runs is lost, the data is not)"
    )


def _damaged_file(files: Sequence[Path]) -> Path | None:
    """The first damaged file; None if there is none."""
    for file in dict.fromkeys(files):
        if not file.is_file():
            continue
        try:
            connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
            try:
                rows = connection.execute("PRAGMA quick_check(1)").fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            if _DAMAGED.search(str(error)):
                return file
            continue
        if rows != [("ok",)]:
            return file
    return None
