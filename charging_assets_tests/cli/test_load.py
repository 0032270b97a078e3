"""`load`: stale hours, ranges and damaged objects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.cli.load import format_reasons
from charging_assets_tests.cli.shell import FIRST, SCALE, SECOND, Shell, in_a_process
from charging_assets_tests.modelling import hours


def test_load__second_time_is_a_no_op_without_dagster(loaded: Shell) -> None:
    output = in_a_process(
        loaded.home,
        """
        import sys
        from charging_assets.cli import main
        assert main(["load"]) == 0
        print("dagster" in sys.modules)
        """,
    )
    assert output.splitlines()[0].startswith("nothing to load")
    assert output.splitlines()[1] == "False"


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
def test_load__range_loads_fresh_hours_too_and_names_missing_ones(
    loaded: Shell,
) -> None:
    assert loaded.run("load", "--from", SECOND.key, "--to", "2026-01-12T04") == 0
    assert "not loaded: 2026-01-12T02 to 2026-01-12T04 (3)" in loaded.out
    assert "loaded 1 hour, " in loaded.out
    # Dagster's own log would drown the progress.
    assert "STEP_" not in loaded.err
    assert f"{SECOND}" in loaded.err
    assert "rows (reason: requested)" in loaded.err


@pytest.mark.parametrize(
    ("reasons", "text"),
    [
        (["not yet staged"], "reason: not yet staged"),
        (["not yet staged"] * 3, "reason: not yet staged"),
        (["a", "b", "b"], "reasons: b, 2 hours; a, 1 hour"),
    ],
)
def test_format_reasons__lists_each_reason_with_its_hours(reasons: list[str], text: str) -> None:
    assert format_reasons(reasons) == text


def test_load__first_load_reads_as_a_success(empty: Shell) -> None:
    assert empty.run("load") == 0
    assert empty.out.startswith("nothing to load: the archive is empty; `charging-assets live`")
    assert empty.run("simulate", "--hours", "1", "--scale", SCALE) == 0
    assert empty.run("status") == 0
    assert f"{FIRST}  not yet staged" in empty.out
    assert empty.run("load") == 0
    assert re.search(r"  loaded 1 hour, [\d,]+ rows \(reason: not yet staged\)", empty.err)
    assert re.match(r"loaded 1 hour, [\d,]+ rows, in [\d.]+ s\n", empty.out)
    for negative in (" not loaded", "is not", "fail"):
        assert negative not in empty.out + empty.err


def test_load__range_without_any_archived_poll_fails(loaded: Shell) -> None:
    arguments = ("load", "--from", "2026-03-01T00", "--to", "2026-03-01T01")
    assert loaded.run(*arguments) == 1
    assert "not loaded: 2026-03-01T00 to 2026-03-01T01 (2)" in loaded.out
    assert loaded.json(*arguments)["missing"] == ["2026-03-01T00", "2026-03-01T01"]


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
    assert "loaded 1 hour, " in empty.out
    assert "failed: 1 hour, 2026-01-12T00" in empty.out
    assert [each["hour"] for each in empty.json("status")["stale"]] == [FIRST.key]


@pytest.mark.slow
@pytest.mark.usefixtures("equal_keys")
def test_load__of_an_older_hour_also_loads_the_hours_that_it_makes_stale(empty: Shell) -> None:
    """Two ids have one key: once the older hour is known, the key stands for its id."""
    lake = empty.storage.lake
    for minute in (60, 120):
        hours.put(lake, minute, [hours.station([hours.evse("e1")], "s1~a")])
    assert empty.run("load") == 0
    hours.put(lake, 0, [hours.station([hours.evse("e2")], "s1~b")])
    assert empty.run("load") == 0
    assert "loaded 3 hours, " in empty.out
    assert empty.run("load") == 0
    assert "nothing to load" in empty.out
    stations = empty.storage.warehouse.query("SELECT station_id FROM warehouse.dim_station")
    assert stations.to_pylist() == [{"station_id": "s1~b"}]


@pytest.mark.slow
def test_load__a_feed_that_fails__is_printed_and_exits_with_1(empty: Shell) -> None:
    lake = empty.storage.lake
    hours.put(lake, 0, hours.stand(), "good")
    for minute in (0, 60):
        key = hours.put(lake, minute, hours.stand(), "bad")
    path = Path(lake.uri(key))
    hours.put(lake, 60, hours.stand(), "good")
    path.write_bytes(path.read_bytes()[:-9])
    at = hours.hour_after(1).key
    assert empty.run("load") == 1
    assert f"failed: feed bad in 1 hour, {at};" in empty.out
    assert "loaded 2 hours, " in empty.out
    assert f"{at} bad failed: CorruptArchive: {key} is damaged" in " ".join(empty.err.split())
    status = empty.json("status")
    assert [each["hour"] for each in status["stale"]] == [at]
    loaded = {feed["feed"]: feed["hours_loaded"] for feed in status["feeds"]}
    assert loaded == {"bad": 1, "good": 2}
    (failed,) = empty.json("load")["failed_feeds"]
    assert (failed["hour"], failed["feed"]) == (at, "bad") and key in failed["error"]
