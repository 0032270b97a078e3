"""Load small hours, from raw objects into every table of a warehouse, without Dagster.

It also computes the digests by which two warehouses are compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from charging_assets.archive.identities import NO_IDENTITIES, FeedIdentity
from charging_assets.archive.raw_archive import digest, hours_archived, keys_by_feed, read_places
from charging_assets.hours import Hour, Span
from charging_assets.lake.flat_files import FlatFile, write_flat
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake
from charging_assets.modelling import hour_plans
from charging_assets.modelling.staging import staging_plan, staging_span_plan
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.identity import entity_key
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.table import Table
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.plan import LoadResult, Plan
from charging_assets_tests import builders

FEED = "test"
HOUR = Hour.of(builders.SLOT)

# What two loads of the same rows differ in.
OF_THE_RUN = {"loaded_at", "load_id"}

Stations = Sequence[Mapping[str, Any]]


def evse(uid: str = "e1", status: str | None = "AVAILABLE", **fields: Any) -> dict[str, Any]:
    """An EVSE whose one connector has its status."""
    connectors = [builders.connector(f"{uid}-c", status=status)]
    return builders.evse(uid, **{"connectors": connectors, "status": status, **fields})


def station(
    evses: Sequence[dict[str, Any]] | None = None, station_id: str = "s1", **fields: Any
) -> dict[str, Any]:
    """A station with one EVSE, `e1`, unless others are given."""
    return builders.station(station_id, [evse()] if evses is None else list(evses), **fields)


def stand(status: str | None = "AVAILABLE", **fields: Any) -> list[dict[str, Any]]:
    """A place's answer: one station with one EVSE."""
    return [station([evse(status=status, **fields)])]


def put(
    lake: Lake,
    minute: float,
    answer: Stations | Mapping[str, Stations | None] | None,
    feed: str = FEED,
    **header_fields: Any,
) -> str:
    """Archive a poll so many minutes after HOUR's start; a list is what `koeln` answered.

    A place that is None did not answer. The source's clock is three seconds late. Returns the key.
    """
    places = answer if isinstance(answer, Mapping) else {"koeln": answer}
    header = builders.poll(minute, feed=feed, **header_fields)
    at = (header.slot_at + timedelta(seconds=3)).isoformat()
    return builders.archived(
        lake,
        header,
        {
            slug: builders.place(slug, None, "timeout")
            if stations is None
            else builders.envelope(*stations, at=at)
            for slug, stations in places.items()
        },
    )


def lake_of(polls: Mapping[float, Stations | Mapping[str, Stations | None] | None]) -> MemoryLake:
    """A lake with polls by minute."""
    lake = MemoryLake()
    for minute, answer in polls.items():
        put(lake, minute, answer)
    return lake


def hour_after(hours: int) -> Hour:
    """The hour that begins so many hours after HOUR."""
    return Hour(HOUR.start + timedelta(hours=hours))


def flat_files(
    lake: Lake, hour: Hour = HOUR, identities: Mapping[str, FeedIdentity] = NO_IDENTITIES
) -> list[FlatFile]:
    """Write the hour's flat files, feed by feed, as the assets would."""
    files = []
    for feed, keys in keys_by_feed(hours_archived(lake)[hour]).items():
        tables = flatten(read_places(lake, keys), identities)
        made_from = {"archive_digest": digest(keys, identities), "code_version": flat_version()}
        files += [
            write_flat(lake, table, feed, hour, tables[table.name], **made_from)
            for table in FLAT_TABLES
        ]
    return files


def derived_plans(hour: Hour = HOUR) -> list[Plan]:
    """The plans of all dimensions, facts and marts, each after what it is made from."""
    return hour_plans.derived_plans(hour)


def load_files(
    warehouse: Warehouse,
    files: Sequence[FlatFile],
    hour: Hour = HOUR,
    only: str | tuple[str, ...] = "",
) -> dict[str, LoadResult]:
    """Stage an hour's flat files and derive every table, or those whose name begins so."""
    derived = [plan for plan in derived_plans(hour) if plan.asset.startswith(only)]
    return {plan.asset: warehouse.apply(plan) for plan in (staging_plan(hour, files), *derived)}


def load(
    warehouse: Warehouse, lake: Lake, hour: Hour = HOUR, only: str | tuple[str, ...] = ""
) -> dict[str, LoadResult]:
    """Bring an hour from its raw objects into every table, or those whose name begins so."""
    return load_files(warehouse, flat_files(lake, hour), hour, only)


def loaded(
    polls: Mapping[float, Stations | Mapping[str, Stations | None] | None],
    only: str | tuple[str, ...] = "",
) -> DuckDBWarehouse:
    """A warehouse in memory with every hour of the polls."""
    lake, warehouse = lake_of(polls), DuckDBWarehouse(None)
    for hour in hours_archived(lake):
        load(warehouse, lake, hour, only)
    return warehouse


def load_span(
    warehouse: Warehouse,
    files: Mapping[Hour, Sequence[FlatFile]],
    only: str | tuple[str, ...] = "",
) -> None:
    """Stage the flat files of hours and derive tables, as `load_files`, with one plan for all."""
    derived = hour_plans.derived_plans(Span(tuple(files)))
    chosen = [plan for plan in derived if plan.asset.startswith(only)]
    warehouse.apply_all([staging_span_plan(files), *chosen])


def span_loaded(lake: Lake, only: str | tuple[str, ...] = "") -> DuckDBWarehouse:
    """A warehouse in memory with every hour of a lake, loaded as one span.

    For tests of what rows mean; those of how hours are loaded load them one by one.
    """
    warehouse = DuckDBWarehouse(None)
    load_span(warehouse, {hour: flat_files(lake, hour) for hour in hours_archived(lake)}, only)
    return warehouse


def key_of(entity: str, *ids: str, network: str = FEED) -> int:
    return entity_key(network, entity, *ids)


def rows(warehouse: Warehouse, sql: str, **params: Any) -> list[tuple[Any, ...]]:
    """The rows of a query, with times as minutes after HOUR's start."""
    return [
        tuple(_minutes(value) if isinstance(value, datetime) else value for value in row.values())
        for row in warehouse.query(sql, params).to_pylist()
    ]


def digests(warehouse: Warehouse, tables: Iterable[Table] = TABLES) -> dict[str, str]:
    """A hash of each table's rows, in whatever order; without the ledger's clock and load ids."""
    digest_by_table = {}
    for table in tables:
        names = ", ".join(name for name in table.names if name not in OF_THE_RUN)
        sorted_rows = sorted(map(repr, rows(warehouse, f"SELECT {names} FROM {table.full_name}")))
        digest = hashlib.sha256("\n".join(sorted_rows).encode()).hexdigest()[:16]
        digest_by_table[table.full_name] = f"{len(sorted_rows)} rows {digest}"
    return digest_by_table


def _minutes(at: datetime) -> float:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - HOUR.start).total_seconds() / 60


def staged_counts(warehouse: DuckDBWarehouse) -> dict[str, int]:
    """The number of rows of each staging table."""
    return {
        table.name: rows(warehouse, f"SELECT COUNT(*) FROM {table.full_name}")[0][0]
        for table in FLAT_TABLES
    }
