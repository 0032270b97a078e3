"""The plan of staged_tables: an hour's flat files, all or nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest

from charging_assets.lake import flat_files
from charging_assets.lake.flat_files import FlatFile, StaleFlatFile, flat_key, open_flat
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling import staging
from charging_assets.modelling.staging import staging_plan
from charging_assets.schemas.flat import FLAT_POLLS, FLAT_TABLES
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.plan import GuardFailed
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import (
    FEED,
    HOUR,
    evse,
    lake_of,
    rows,
    staged_counts,
    stand,
    station,
)

LEDGER = "SELECT is_staged, row_counts, loaded_at FROM ops.ledger WHERE asset = 'staged_tables'"


@pytest.fixture
def lake() -> MemoryLake:
    """Two polls, a second EVSE in the second, and one bad field."""
    later = [station([evse("e1", "CHARGING"), evse("e2", "NONSENSE")])]
    return lake_of({0: stand(), 10: later})


@pytest.fixture
def warehouse() -> DuckDBWarehouse:
    return DuckDBWarehouse(None)


@dataclass(frozen=True)
class PlantedFile(FlatFile):
    """A flat file with other rows than those in the lake."""

    rows: pa.Table = None

    def read(self) -> pa.Table:
        return self.rows


def with_rows(file: FlatFile, rows: pa.Table) -> FlatFile:
    fields = {field.name: getattr(file, field.name) for field in dataclasses.fields(file)}
    return PlantedFile(**{**fields, "digest": "planted"}, rows=rows)


def test_staging_plan__loads_every_flat_table(lake: MemoryLake, warehouse: DuckDBWarehouse) -> None:
    done = warehouse.apply(staging_plan(HOUR, hours.flat_files(lake)))
    expected = {
        "flat_polls": 2, "flat_stations": 1, "flat_evses": 2, "flat_connectors": 2,
        "flat_status": 3, "flat_rejects": 2,
    }  # fmt: skip
    assert (done.row_counts, done.skipped) == (expected, False)
    assert staged_counts(warehouse) == expected


def test_staging_plan__the_same_input_is_a_no_op(
    lake: MemoryLake, warehouse: DuckDBWarehouse
) -> None:
    first = warehouse.apply(staging_plan(HOUR, hours.flat_files(lake)))
    before = rows(warehouse, LEDGER)
    again = warehouse.apply(staging_plan(HOUR, hours.flat_files(lake)))
    assert (again.skipped, again.row_counts) == (True, first.row_counts)
    assert rows(warehouse, LEDGER) == before


def test_staging_plan__rows_that_went_missing_are_loaded_again(
    lake: MemoryLake, warehouse: DuckDBWarehouse
) -> None:
    plan = staging_plan(HOUR, hours.flat_files(lake))
    warehouse.apply(plan)
    before = hours.digests(warehouse)
    warehouse.execute(("DELETE FROM staging.flat_status WHERE status = 'CHARGING'", {}))
    assert warehouse.apply(plan).skipped is False
    assert hours.digests(warehouse) == before


def test_staging_plan__a_further_poll_replaces_the_hour(
    lake: MemoryLake, warehouse: DuckDBWarehouse
) -> None:
    warehouse.apply(staging_plan(HOUR, hours.flat_files(lake)))
    hours.put(lake, 20, stand())
    assert warehouse.apply(staging_plan(HOUR, hours.flat_files(lake))).skipped is False
    assert staged_counts(warehouse)["flat_polls"] == 3


def test_staging_plan__other_code_loads_again(
    lake: MemoryLake, warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = hours.flat_files(lake)
    warehouse.apply(staging_plan(HOUR, files))
    monkeypatch.setattr(staging, "code_version", lambda *_: "other")
    assert warehouse.apply(staging_plan(HOUR, files)).skipped is False


def test_staging_plan__other_hours_are_left_alone(warehouse: DuckDBWarehouse) -> None:
    lake = lake_of({59: stand(), 60: stand(), 119: stand(), 120: stand()})
    for hour in (0, 1, 2):
        at = hours.hour_after(hour)
        warehouse.apply(staging_plan(at, hours.flat_files(lake, at)))
    emptied = lake_of({70: []})
    at = hours.hour_after(1)
    warehouse.apply(staging_plan(at, hours.flat_files(emptied, at)))
    assert rows(warehouse, "SELECT slot_at FROM staging.flat_status ORDER BY 1") == [(59,), (120,)]


@pytest.mark.parametrize("name", ["flat_stations", "flat_evses", "flat_connectors", "flat_status"])
@pytest.mark.parametrize("change", ["lost", "doubled"])
def test_staging_plan__an_imbalance_is_refused_and_the_old_rows_stay(
    lake: MemoryLake, warehouse: DuckDBWarehouse, name: str, change: str
) -> None:
    warehouse.apply(staging_plan(HOUR, hours.flat_files(lake)))
    before = hours.digests(warehouse)
    hours.put(lake, 20, stand())
    files = hours.flat_files(lake)
    at = next(n for n, file in enumerate(files) if file.table.name == name)
    rows = files[at].read()
    if change == "lost":
        wrong = rows.slice(1)
    else:
        key = rows.schema.get_field_index(name.removeprefix("flat_").removesuffix("s") + "_key")
        key = rows.schema.get_field_index("evse_key") if name == "flat_status" else key
        other = rows.slice(0, 1).set_column(key, rows.schema.field(key), pa.array([1]))
        wrong = pa.concat_tables([rows, other])
    files[at] = with_rows(files[at], wrong)
    with pytest.raises(GuardFailed) as caught:
        warehouse.apply(staging_plan(HOUR, files))
    entity = name.removeprefix("flat_").removesuffix("s") if name != "flat_status" else "status"
    for part in ("input_rows_are_loaded_or_rejected", entity, "koeln", "Materialize the flat"):
        assert part in str(caught.value)
    assert hours.digests(warehouse) == before


def test_staging_plan__records_of_a_place_without_a_poll_are_an_imbalance(
    lake: MemoryLake, warehouse: DuckDBWarehouse
) -> None:
    files = hours.flat_files(lake)
    files[0] = with_rows(files[0], files[0].read().slice(0, 0))
    with pytest.raises(GuardFailed, match="koeln"):
        warehouse.apply(staging_plan(HOUR, files))
    assert set(staged_counts(warehouse).values()) == {0}


def test_staging_plan__rejected_records_are_accounted_for(warehouse: DuckDBWarehouse) -> None:
    bad: list[Any] = [station(), station(), station([evse("e5"), evse(None)], None), 7]
    warehouse.apply(staging_plan(HOUR, hours.flat_files(lake_of({0: bad}))))
    counts = rows(
        warehouse,
        "SELECT station_count, station_rejected_count, evse_count, evse_rejected_count, "
        "connector_count, connector_rejected_count FROM staging.flat_polls",
    )
    assert counts == [(4, 3, 4, 3, 4, 3)]
    assert staged_counts(warehouse)["flat_status"] == 1


def test_staging_plan__flat_files_of_different_archives_are_refused(lake: MemoryLake) -> None:
    before = hours.flat_files(lake)
    hours.put(lake, 20, stand())
    mixed = [*hours.flat_files(lake)[:-1], before[-1]]
    with pytest.raises(StaleFlatFile, match=r"different archives.*materialize all flat tables"):
        staging_plan(HOUR, mixed)


def test_staging_plan__flat_files_of_different_code_are_refused(lake: MemoryLake) -> None:
    files = hours.flat_files(lake)
    with pytest.raises(StaleFlatFile, match="different code"):
        staging_plan(HOUR, [*files[:-1], replace(files[-1], code_version="other")])


def test_open_flat__a_missing_file_names_the_remedy(lake: MemoryLake) -> None:
    with pytest.raises(
        StaleFlatFile, match=f"flat_polls has no file of feed test for {HOUR}; materialize"
    ):
        open_flat(lake, FLAT_POLLS, FEED, HOUR)


def test_open_flat__a_file_of_another_schema_version_is_refused(
    lake: MemoryLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours.flat_files(lake)
    written = f"has schema version {flat_files.SCHEMA_VERSION}, this program reads 99"
    monkeypatch.setattr(flat_files, "SCHEMA_VERSION", 99)
    with pytest.raises(StaleFlatFile, match=written):
        open_flat(lake, FLAT_POLLS, FEED, HOUR)


def test_write_flat__same_rows_are_same_bytes(lake: MemoryLake) -> None:
    keys = [flat_key(table, HOUR, FEED) for table in FLAT_TABLES]
    hours.flat_files(lake)
    first = [lake.get(key) for key in keys]
    hours.flat_files(lake)
    assert [lake.get(key) for key in keys] == first
