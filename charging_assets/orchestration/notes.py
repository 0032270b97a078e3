"""Copies notes of the lake to the warehouse: `ops.missed_slots` and `ops.gaps`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from charging_assets import names
from charging_assets.archive.gaps import Gap, gaps
from charging_assets.archive.missed_slots import unfilled_slots
from charging_assets.archive.raw_archive import feeds_of, hours_archived
from charging_assets.hours import Hour, to_naive_utc
from charging_assets.lake.store import Lake
from charging_assets.schemas.ops import GAPS, MISSED_SLOTS
from charging_assets.schemas.table import Table
from charging_assets.warehouse.interface import NoWarehouse, Warehouse

_Row = tuple[Any, ...]


def sync_notes(lake: Lake, warehouse: Warehouse) -> None:
    """Make both tables equal to the notes; writes only rows that differ."""
    archived = hours_archived(lake)
    missed = {
        (
            names.fit(note["feed"], names.FEED),
            to_naive_utc(datetime.fromisoformat(note["slot_at"])),
            _truncate(note["reason"]),
        )
        for note in unfilled_slots(lake, archived)
    }
    accepted = {
        (gap.feed or "", to_naive_utc(Hour.parse(gap.hour).start), _truncate(gap.reason),
         to_naive_utc(gap.accepted_at))
        for gap in gaps(lake)
        if not _has_polls(archived, gap)
    }  # fmt: skip
    statements = [*_changes(warehouse, MISSED_SLOTS, missed), *_changes(warehouse, GAPS, accepted)]
    if statements:
        warehouse.execute(*statements)


def _has_polls(archived: Mapping[Hour, Collection[str]], gap: Gap) -> bool:
    """Whether the feed of an accepted gap has polls in this hour, for example after an import."""
    keys = archived.get(Hour.parse(gap.hour), ())
    return bool(keys) if gap.feed is None else gap.feed in feeds_of(keys)


def _changes(
    warehouse: Warehouse, table: Table, expected: Collection[_Row]
) -> list[tuple[str, dict[str, Any]]]:
    columns = ", ".join(table.names)
    try:
        rows = warehouse.query(f"SELECT {columns} FROM {table.full_name}").to_pylist()
    except NoWarehouse:
        rows = []
    stored = {tuple(row[name] for name in table.names) for row in rows}
    key_condition = " AND ".join(f"{name} = :{name}" for name in table.key)
    values = ", ".join(f":{name}" for name in table.names)
    deleted = [dict(zip(table.names, row, strict=True)) for row in stored - set(expected)]
    added = [dict(zip(table.names, row, strict=True)) for row in set(expected) - stored]
    return [
        *((f"DELETE FROM {table.full_name} WHERE {key_condition}", row) for row in deleted),
        *((f"INSERT INTO {table.full_name} ({columns}) VALUES ({values})", row) for row in added),
    ]


def _truncate(reason: str) -> str:
    """The reason in the length of its column, in bytes of UTF-8, without partial characters."""
    max_bytes = MISSED_SLOTS.column("reason").length
    return reason.encode("utf-8", "replace")[:max_bytes].decode(errors="ignore")
