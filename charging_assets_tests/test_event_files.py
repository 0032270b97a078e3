"""Dagster's event files: held open for as long as a run lasts, and no longer."""

import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg

from charging_assets.event_files import keep_open
from charging_assets.resources import EventFilesResource

RUN = "0f7e6f0a"


def _store(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS event_logs (id INTEGER)")
        connection.execute("INSERT INTO event_logs VALUES (1)")
        connection.commit()


def _read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()


def test_keep_open__closing_a_connection_does_not_checkpoint_the_log(tmp_path: Path) -> None:
    stores = [tmp_path / "history/runs" / name for name in ("index.db", f"{RUN}.db")]
    logs = [store.with_name(f"{store.name}-wal") for store in stores]
    for store in stores:
        _store(store)
    assert not any(log.exists() for log in logs), "closing wrote the logs back"
    with keep_open(tmp_path, RUN):
        for store in stores:
            _store(store)
        assert all(log.exists() for log in logs)
    assert not any(log.exists() for log in logs)
    for store in stores:
        with closing(sqlite3.connect(store)) as connection:
            assert connection.execute("SELECT COUNT(*) FROM event_logs").fetchone() == (2,)


def test_keep_open__without_event_files_creates_none(tmp_path: Path) -> None:
    with keep_open(tmp_path, RUN):
        assert list(tmp_path.rglob("*")) == []


def test_resource__holds_the_files_of_the_run_while_it_lasts(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    seen: dict[str, bool] = {}

    @dg.op(required_resource_keys={"event_files"})
    def look(context: dg.OpExecutionContext) -> None:
        stores = tmp_path / "history" / "runs"
        for name in ("index.db", f"{context.run_id}.db"):
            _read(stores / name)
            seen[name.replace(context.run_id, "run")] = (stores / f"{name}-wal").exists()

    @dg.job(resource_defs={"event_files": EventFilesResource()})
    def looking() -> None:
        look()

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert looking.execute_in_process(instance=instance).success
    assert seen == {"index.db": True, "run.db": True}
    assert not list(tmp_path.rglob("*-wal"))


def test_resource__in_an_instance_of_no_files_holds_nothing() -> None:
    @dg.op(required_resource_keys={"event_files"})
    def look() -> None: ...

    @dg.job(resource_defs={"event_files": EventFilesResource()})
    def looking() -> None:
        look()

    assert looking.execute_in_process().success
