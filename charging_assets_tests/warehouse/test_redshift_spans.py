"""Complete loads into the test bed: spans of hours, other code versions, equal warehouses."""

from __future__ import annotations

from typing import Any

import pytest

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.hours import Hour, Span
from charging_assets.lake.flat_files import FlatFile
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staged_hours import StagingInput, staging_load
from charging_assets.modelling.staging import staging_span_plan
from charging_assets.schemas.flat import FLAT_STATUS
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.span_loads import apply_spans
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station
from charging_assets_tests.modelling.test_staging import with_rows
from charging_assets_tests.testbed.bed import S3, Bed
from charging_assets_tests.warehouse.redshifts import of_the_bed

pytestmark = pytest.mark.slow

DIMENSIONS = ("dim_station", "dim_evse", "dim_connector")
OPENS = {"regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "18:00"}]}


def _records(status: str = "AVAILABLE", name: str = "A", **fields: Any) -> list[dict[str, Any]]:
    capable = evse("e1", status, capabilities=["RESERVABLE", "RFID_READER"], **fields)
    return [station([capable, evse("e2")], name=name, opening_times=OPENS)]


# By minute: a session over three hours, another name, another label, a place that fails, EVSEs that
# go and come back, and an hour a day later.
POLLS: dict[float, Any] = {
    0: _records(),
    20: {"koeln": _records("CHARGING"), "bonn": [station([evse("b1")], "s2")]},
    40: {"koeln": _records("CHARGING"), "bonn": None},
    60: _records("CHARGING", "B"),
    80: _records("CHARGING", "B"),
    130: _records("AVAILABLE", "B", id="DE*NEW*E1"),
    150: [station([evse("e2")], name="B", opening_times=OPENS)],
    60 * 30: {"koeln": _records("CHARGING"), "bonn": []},
    60 * 30 + 20: {"koeln": _records(), "bonn": []},
    60 * 30 + 40: {"koeln": _records(), "bonn": []},
}


@pytest.fixture(scope="module")
def files() -> dict[Hour, list[FlatFile]]:
    lake = hours.lake_of(POLLS)
    return {hour: hours.flat_files(lake, hour) for hour in hours_archived(lake)}


@pytest.fixture(scope="module")
def by_hour(testbed: Bed, bucket: S3, files: dict[Hour, list[FlatFile]]) -> Warehouse:
    """The bed with all hours, loaded one by one."""
    made = of_the_bed(testbed, bucket, "snapshot").warehouse()
    for hour, of_hour in files.items():
        hours.load_files(made, of_hour, hour)
    return made


def test_spans__in_any_order_give_the_rows_and_ledger_of_hours(
    testbed: Bed, bucket: S3, files: dict[Hour, list[FlatFile]], by_hour: Warehouse
) -> None:
    by_spans = of_the_bed(testbed, bucket, "serializable").warehouse()
    first, *later = files
    for span in (Span(tuple(later)), Span((first,))):
        staged = staging_span_plan({hour: files[hour] for hour in span.hours})
        by_spans.apply_all([staged, *derived_plans(span)])
    assert hours.digests(by_spans) == hours.digests(by_hour)


def test_hours__give_the_rows_and_ledger_of_duckdb(
    files: dict[Hour, list[FlatFile]], by_hour: Warehouse
) -> None:
    duckdb = DuckDBWarehouse(None)
    for hour, of_hour in files.items():
        hours.load_files(duckdb, of_hour, hour)
    digests = hours.digests(by_hour)
    assert digests == hours.digests(duckdb)
    empty = {name for name, digest in digests.items() if digest.startswith("0 rows")}
    assert {name for name in empty if not name.startswith("ops.")} == set()


def test_hours__loaded_by_another_version__are_loaded_again(
    files: dict[Hour, list[FlatFile]], by_hour: Warehouse
) -> None:
    """Rows that a release adds, for hours whose input is the same."""
    whole = hours.digests(by_hour)
    bridges = ("station_opening", "evse_capability", "evse_alias")
    by_hour.execute(
        *((f"DELETE FROM warehouse.bridge_{name}", {}) for name in bridges),
        (
            "UPDATE ops.ledger SET code_version = 'older' WHERE asset IN "
            f"({', '.join(map(repr, DIMENSIONS))})",
            {},
        ),
    )
    for hour, of_hour in files.items():
        hours.load_files(by_hour, of_hour, hour, DIMENSIONS)
    assert hours.digests(by_hour) == whole


def _feeds_apart(warehouse: Warehouse) -> list[str | None]:
    """Load two feeds: together, one whose polls are more, one that does not balance, and one that
    is gone. The feeds that failed.
    """
    lake = MemoryLake()
    for minute in (0, 60):
        for feed in ("a", "b"):
            hours.put(lake, minute, _records("CHARGING"), feed)
    wanted = list(hours_archived(lake))
    files = {hour: hours.flat_files(lake, hour) for hour in wanted}
    warehouse.apply(staging_span_plan(files))
    hours.put(lake, 80, _records("AVAILABLE", "B"), "b")
    files[wanted[1]] = hours.flat_files(lake, wanted[1])
    warehouse.apply(staging_span_plan(files))
    for minute, feed in ((20, "a"), (20, "b")):
        hours.put(lake, minute, _records("AVAILABLE"), feed)
    changed = hours.flat_files(lake, wanted[0])
    at = next(n for n, f in enumerate(changed) if (f.feed, f.table) == ("b", FLAT_STATUS))
    changed[at] = with_rows(changed[at], changed[at].read().slice(1))
    files[wanted[0]] = changed
    failed = [r.feed for r in apply_spans(warehouse, staging_load(StagingInput(files))) if r.error]
    files[wanted[1]] = [file for file in files[wanted[1]] if file.feed == "b"]
    warehouse.apply(staging_span_plan({wanted[1]: files[wanted[1]]}))
    warehouse.apply_all(derived_plans(Span(tuple(wanted))))
    return failed


def test_feeds__loaded_apart__give_the_rows_and_ledger_of_duckdb(testbed: Bed, bucket: S3) -> None:
    redshift, duckdb = of_the_bed(testbed, bucket, "snapshot").warehouse(), DuckDBWarehouse(None)
    assert _feeds_apart(redshift) == _feeds_apart(duckdb) == ["b"]
    polls = "SELECT feed, COUNT(*) FROM warehouse.fact_poll GROUP BY feed ORDER BY feed"
    assert hours.rows(duckdb, polls) == [("a", 2), ("b", 3)]
    assert hours.digests(redshift) == hours.digests(duckdb)
