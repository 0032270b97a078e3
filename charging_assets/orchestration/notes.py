"""Notes of the lake as tables of the warehouse: missed slots, accepted gaps.

Belongs here: keeping `ops.missed_slots` and `ops.gaps` equal to the notes. Does not belong here:
writing the notes (`archive.missed_slots`, `archive.gaps`); the warehouse is only their copy.
"""

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
    """Make both tables what the notes say; only rows that differ are written."""
    archived = hours_archived(lake)
    missed = {
        (
            names.fit(note["feed"], names.FEED),
            to_naive_utc(datetime.fromisoformat(note["slot_at"])),
            _cut(note["reason"]),
        )
        for note in unfilled_slots(lake, archived)
    }
    accepted = {
        (gap.feed or "", to_naive_utc(Hour.parse(gap.hour).start), _cut(gap.reason),
         to_naive_utc(gap.accepted_at))
        for gap in gaps(lake)
        if not _has_polls(archived, gap)
    }  # fmt: skip
    statements = [*_changes(warehouse, MISSED_SLOTS, missed), *_changes(warehouse, GAPS, accepted)]
    if statements:
        warehouse.execute(*statements)


def _has_polls(archived: Mapping[Hour, Collection[str]], gap: Gap) -> bool:
    """Whether polls of an accepted hour turned up after all, of the feed that it is about."""
    keys = archived.get(Hour.parse(gap.hour), ())
    return bool(keys) if gap.feed is None else gap.feed in feeds_of(keys)


def _changes(
    warehouse: Warehouse, table: Table, wanted: Collection[_Row]
) -> list[tuple[str, dict[str, Any]]]:
    columns = ", ".join(table.names)
    try:
        found = warehouse.query(f"SELECT {columns} FROM {table.full_name}").to_pylist()
    except NoWarehouse:
        found = []
    held = {tuple(row[name] for name in table.names) for row in found}
    same = " AND ".join(f"{name} = :{name}" for name in table.key)
    values = ", ".join(f":{name}" for name in table.names)
    gone = [dict(zip(table.names, row, strict=True)) for row in held - set(wanted)]
    new = [dict(zip(table.names, row, strict=True)) for row in set(wanted) - held]
    return [
        *((f"DELETE FROM {table.full_name} WHERE {same}", row) for row in gone),
        *((f"INSERT INTO {table.full_name} ({columns}) VALUES ({values})", row) for row in new),
    ]


def _cut(reason: str) -> str:
    """A reason as long as its column: bytes of UTF-8, no half characters."""
    longest = MISSED_SLOTS.column("reason").length
    return reason.encode("utf-8", "replace")[:longest].decode(errors="ignore")
