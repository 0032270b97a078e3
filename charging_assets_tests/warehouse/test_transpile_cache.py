"""Transpiled statements are shared by processes, and a damaged file costs only time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from charging_assets.warehouse import transpile, transpile_cache
from charging_assets.warehouse.transpile_cache import TranspileCache

SQL = "SELECT DATEADD(HOUR, 1, :at) AS later, :at AS at"
CACHED = ("SELECT 1", frozenset({"a", "b"}))

_TRANSPILE_PROGRAM = """
import sys
from pathlib import Path
from charging_assets.warehouse import transpile as dialect
dialect.set_transpile_cache(Path(sys.argv[1]))
print(dialect.transpile(sys.argv[2], "duckdb"))
print("sqlglot" in sys.modules, file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "rendered"
    transpile.set_transpile_cache(None)


def transpile_in_a_process(folder: Path) -> tuple[str, bool]:
    """The statement that a new process prints, and whether it had to parse it."""
    done = subprocess.run(
        [sys.executable, "-c", _TRANSPILE_PROGRAM, str(folder), SQL],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr.strip() == "True"


def test_rendered__is_parsed_once_for_all_processes(folder: Path) -> None:
    first, parsed = transpile_in_a_process(folder)
    again, parsed_again = transpile_in_a_process(folder)
    assert (parsed, parsed_again) == (True, False)
    assert first == again and "at" in first


@pytest.mark.parametrize("change", ["truncated", "emptied", "altered", "zeroed"])
def test_get__a_damaged_file_is_ignored(folder: Path, change: str) -> None:
    files = TranspileCache(folder)
    files.put(SQL, "duckdb", *CACHED)
    assert files.get(SQL, "duckdb") == CACHED
    (path,) = folder.iterdir()
    body = path.read_bytes()
    path.write_bytes(
        {"truncated": body[:-5], "emptied": b"", "altered": body.replace(b"SELECT 1", b"SELECT 2"),
         "zeroed": bytes(len(body))}[change]
    )  # fmt: skip
    assert files.get(SQL, "duckdb") is None
    files.put(SQL, "duckdb", *CACHED)
    assert files.get(SQL, "duckdb") == CACHED


def test_get__of_another_text_dialect_or_parser_is_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = TranspileCache(folder)
    files.put(SQL, "duckdb", *CACHED)
    assert files.get(f"{SQL} ", "duckdb") is None
    assert files.get(SQL, "redshift") is None
    monkeypatch.setattr(transpile_cache, "_parser", lambda: "99.0")
    assert files.get(SQL, "duckdb") is None


def test_put__where_nothing_can_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "rendered").write_text("a file, where the folder would be")
    files = TranspileCache(tmp_path / "rendered")
    files.put(SQL, "duckdb", *CACHED)
    assert files.get(SQL, "duckdb") is None
    assert files.prune() == 0


def test_put__many_writers_at_once_leave_one_whole_file(folder: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _TRANSPILE_PROGRAM, str(folder), SQL],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    outputs = {process.communicate()[0] for process in processes}
    assert len(outputs) == 1
    assert len(list(folder.iterdir())) == 1
    assert TranspileCache(folder).get(SQL, "duckdb") is not None


def test_prune__deletes_old_files(folder: Path) -> None:
    files = TranspileCache(folder)
    files.put(SQL, "duckdb", *CACHED)
    assert files.prune() == 0
    (path,) = folder.iterdir()
    old = time.time() - timedelta(days=31).total_seconds()
    os.utime(path, (old, old))
    assert files.prune() == 1
    assert files.get(SQL, "duckdb") is None
