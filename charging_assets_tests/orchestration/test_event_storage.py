"""Events over connections that stay open are those of Dagster's own storage."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from charging_assets.hours import hourly_partitions
from charging_assets.orchestration import dagster_home, event_storage
from charging_assets.orchestration.event_storage import PooledSqliteEventLogStorage
from charging_assets.orchestration.run_retention import _delete

KEYS = ("2026-01-12T00", "2026-01-12T01", "2026-01-12T02")
ROWS = {
    "index": "SELECT dagster_event_type, asset_key, partition FROM event_logs ORDER BY id",
    "checks": "SELECT check_name, partition, execution_status FROM asset_check_executions "
    "ORDER BY id",
    "tags": "SELECT asset_key, key FROM asset_event_tags ORDER BY 1, 2",
    "keys": "SELECT asset_key, last_materialization_timestamp IS NULL FROM asset_keys",
}
# Materializes in a process that is killed before it can close its files.
KILLED = """
import os, signal, sys
import dagster as dg
from charging_assets_tests.orchestration.test_event_storage import counted, is_fine
instance = dg.DagsterInstance.from_config(sys.argv[1])
dg.materialize([counted, is_fine], instance=instance, partition_key=sys.argv[2])
os.kill(os.getpid(), signal.SIGKILL)
"""


@dg.asset(partitions_def=hourly_partitions(), backfill_policy=dg.BackfillPolicy.single_run())
def counted(context: dg.AssetExecutionContext) -> None:
    for key in context.partition_keys:
        context.add_output_metadata({"hour": key})


@dg.asset_check(asset=counted)
def is_fine() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the packaged settings; no variable names it."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return dagster_home.prepare({"CHARGING_HOME": str(tmp_path)})


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with Dagster's own storage."""
    folder = tmp_path / "stock"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with dg.DagsterInstance.from_config(str(folder)) as made:
        assert type(made.event_log_storage) is SqliteEventLogStorage
        yield made


def _materialize(instance: dg.DagsterInstance, *keys: str) -> str:
    """A run of one partition, or of a range."""
    options: dict[str, Any] = {"partition_key": keys[0]}
    if len(keys) > 1:
        options = {
            "tags": {
                "dagster/asset_partition_range_start": keys[0],
                "dagster/asset_partition_range_end": keys[-1],
            }
        }
    run = dg.materialize([counted, is_fine], instance=instance, **options)
    assert run.success
    return run.run_id


def _report(instance: dg.DagsterInstance, message: str, run_id: str) -> None:
    instance.report_engine_event(message, job_name="job", run_id=run_id)


def _storage(instance: dg.DagsterInstance) -> PooledSqliteEventLogStorage:
    storage = instance.event_log_storage
    assert isinstance(storage, PooledSqliteEventLogStorage)
    return storage


def _rows(folder: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(folder / "history/runs/index.db")) as connection:
        return {name: connection.execute(statement).fetchall() for name, statement in ROWS.items()}


def _open_paths(folder: Path) -> set[str]:
    """The files in a folder that this process has open, also deleted ones."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.append(str(descriptor.readlink()))
    return {Path(link).name for link in links if link.startswith(str(folder))}


def test_settings__name_this_storage_in_the_folder_of_dagsters_own(
    instance: dg.DagsterInstance, home: Path
) -> None:
    _materialize(instance, KEYS[0])
    assert Path(_storage(instance).path_for_shard("index")) == home / "history/runs/index.db"
    assert "DAGSTER_HOME" not in os.environ


def test_instance__of_another_home_than_the_variable_uses_its_own_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "other"))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        _materialize(instance, KEYS[0])
        # As another process creates it: the code server, or the process of a run.
        with dg.DagsterInstance.from_ref(instance.get_ref()) as other:
            assert other.get_materialized_partitions(dg.AssetKey("counted")) == {KEYS[0]}
    assert not list((tmp_path / "other").rglob("*"))


def test_base_dir__can_be_set(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(
        "event_log_storage:\n  module: charging_assets.orchestration.event_storage\n"
        "  class: PooledSqliteEventLogStorage\n"
        f"  config: {{base_dir: {tmp_path / 'events'}}}\n",
        encoding="utf-8",
    )
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        _materialize(instance, KEYS[0])
    assert (tmp_path / "events/index.db").is_file()


@pytest.mark.parametrize("batch_size", ["0", "50"])
@pytest.mark.parametrize("keys", [KEYS[:1], KEYS])
def test_rows__are_those_of_dagsters_own_storage(
    instance: dg.DagsterInstance,
    stock: dg.DagsterInstance,
    home: Path,
    keys: tuple[str, ...],
    batch_size: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_stock = _materialize(stock, *keys)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", batch_size)
    run_id = _materialize(instance, *keys)
    assert _rows(home) == _rows(Path(stock.root_directory))
    assert len(_rows(home)["index"]) > 2 * len(keys)
    kinds = [
        [event.dagster_event_type for event in each.all_logs(run)]
        for each, run in ((instance, run_id), (stock, of_stock))
    ]
    assert kinds[0] == kinds[1]


def test_home__with_files_of_dagsters_own_storage_continues(home: Path) -> None:
    settings = home / "dagster.yaml"
    current = settings.read_text(encoding="utf-8")
    settings.write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as stock:
        run_id = _materialize(stock, KEYS[0])
    settings.write_text(current, encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.all_logs(run_id)
        _materialize(instance, KEYS[1])
        assert instance.get_materialized_partitions(dg.AssetKey("counted")) == set(KEYS[:2])


def test_events__are_seen_by_another_process_at_once(
    instance: dg.DagsterInstance, home: Path
) -> None:
    """A reader with connections of its own, of either kind, while this storage keeps its open."""
    _materialize(instance, KEYS[0])
    readers = [
        SqliteEventLogStorage(str(home / "history/runs")),
        PooledSqliteEventLogStorage(str(home / "history/runs")),
    ]
    for number, key in enumerate(KEYS):
        _materialize(instance, key)
        for reader in readers:
            seen = reader.get_materialized_partitions(dg.AssetKey("counted"))
            assert seen == set(KEYS[: number + 1])
    readers[1].dispose()


def test_cursor__left_open_does_not_hide_later_events(instance: dg.DagsterInstance) -> None:
    run_id = _materialize(instance, KEYS[0])
    reader = PooledSqliteEventLogStorage(str(Path(_storage(instance).path_for_shard("x")).parent))
    with reader.run_connection(run_id) as connection:
        unread = connection.exec_driver_sql("SELECT * FROM event_logs")
        unread.fetchone()
    count = len(reader.get_logs_for_run(run_id))
    _report(instance, "later", run_id)
    assert len(reader.get_logs_for_run(run_id)) == count + 1
    reader.dispose()


def test_writers__in_several_processes_wait_for_each_other(
    instance: dg.DagsterInstance, home: Path
) -> None:
    program = (
        "import sys, dagster as dg\n"
        "from charging_assets_tests.orchestration.test_event_storage import counted, is_fine\n"
        "with dg.DagsterInstance.from_config(sys.argv[1]) as instance:\n"
        "    for key in sys.argv[2:]:\n"
        "        dg.materialize([counted, is_fine], instance=instance, partition_key=key)\n"
    )
    others = [subprocess.Popen([sys.executable, "-c", program, str(home), *KEYS]) for _ in range(2)]
    while any(other.poll() is None for other in others):
        instance.report_runless_asset_event(dg.AssetMaterialization("other", partition=KEYS[0]))
        time.sleep(0.05)
    assert [other.returncode for other in others] == [0, 0]
    assert instance.get_materialized_partitions(dg.AssetKey("counted")) == set(KEYS)


def test_killed_process__loses_no_event(instance: dg.DagsterInstance, home: Path) -> None:
    _materialize(instance, KEYS[0])
    killed = subprocess.run([sys.executable, "-c", KILLED, str(home), KEYS[1]], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert instance.get_materialized_partitions(dg.AssetKey("counted")) == set(KEYS[:2])
    (run,) = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": KEYS[1]}))
    assert instance.all_logs(run.run_id)[-1].dagster_event_type == dg.DagsterEventType.RUN_SUCCESS
    for path in (home / "history/runs").glob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_threads__share_a_storage(instance: dg.DagsterInstance) -> None:
    """As in a web server, which reads while its process stores."""
    run_id = _materialize(instance, KEYS[0])
    events = instance.all_logs(run_id)
    steps = [
        event for event in events if event.dagster_event_type == dg.DagsterEventType.STEP_START
    ]
    storage = instance.event_log_storage
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(storage.store_event, steps * 20))
        counts = list(threads.map(lambda _: len(instance.all_logs(run_id)), range(8)))
    assert counts == [len(events) + 20 * len(steps)] * 8


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process__opens_its_own_files(instance: dg.DagsterInstance) -> None:
    run_id = _materialize(instance, KEYS[0])
    storage = _storage(instance)
    count = len(instance.all_logs(run_id))
    inherited = storage._files["index"].engine
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def in_child() -> None:
        _report(instance, "child", run_id)
        list(instance.get_materialized_partitions(dg.AssetKey("counted")))
        queue.put((len(instance.all_logs(run_id)), storage._files["index"].engine is inherited))

    # Fork while the lock is held, as another thread of a daemon may do.
    with storage._db_lock:
        child = context.Process(target=in_child)
        child.start()
    assert queue.get(timeout=60) == (count + 1, False)
    child.join(30)
    assert child.exitcode == 0
    assert storage._files["index"].engine is inherited
    assert len(instance.all_logs(run_id)) == count + 1


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_deleted_run__leaves_no_open_file(instance: dg.DagsterInstance, home: Path) -> None:
    run_id = _materialize(instance, KEYS[0])
    reader = PooledSqliteEventLogStorage(str(home / "history/runs"))
    assert reader.get_logs_for_run(run_id)
    _delete(instance, run_id)
    assert not list((home / "history/runs").glob(f"{run_id}*"))
    # A web server that has displayed the run closes it with one of its next queries.
    reader._swept_at = reader._files[run_id].used_at = 0.0
    reader.get_materialized_partitions(dg.AssetKey("counted"))
    assert not {name for name in _open_paths(home) if run_id in name}
    reader.dispose()


def test_deleted_file__is_created_again(instance: dg.DagsterInstance) -> None:
    storage = _storage(instance)
    run_id = _materialize(instance, KEYS[0])
    for suffix in ("", "-wal", "-shm"):
        Path(f"{storage.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)
    _report(instance, "later", run_id)
    (event,) = instance.all_logs(run_id)
    assert event.message == "later"


def test_wipe__deletes_the_events_of_all_runs(instance: dg.DagsterInstance, home: Path) -> None:
    run_id = _materialize(instance, KEYS[0])
    instance.event_log_storage.wipe()
    assert not list((home / "history/runs").glob(f"{run_id}*"))
    assert instance.get_materialized_partitions(dg.AssetKey("counted")) == set()
    _materialize(instance, KEYS[0])


def test_open_files__are_few_and_closed_with_the_instance(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_storage, "_MAX_OPEN", 3)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for key in KEYS * 2:
            _materialize(instance, key)
        files = _storage(instance)._files
        assert len(files) <= 3
        assert "index" in files
    assert not files
    assert not list(home.rglob("history/runs/*-wal"))


def test_failed_statement__leaves_no_transaction_open(instance: dg.DagsterInstance) -> None:
    storage = _storage(instance)
    _materialize(instance, KEYS[0])
    with suppress(KeyboardInterrupt), storage.index_connection() as connection:
        connection.exec_driver_sql("DELETE FROM event_logs")
        raise KeyboardInterrupt
    assert instance.get_materialized_partitions(dg.AssetKey("counted")) == {KEYS[0]}


def test_failed_event__is_stored_in_no_file(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = _materialize(instance, KEYS[0])
    storage = _storage(instance)
    events = instance.all_logs(run_id)
    (materialized,) = [event for event in events if event.asset_materialization]

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_store_asset_event", fail)
        with pytest.raises(KeyboardInterrupt):
            storage.store_event(materialized)
    assert len(instance.all_logs(run_id)) == len(events)
    storage.store_event(materialized)
    assert len(instance.all_logs(run_id)) == len(events) + 1


def test_watch__reports_events_that_another_process_stores(
    instance: dg.DagsterInstance, home: Path
) -> None:
    """As the web server does for the log of a run on its page."""
    run_id = _materialize(instance, KEYS[0])
    reader = PooledSqliteEventLogStorage(str(home / "history/runs"))
    seen: list[str] = []
    arrived = threading.Event()

    def callback(event: Any, _: str) -> None:
        seen.append(event.message)
        arrived.set()

    end = reader.get_records_for_run(run_id).cursor
    reader.watch(run_id, end, callback)
    for message in ("first", "second"):
        arrived.clear()
        _report(instance, message, run_id)
        assert arrived.wait(20), f"{message} did not arrive"
    reader.end_watch(run_id, callback)
    _report(instance, "third", run_id)
    time.sleep(0.3)
    assert seen == ["first", "second"]
    reader.dispose()
