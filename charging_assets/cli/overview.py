"""Collects the state of archive, warehouse and ledger for `status` and `demo`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from charging_assets.hours import Hour, hours_between

if TYPE_CHECKING:
    from charging_assets.lake.store import Lake
    from charging_assets.orchestration.staleness import StaleHour
    from charging_assets.warehouse.interface import Warehouse


@dataclass(frozen=True)
class FeedArchive:
    """The archived hours of a feed, and which of them are stale."""

    feed: str
    hours: tuple[Hour, ...]
    objects: int
    last_poll_at: datetime
    stale: tuple[Hour, ...] | None
    missed_slots: int
    newest_loaded_at: datetime | None
    accepted: frozenset[Hour] = frozenset()

    @property
    def gaps(self) -> list[Hour]:
        """Hours without polls between the first and last archived hour, except accepted gaps."""
        between = set(hours_between(self.hours[0], self.hours[-1]))
        return sorted(between - set(self.hours) - self.accepted)


@dataclass(frozen=True)
class Rejects:
    """The number of rejected records or fields of a feed, by reason."""

    feed: str
    code: str
    severity: str
    count: int


@dataclass(frozen=True)
class ContestedIds:
    """The number of ids that places of a feed publish for different things in its newest hour.

    `entity` is station or evse, `places` the first two such places.
    """

    feed: str
    entity: str
    hour: Hour
    count: int
    places: tuple[str, str]


@dataclass(frozen=True)
class Overview:
    """The state of the installation; `stale` and `rejects` are None if reading it failed.

    `warehouse_note` is set if the warehouse is of another generation, and so counts as empty.
    """

    feeds: tuple[FeedArchive, ...]
    hours: tuple[Hour, ...]
    stale: tuple[StaleHour, ...] | None
    rejects: tuple[Rejects, ...] | None
    warehouse: str
    warehouse_error: str | None
    contested: tuple[ContestedIds, ...] = ()
    warehouse_note: str | None = None


def overview(lake: Lake, warehouse: Warehouse) -> Overview:
    """Read the state once. A warehouse that does not exist counts as empty."""
    from charging_assets.archive.raw_archive import hours_archived
    from charging_assets.orchestration.staleness import stale_hours
    from charging_assets.warehouse.interface import WarehouseError

    archived = hours_archived(lake)
    stale, rejected, error, note = None, None, None, None
    newest: dict[str, datetime] = {}
    contested: list[ContestedIds] = []
    try:
        note = other_generation(warehouse)
        stale = tuple(stale_hours(lake, warehouse))
        rejected = tuple(rejects(warehouse))
        newest = newest_loaded(warehouse)
        contested = contested_ids(warehouse, newest)
    except WarehouseError as warehouse_error:
        error = str(warehouse_error)
    return Overview(
        feeds=tuple(_feeds(lake, archived, stale, newest)),
        hours=tuple(archived),
        stale=stale,
        rejects=rejected,
        warehouse=warehouse.describe(),
        warehouse_error=error,
        contested=tuple(contested),
        warehouse_note=note,
    )


def other_generation(warehouse: Warehouse) -> str | None:
    """The message about a warehouse of another generation; None for the current one."""
    from charging_assets.warehouse.interface import NoWarehouse, OtherGeneration

    try:
        warehouse.query("SELECT 1 AS one")
    except OtherGeneration as other:
        return str(other)
    except NoWarehouse:
        return None
    return None


def rejects(warehouse: Warehouse) -> list[Rejects]:
    """The rejects by feed and code, the most frequent first."""
    from charging_assets.warehouse.interface import NoWarehouse

    try:
        rows = warehouse.query(
            "SELECT feed, code, severity, CAST(SUM(reject_count) AS BIGINT) AS row_count "
            "FROM ops.flat_rejects GROUP BY feed, code, severity "
            "ORDER BY feed, row_count DESC NULLS LAST, code, severity"
        ).to_pylist()
    except NoWarehouse:
        return []
    return [Rejects(r["feed"], r["code"], r["severity"], r["row_count"]) for r in rows]


def newest_loaded(warehouse: Warehouse) -> dict[str, datetime]:
    """The newest slot in the warehouse, by feed."""
    from charging_assets.warehouse.interface import NoWarehouse

    try:
        rows = warehouse.query(
            "SELECT feed, MAX(slot_at) AS newest_at FROM warehouse.fact_poll GROUP BY feed"
        ).to_pylist()
    except NoWarehouse:
        return {}
    return {row["feed"]: row["newest_at"].replace(tzinfo=UTC) for row in rows}


def contested_ids(warehouse: Warehouse, newest: dict[str, datetime]) -> list[ContestedIds]:
    """Ids that two places publish for different things, in the newest hour of each feed."""
    from charging_assets.warehouse.plan import window
    from charging_assets.warehouse.sql_files import sql

    hours: dict[Hour, list[str]] = {}
    for feed, slot_at in newest.items():
        hours.setdefault(Hour.of(slot_at), []).append(feed)
    contested = []
    for hour, feeds in sorted(hours.items()):
        for entity, check in _CONTESTED.items():
            rows = warehouse.query(sql(f"checks/{check}"), window(hour)).to_pylist()
            for feed in sorted(feeds):
                feed_rows = [row for row in rows if row["feed"] == feed]
                if feed_rows:
                    places = feed_rows[0]["place"], feed_rows[0]["other_place"]
                    contested.append(ContestedIds(feed, entity, hour, len(feed_rows), places))
    return contested


# The checks that find such ids, by entity.
_CONTESTED = {
    "station": "flat_stations__one_id_is_one_station",
    "evse": "flat_evses__one_id_is_one_evse",
}


def _feeds(
    lake: Lake,
    archived: dict[Hour, list[str]],
    stale: Sequence[StaleHour] | None,
    newest: dict[str, datetime],
) -> list[FeedArchive]:
    from charging_assets.archive.gaps import accepted_hours_of
    from charging_assets.archive.missed_slots import unfilled_slots
    from charging_assets.archive.raw_archive import feeds_archived, polled_at
    from charging_assets.archive.raw_objects import hour_prefix

    by_hour = None if stale is None else {each.hour: each for each in stale}
    missed = unfilled_slots(lake, archived)
    archives = []
    for feed in feeds_archived(lake):
        keys = {
            hour: feed_keys
            for hour, all_keys in archived.items()
            if (feed_keys := [key for key in all_keys if key.startswith(hour_prefix(feed, hour))])
        }
        if not keys:
            continue
        hours = tuple(keys)
        # Keys start with their slot, so the last key is of the last slot.
        last_poll_at = polled_at(lake, max(keys[hours[-1]]))
        archives.append(
            FeedArchive(
                feed=feed,
                hours=hours,
                objects=sum(map(len, keys.values())),
                last_poll_at=last_poll_at,
                stale=None
                if by_hour is None
                else tuple(h for h in hours if h in by_hour and by_hour[h].is_of(feed)),
                missed_slots=sum(slot["feed"] == feed for slot in missed),
                newest_loaded_at=newest.get(feed),
                accepted=frozenset(accepted_hours_of(lake, feed)),
            )
        )
    return archives
