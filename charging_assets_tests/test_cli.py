"""The command line, whole: `main([...])` over a lake, a DuckDB file and a Dagster home on disk.

One module-wide home holds two simulated hours that are loaded once; a test that takes something
away has the next `load` bring it back, which is what it tests.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from charging_assets import dagster_home, deployments
from charging_assets.acquisition.archive import encode, hours_archived
from charging_assets.acquisition.missed import record_missed
from charging_assets.cli import live, main
from charging_assets.partitions import Hour
from charging_assets.simulator import Network
from charging_assets.simulator.faults import EVERYWHERE, FaultKind
from charging_assets.simulator.server import ApiServer, simulated_time
from charging_assets_tests import builders

SCALE = "0.02"
FIRST, SECOND = Hour.parse("2026-01-12T00"), Hour.parse("2026-01-12T01")
PLACES = ["koeln", "bonn", "kiel"]


class Shell:
    """Runs commands in a home and keeps what they said."""

    def __init__(self, home: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.home, self._captured = home, captured
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        self._captured.readouterr()
        code = main(arguments)
        self.out, self.err = self._captured.readouterr()
        assert "Traceback" not in self.out + self.err
        return code

    def json(self, *arguments: str) -> Any:
        self.run(*arguments, "--json")
        return json.loads(self.out)

    @property
    def storage(self) -> deployments.Storage:
        return deployments.storage()


def in_home(home: Path, patch: pytest.MonkeyPatch) -> None:
    for name in ("CHARGING_DEPLOYMENT", "CHARGING_FEEDS", "CHARGING_LIVE", "DAGSTER_HOME"):
        # Set before it is unset, so that what a command sets is undone.
        patch.setenv(name, "")
        patch.delenv(name)
    patch.setenv("CHARGING_HOME", str(home))
    patch.setenv("COLUMNS", "100")


@pytest.fixture(scope="module")
def loaded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two simulated hours, loaded by the commands themselves."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        in_home(home, patch)
        assert main(["simulate", "--hours", "2", "--scale", SCALE]) == 0
        assert main(["load"]) == 0
    return home


@pytest.fixture
def loaded(
    loaded_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    in_home(loaded_home, monkeypatch)
    return Shell(loaded_home, capsys)


@pytest.fixture
def empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    in_home(tmp_path, monkeypatch)
    return Shell(tmp_path, capsys)


def in_a_process(home: Path, code: str) -> str:
    """What code prints in a process of its own, with a home."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"CHARGING_HOME": str(home), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


# --- the parser ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["load"], ["demo"], ["live"], ["doctor"]])
def test_help__imports_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    said = in_a_process(
        tmp_path,
        f"""
        import sys
        from charging_assets.cli import main
        try:
            main({[*command, "--help"]!r})
        except SystemExit as end:
            assert end.code == 0
        heavy = {{"dagster", "pandas", "pyarrow", "duckdb", "numpy", "requests", "rich"}}
        print("HEAVY:", sorted(heavy & set(sys.modules)))
        """,
    )
    assert "usage: charging-assets" in said
    assert "HEAVY: []" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: COMMAND"),
        (["load", "--from", "yesterday"], "'yesterday' is not an hour; give UTC hours as"),
        (["simulate", "--hours", "0"], "'0' is not a whole number from 1"),
        (["simulate", "--hours", "1", "--scale", "nan"], "'nan' is not a number above 0"),
        (["ui", "--port", "99999"], "'99999' is not a port"),
    ],
)
def test_main__wrong_usage_is_refused(empty: Shell, arguments: list[str], said: str,
                                      capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_main__unknown_deployment_is_told_in_a_line(
    empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGING_DEPLOYMENT", "moon")
    assert empty.run("status") == 2
    assert empty.err == "error: CHARGING_DEPLOYMENT is 'moon'; this version has: local, aws\n"


def test_main__debug_raises_what_is_otherwise_told(
    empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGING_DEPLOYMENT", "moon")
    with pytest.raises(deployments.DeploymentError):
        main(["status", "--debug"])


# --- simulate -----------------------------------------------------------------------------------


def test_simulate__again_writes_nothing(loaded: Shell) -> None:
    before = hours_archived(loaded.storage.lake)
    assert loaded.run("simulate", "--hours", "2", "--scale", SCALE) == 0
    assert "already simulated" in loaded.out
    assert hours_archived(loaded.storage.lake) == before


def test_simulate__another_network_in_the_same_hours_is_refused(loaded: Shell) -> None:
    assert loaded.run("simulate", "--hours", "2", "--scale", SCALE, "--seed", "2") == 2
    assert "2026-01-12T00 holds polls of another network (simulator seed=1" in loaded.err


def test_simulate__fills_an_hour_that_lacks_a_poll(empty: Shell) -> None:
    simulate = ("simulate", "--hours", "1", "--scale", SCALE, "--start", "2026-02-01T10")
    assert empty.run(*simulate) == 0
    (keys,) = hours_archived(empty.storage.lake).values()
    assert len(keys) == 6
    empty.storage.lake.delete(keys[3])
    assert empty.run(*simulate) == 0
    assert "1 poll written" in empty.out
    assert list(hours_archived(empty.storage.lake).values()) == [keys]


def test_simulate__before_the_first_partition_is_refused(empty: Shell) -> None:
    assert empty.run("simulate", "--hours", "1", "--start", "2020-12-31T23") == 2
    assert "the archive begins at 2021-01-01T00" in empty.err


# --- load ---------------------------------------------------------------------------------------


def test_load__second_time_is_a_no_op_without_dagster(loaded: Shell) -> None:
    said = in_a_process(
        loaded.home,
        """
        import sys
        from charging_assets.cli import main
        assert main(["load"]) == 0
        print("dagster" in sys.modules)
        """,
    )
    assert said.splitlines()[0].startswith("nothing to load")
    assert said.splitlines()[1] == "False"


LOSSES = {
    "fact rows": "DELETE FROM warehouse.fact_status WHERE slot_at >= :start",
    "staged rows": "DELETE FROM staging.flat_status WHERE slot_at >= :start",
    "ledger row": "DELETE FROM ops.ledger WHERE asset = 'fact_poll' AND slot_at >= :start",
}


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_load__restores_what_was_lost_and_nothing_else(loaded: Shell, loss: str) -> None:
    counts = "SELECT COUNT(*) AS n, MIN(slot_at) AS first_at FROM warehouse.fact_status"
    warehouse = loaded.storage.warehouse
    before = warehouse.query(counts).to_pylist()
    warehouse.execute((LOSSES[loss], {"start": SECOND.start.replace(tzinfo=None)}))
    report = loaded.json("load")
    assert [each["hour"] for each in report["loaded"]] == [SECOND.key]
    assert report["failed"] == []
    assert warehouse.query(counts).to_pylist() == before
    assert loaded.json("load")["loaded"] == []


@pytest.mark.slow
def test_load__range_loads_whatever_the_ledger_says_and_names_what_is_missing(
    loaded: Shell,
) -> None:
    assert loaded.run("load", "--from", SECOND.key, "--to", "2026-01-12T04") == 0
    assert "not loaded: 2026-01-12T02 to 2026-01-12T04 (3)" in loaded.out
    assert "1 hour loaded" in loaded.out
    # Dagster's own log would drown the progress.
    assert "STEP_" not in loaded.err
    assert f"{SECOND}" in loaded.err
    assert "(asked for)" in loaded.err


def test_load__range_without_any_archived_poll_fails(loaded: Shell) -> None:
    asked = ("load", "--from", "2026-03-01T00", "--to", "2026-03-01T01")
    assert loaded.run(*asked) == 1
    assert "not loaded: 2026-03-01T00 to 2026-03-01T01 (2)" in loaded.out
    assert loaded.json(*asked)["missing"] == ["2026-03-01T00", "2026-03-01T01"]


def test_load__range_that_ends_before_it_begins_is_refused(loaded: Shell) -> None:
    assert loaded.run("load", "--from", SECOND.key, "--to", FIRST.key) == 2
    assert "ends before it begins" in loaded.err


@pytest.mark.slow
def test_load__damaged_object_fails_its_hour_alone(empty: Shell) -> None:
    assert empty.run("simulate", "--hours", "2", "--scale", SCALE) == 0
    damaged = hours_archived(empty.storage.lake)[FIRST][0]
    Path(empty.storage.lake.uri(damaged)).write_bytes(b"not zstd")
    assert empty.run("load") == 1
    assert f"{FIRST}  failed: flat_tables:" in empty.err
    assert damaged in empty.err
    assert "1 hour loaded" in empty.out
    assert "1 hour failed: 2026-01-12T00" in empty.out
    assert [each["hour"] for each in empty.json("status")["pending"]] == [FIRST.key]


# --- status -------------------------------------------------------------------------------------


def test_status__empty_home_says_how_to_begin(empty: Shell) -> None:
    assert empty.run("status") == 0
    assert "The archive is empty." in empty.out
    assert empty.json("status")["feeds"] == []
    assert list(empty.home.iterdir()) == []


def test_status__tells_what_is_loaded_missing_and_missed(loaded: Shell) -> None:
    record_missed(loaded.storage.lake, "simulated", SECOND.end, "a test")
    # Noted, and archived after all.
    record_missed(loaded.storage.lake, "simulated", SECOND.start, "a test")
    found = loaded.json("status")
    (feed,) = found["feeds"]
    assert found["pending"] == []
    assert (feed["feed"], feed["hours_archived"], feed["hours_loaded"]) == ("simulated", 2, 2)
    assert (feed["polls"], feed["missed_slots"], feed["hours_missing"]) == (12, 1, [])
    assert feed["last_poll_at"].startswith("2026-01-12T01:50:")
    assert feed["newest_loaded_at"] == "2026-01-12T01:50:00+00:00"
    assert loaded.run("status") == 0
    assert "hours archived  2 (2026-01-12T00 to 2026-01-12T01 UTC)" in loaded.out


def test_status__without_a_warehouse_tells_gaps_and_pending_hours(empty: Shell) -> None:
    for start in (FIRST.key, "2026-01-12T03"):
        empty.run("simulate", "--hours", "1", "--scale", SCALE, "--start", start)
    found = empty.json("status")
    assert found["feeds"][0]["hours_missing"] == ["2026-01-12T01", "2026-01-12T02"]
    assert found["feeds"][0]["hours_loaded"] == 0
    assert found["pending"][0] == {"hour": FIRST.key, "reason": "staged_tables is not loaded"}


@pytest.mark.fault(
    "Daemon and poller are dead",
    "the check from outside turns red, with neither Dagster nor a warehouse",
    area="time",
)
@pytest.mark.parametrize(("age_min", "code"), [(5, 0), (29, 0), (31, 2)])
def test_status__max_age_turns_red_without_dagster_or_warehouse(
    empty: Shell, age_min: int, code: int
) -> None:
    slot_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=age_min)
    header = builders.poll(feed="chargecloud", slot_at=slot_at)
    builders.archived(empty.storage.lake, header, {"koeln": b"{}"})
    assert empty.run("status", "--max-age", "30m") == code
    assert empty.out.startswith("CRITICAL: chargecloud was last" if code else "OK: chargecloud was")
    assert ("allowed are 30 min" in empty.out) == bool(code)
    assert empty.json("status", "--max-age", "30m")["ok"] is not bool(code)
    assert [path.name for path in empty.home.iterdir()] == ["lake"]


def test_status__max_age_of_a_feed_that_was_never_polled_is_red(empty: Shell) -> None:
    assert empty.run("status", "--max-age", "1d") == 2
    assert empty.out == "CRITICAL: chargecloud was never polled, allowed are 1440 min\n"


def test_status__forecasts_how_long_the_disk_lasts(loaded: Shell) -> None:
    disk = loaded.json("status")["disk"]
    files = {path: path.stat().st_size for path in loaded.home.rglob("*") if path.is_file()}
    raw = sum(size for path, size in files.items() if "/lake/raw/" in str(path))
    assert disk["parts"]["raw"] == raw > 0
    assert disk["parts"]["warehouse"] == (loaded.home / "warehouse.duckdb").stat().st_size
    assert disk["days_left"] == disk["free"] // disk["bytes_a_day"]
    assert loaded.run("status") == 0
    assert "\n  grows by " in loaded.out


# --- doctor -------------------------------------------------------------------------------------


def states(found: list[dict[str, str]]) -> dict[str, str]:
    return {finding["check"]: finding["state"] for finding in found}


def test_doctor__healthy_home_passes_every_check(loaded: Shell) -> None:
    found = loaded.json("doctor")
    assert {s for s in states(found).values() if s != "ok"} <= {"warning"}, found
    assert states(found)["ledger"] == states(found)["warehouse"] == "ok"
    assert loaded.run("doctor") == 0
    assert "the warehouse has all rows of every archived hour" in loaded.out


def test_doctor__empty_home_has_nothing_to_complain_of(empty: Shell) -> None:
    assert "failed" not in states(empty.json("doctor")).values()


def test_doctor__names_a_feed_file_that_is_wrong(
    empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = empty.home / "feeds.toml"
    wrong.write_text("[feeds.chargecloud]\ncadence_s = 7\n")
    monkeypatch.setenv("CHARGING_FEEDS", str(wrong))
    assert empty.run("doctor") == 1
    assert str(wrong) in empty.out
    assert "cadence cannot be" in empty.out.replace("\n", " ")


def test_doctor__names_who_holds_the_warehouse(loaded: Shell) -> None:
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(loaded.home / "warehouse.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert loaded.run("doctor") == 1
        assert f"process {holder.pid}" in loaded.out.replace("\n", " ")
    finally:
        holder.communicate(b"\n")


@pytest.mark.slow
def test_doctor__rows_that_the_ledger_counts_and_the_table_lacks_fail(loaded: Shell) -> None:
    gone = "DELETE FROM warehouse.fact_poll WHERE slot_at < :start"
    loaded.storage.warehouse.execute((gone, {"start": SECOND.start.replace(tzinfo=None)}))
    found = {each["check"]: each for each in loaded.json("doctor")}
    assert found["ledger"]["state"] == "failed"
    assert "1 hour lost rows: 2026-01-12T00" in found["ledger"]["said"]
    assert loaded.run("load") == 0
    assert states(loaded.json("doctor"))["ledger"] == "ok"


# --- import -------------------------------------------------------------------------------------


def test_import__tells_what_is_new_known_and_wrong(empty: Shell) -> None:
    good, bad = empty.home / "koeln.json", empty.home / "20220111_215824_cp.json"
    good.write_bytes(builders.envelope(builders.station()))
    bad.write_text("no JSON")
    report = empty.json("import", str(good))
    assert list(report["imported"]) == [str(good)]
    assert report["problems"] == {}
    assert empty.run("import", str(good), str(bad), str(empty.home / "absent.json")) == 1
    assert "0 files imported\n1 file already there" in empty.out
    assert f"error: {bad}: the file is not a JSON object" in empty.err
    assert f"error: {empty.home / 'absent.json'}: cannot be read" in empty.err
    assert [hour.key for hour in hours_archived(empty.storage.lake)] == ["2022-01-11T20"]


def test_import__names_are_told_in_the_zone_that_is_said(empty: Shell) -> None:
    folder = empty.home / "archive"
    folder.mkdir()
    body = builders.envelope(builders.station()).decode()
    (folder / "20220111_200005_cp.json").write_text(f'{{"koeln": {body}}}')
    (folder / "notes.txt").write_text("not an answer")
    assert empty.run("import", str(folder)) == 1
    assert "--names-in UTC" in empty.err
    assert empty.run("import", str(folder), "--names-in", "UTC") == 0
    assert "1 file imported" in empty.out
    assert "1 file of other forms passed over: notes.txt" in empty.out
    assert [hour.key for hour in hours_archived(empty.storage.lake)] == ["2022-01-11T20"]
    with pytest.raises(SystemExit):
        empty.run("import", str(folder), "--names-in", "Mars/Olympus")


def test_import__unknown_feed_names_the_feeds(empty: Shell) -> None:
    assert empty.run("import", "x.json", "--feed", "nobody") == 2
    assert empty.err == "error: there is no feed 'nobody'; there are: chargecloud\n"


# --- live ---------------------------------------------------------------------------------------


@pytest.fixture
def api(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """The simulator's API, and a feed file that leads the packaged feed to it."""
    network = Network(1, float(SCALE))
    start = datetime(2026, 1, 12, 12, tzinfo=UTC)
    with ApiServer(network, clock=simulated_time(start)) as server:
        feeds = empty.home / "feeds.toml"
        feeds.write_text(
            f"[feeds.chargecloud]\nbase_url = {server.url!r}\nplaces = {PLACES!r}\nattempts = 1\n"
        )
        monkeypatch.setenv("CHARGING_FEEDS", str(feeds))
        yield server


def test_live_once__polls_archives_loads_and_shows(empty: Shell, api: ApiServer) -> None:
    api.faults.set("bonn", FaultKind.STATUS_503)
    assert empty.run("live", "--once") == 0
    assert sorted({request.slug for request in api.requests}) == sorted(PLACES)
    assert "2 of 3 places answered" in empty.out
    assert "http_error HTTP 503" in empty.out
    said = empty.out
    (feed,) = empty.json("status")["feeds"]
    assert (feed["feed"], feed["polls"], feed["hours_loaded"]) == ("chargecloud", 1, 1)
    loaded = empty.storage.warehouse.query(
        "SELECT place, outcome, station_count FROM warehouse.fact_poll ORDER BY place"
    ).to_pylist()
    assert [(row["place"], row["outcome"]) for row in loaded] == [
        ("bonn", "http_error"),
        ("kiel", "ok"),
        ("koeln", "ok"),
    ]
    assert f"{sum(row['station_count'] for row in loaded)} stations" in said


@pytest.mark.slow
def test_live_once__nobody_answers__fails_but_keeps_what_was_said(
    empty: Shell, api: ApiServer
) -> None:
    api.faults.set(EVERYWHERE, FaultKind.STATUS_500)
    assert empty.run("live", "--once") == 1
    assert "0 of 3 places answered" in empty.out
    assert empty.json("status")["feeds"][0]["polls"] == 1


def test_live__without_an_enabled_feed_is_refused(
    empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = empty.home / "feeds.toml"
    off.write_text("[feeds.chargecloud]\nenabled = false\n")
    monkeypatch.setenv("CHARGING_FEEDS", str(off))
    assert empty.run("live", "--once") == 2
    assert "no feed is enabled" in empty.err


# --- ui, and what live becomes ------------------------------------------------------------------


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that this process would have become."""
    lines: list[list[str]] = []
    monkeypatch.setattr(signal, "signal", lambda _number, _handler: None)
    monkeypatch.setattr(os, "execv", lambda _program, line: lines.append(line))
    return lines


def test_ui__starts_dagster_on_this_machine_alone_and_polls_nothing(
    empty: Shell, became: list[list[str]]
) -> None:
    empty.run("ui", "--port", "3999")
    ((*_, dev, workspace_option, workspace, host_option, host, port_option, port),) = became
    assert (dev, host_option, host, port_option, port) == (
        "dev", "--host", "127.0.0.1", "--port", "3999",
    )  # fmt: skip
    assert workspace_option == "--workspace"
    assert Path(workspace).is_file()
    assert os.environ["CHARGING_LIVE"] == ""
    assert os.environ["DAGSTER_HOME"] == str(empty.home / "dagster")


def test_live__goes_on_with_the_schedules_running(
    empty: Shell, became: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_poll", lambda _lake, _feeds: ([], {}))
    empty.run("live")
    assert len(became) == 1
    assert os.environ["CHARGING_LIVE"] == "1"


@pytest.mark.parametrize(("switch", "status"), [("1", "RUNNING"), ("", "STOPPED")])
def test_schedules__run_only_where_live_says_so(tmp_path: Path, switch: str, status: str) -> None:
    said = in_a_process(
        tmp_path,
        f"""
        import os
        os.environ["CHARGING_LIVE"] = {switch!r}
        from charging_assets.automation.schedules import SCHEDULES
        print(*sorted({{schedule.default_status.name for schedule in SCHEDULES}}))
        """,
    )
    assert said == f"{status}\n"


# --- Dagster's home -----------------------------------------------------------------------------


def test_dagster_home__is_made_once_and_then_the_user_s(empty: Shell) -> None:
    settings = dagster_home.prepare() / dagster_home.SETTINGS
    with DagsterInstance.from_config(str(settings.parent)) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_max_runtime_seconds == 3600
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 4
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] == 60
    settings.write_text("telemetry:\n  enabled: false\n")
    dagster_home.prepare()
    assert settings.read_text() == "telemetry:\n  enabled: false\n"


def test_dagster_home__that_the_user_chose_is_left_as_it_is(
    empty: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    monkeypatch.setenv("DAGSTER_HOME", str(own))
    with pytest.raises(deployments.DeploymentError, match="which is no folder"):
        dagster_home.prepare()
    own.mkdir()
    assert dagster_home.prepare() == own
    assert list(own.iterdir()) == []


# --- demo ---------------------------------------------------------------------------------------


def test_demo__over_what_is_loaded_only_reports(loaded: Shell) -> None:
    assert loaded.run("demo", "--hours", "2", "--scale", SCALE) == 0
    assert "archive: every poll was there" in loaded.out
    assert "warehouse: every hour was loaded" in loaded.out
    stations, evses, _ = Network(1, float(SCALE), whole_at=FIRST.start).counts(FIRST.start)
    assert f"{stations} stations · {evses} EVSEs" in loaded.out
    for part in ("Occupancy by local hour", "Busiest stations", "Status", "Data quality"):
        assert part in loaded.out
    for target in ("make ui", "make dashboard", "make live"):
        assert target in loaded.out
    assert max(map(len, loaded.out.splitlines())) <= 100


def test_demo__its_figures_are_the_warehouse_s(loaded: Shell) -> None:
    loaded.run("demo", "--hours", "2", "--scale", SCALE)
    found = loaded.storage.warehouse.query(
        "SELECT SUM(CASE WHEN status = 'AVAILABLE' THEN poll_count ELSE 0 END) AS available, "
        "SUM(poll_count) AS polled FROM warehouse.fact_status"
    ).to_pylist()[0]
    (line,) = [each for each in loaded.out.splitlines() if each.strip().startswith("AVAILABLE")]
    assert f"{100 * float(found['available']) / float(found['polled']):.1f} %" in line
    assert f"{float(found['available']) * 600 / 3600:,.1f} h" in line


# --- gaps and the spool -------------------------------------------------------------------------


@pytest.mark.slow
def test_accept_gap__hours_become_loaded_and_empty_and_are_no_longer_missed(loaded: Shell) -> None:
    gap = ("2026-01-12T02", "2026-01-12T03")
    assert loaded.run("accept-gap", FIRST.key, gap[1], "--reason", "a test") == 0
    assert "2 hours accepted as lost: 2026-01-12T02 to 2026-01-12T03 (2)" in loaded.out
    assert "2 hours have polls, left as they are" in loaded.out
    assert [each["hour"] for each in loaded.json("load")["loaded"]] == list(gap)
    assert loaded.json("status")["pending"] == []
    held = loaded.storage.warehouse.query("SELECT reason FROM ops.gaps").to_pylist()
    assert held == [{"reason": "a test"}] * 2
    assert loaded.json("accept-gap", *gap, "--reason", "again")["known"] == list(gap)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["2026-01-12T02", "2026-01-12T01", "--reason", "x"], "ends before it begins"),
        (["2020-01-12T02", "2026-01-12T01", "--reason", "x"], "begins at 2021-01-01T00"),
        (["2026-01-12T02", "2999-01-01T00", "--reason", "x"], "is not over yet"),
        (["2026-01-12T02", "2026-01-12T02", "--reason", " "], "says nothing"),
    ],
)
def test_accept_gap__of_what_cannot_be_is_refused(
    empty: Shell, arguments: list[str], said: str
) -> None:
    assert empty.run("accept-gap", *arguments) == 2
    assert said in empty.err


def test_drain__archives_what_waits(empty: Shell) -> None:
    assert empty.run("drain") == 0
    assert "the spool is empty" in empty.out
    made = encode(builders.poll(0), [builders.place("koeln", b"{}")])
    assert empty.storage.spool is not None
    empty.storage.spool.keep(made)
    assert empty.run("drain") == 0
    assert "1 poll archived" in empty.out
    assert list(hours_archived(empty.storage.lake).values()) == [[made.key]]
