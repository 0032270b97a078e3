"""`status`: what is loaded, missing, missed, too old, and how long the disk lasts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from charging_assets.archive.identities import FeedIdentity
from charging_assets.archive.missed_slots import record_missed
from charging_assets.cli.overview import ContestedIds, overview
from charging_assets.cli.status import _print_overview
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME
from charging_assets_tests import builders
from charging_assets_tests.cli.shell import FIRST, SCALE, SECOND, Shell
from charging_assets_tests.clocks import STOPPED_AT
from charging_assets_tests.modelling import hours


def test_status__empty_home_prints_how_to_begin(empty: Shell) -> None:
    assert empty.run("status") == 0
    assert "The archive is empty." in empty.out
    assert empty.json("status")["feeds"] == []
    assert list(empty.home.iterdir()) == []


def test_status__reports_loaded_missing_and_missed(loaded: Shell) -> None:
    record_missed(loaded.storage.lake, "simulated", SECOND.end, "a test")
    # Noted, and archived after all.
    record_missed(loaded.storage.lake, "simulated", SECOND.start, "a test")
    status = loaded.json("status")
    (feed,) = status["feeds"]
    assert status["stale"] == []
    assert (feed["feed"], feed["hours_archived"], feed["hours_loaded"]) == ("simulated", 2, 2)
    assert (feed["polls"], feed["missed_slots"], feed["hours_missing"]) == (12, 1, [])
    assert feed["last_poll_at"].startswith("2026-01-12T01:50:")
    assert feed["newest_loaded_at"] == "2026-01-12T01:50:00+00:00"
    assert loaded.run("status") == 0
    assert "hours archived  2 (2026-01-12T00 to 2026-01-12T01 UTC)" in loaded.out


def test_status__without_a_warehouse_reports_gaps_and_stale_hours(empty: Shell) -> None:
    for start in (FIRST.key, "2026-01-12T03"):
        empty.run("simulate", "--hours", "1", "--scale", SCALE, "--start", start)
    status = empty.json("status")
    assert status["feeds"][0]["hours_missing"] == ["2026-01-12T01", "2026-01-12T02"]
    assert status["feeds"][0]["hours_loaded"] == 0
    assert status["stale"][0] == {"hour": FIRST.key, "reason": "not yet staged"}


@pytest.mark.fault(
    "Daemon and poller are down",
    "the external check fails, without Dagster and without a warehouse",
    area="time",
)
@pytest.mark.usefixtures("stopped_clock")
@pytest.mark.parametrize(("age_min", "code"), [(5, 0), (29, 0), (31, 2)])
def test_status__max_age_turns_red_without_dagster_or_warehouse(
    empty: Shell, age_min: int, code: int
) -> None:
    slot_at = STOPPED_AT - timedelta(minutes=age_min)
    header = builders.poll(feed="chargecloud", slot_at=slot_at)
    builders.archived(empty.storage.lake, header, {"koeln": b"{}"})
    assert empty.run("status", "--max-age", "30m") == code
    assert empty.out.startswith("CRITICAL: chargecloud was last" if code else "OK: chargecloud was")
    assert ("the limit is 30 min" in empty.out) == bool(code)
    assert empty.json("status", "--max-age", "30m")["ok"] is not bool(code)
    assert [path.name for path in empty.home.iterdir()] == ["lake"]


@pytest.mark.usefixtures("stopped_clock")
def test_status__max_age_counts_polls_with_a_good_answer(empty: Shell) -> None:
    for age_min, outcome in (50, "ok"), (20, "timeout"), (10, "timeout"):
        header = builders.poll(feed="chargecloud", slot_at=STOPPED_AT - timedelta(minutes=age_min))
        place = builders.place("koeln", b"{}" if outcome == "ok" else None, outcome)
        builders.archived(empty.storage.lake, header, {"koeln": place})
    assert empty.run("status", "--max-age", "30m") == 2
    assert "last polled 10 min ago" in empty.out
    assert "but had its last good answer 50 min ago" in empty.out
    assert empty.run("status", "--max-age", "1h") == 0


def test_status__max_age_of_a_feed_that_was_never_polled_is_red(empty: Shell) -> None:
    assert empty.run("status", "--max-age", "1d") == 2
    assert empty.out == "CRITICAL: chargecloud was never polled, the limit is 1440 min\n"


def test_status__forecasts_how_long_the_disk_lasts(loaded: Shell) -> None:
    disk = loaded.json("status")["disk"]
    files = {path: path.stat().st_size for path in loaded.home.rglob("*") if path.is_file()}
    raw = sum(size for path, size in files.items() if "/lake/raw/" in str(path))
    assert disk["parts"]["raw"] == raw > 0
    assert disk["parts"]["warehouse"] == (loaded.home / FILE_NAME).stat().st_size
    assert disk["days_left"] == disk["free"] // disk["bytes_a_day"]
    assert loaded.run("status") == 0
    assert "\n  grows by " in loaded.out


def test_status__warns_of_ambiguous_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """Until the feed states that ids are unique within a place; of the newest hour."""
    towns = {
        slug: [hours.station([hours.evse("1", id=f"DE*{slug[:3]}*E1")], "1", name=slug, city=slug)]
        for slug in ("adorf", "bdorf")
    }
    for town in towns.values():
        town[0]["coordinates"] = None
    lake = hours.lake_of({0: towns, 60: towns})
    for ids_within, count in (None, 2), ("place", 0):
        warehouse = DuckDBWarehouse(None)
        for hour in (hours.HOUR, hours.hour_after(1)):
            files = hours.flat_files(lake, hour, {"test": FeedIdentity("test", ids_within)})
            hours.load_files(warehouse, files, hour)
        state = overview(lake, warehouse)
        assert len(state.contested) == count
        _print_overview(state, STOPPED_AT)
        printed = capsys.readouterr().out
        assert ('set ids_within = "place"' in printed) is bool(count)
        assert ('set ids_within = "parent"' in printed) is bool(count)
        if count:
            place, hour = ("adorf", "bdorf"), hours.hour_after(1)
            assert state.contested == (
                ContestedIds("test", "station", hour, 1, place),
                ContestedIds("test", "evse", hour, 1, place),
            )
