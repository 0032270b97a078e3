"""Dagster's home: its event files, held open for as long as a run lasts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from charging_assets.dagster_home import held_open

RUN = "0f7e6f0a"


def _store(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS event_logs (id INTEGER)")
        connection.execute("INSERT INTO event_logs VALUES (1)")
        connection.commit()


def test_held_open__who_closes_does_not_write_the_log_back_until_the_end(tmp_path: Path) -> None:
    stores = [tmp_path / "history/runs" / name for name in ("index.db", f"{RUN}.db")]
    logs = [store.with_name(f"{store.name}-wal") for store in stores]
    for store in stores:
        _store(store)
    assert not any(log.exists() for log in logs), "closing wrote the logs back"
    with held_open(tmp_path, RUN):
        for store in stores:
            _store(store)
        assert all(log.exists() for log in logs)
    assert not any(log.exists() for log in logs)
    for store in stores:
        with closing(sqlite3.connect(store)) as connection:
            assert connection.execute("SELECT COUNT(*) FROM event_logs").fetchone() == (2,)


def test_held_open__events_that_are_stored_elsewhere_leave_no_file(tmp_path: Path) -> None:
    with held_open(tmp_path, RUN):
        assert list(tmp_path.rglob("*")) == []
