"""What there is: archive, warehouse and ledger, in figures.

Belongs here: the facts that `status` tells and `demo` needs, each from where it is kept. Does not
belong here: how they look (`status`).
"""

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
    """What the archive holds of a feed, and how much of it was loaded."""

    feed: str
    hours: tuple[Hour, ...]
    objects: int
    last_poll_at: datetime
    pending: tuple[Hour, ...] | None
    missed_slots: int
    newest_loaded_at: datetime | None
    accepted: frozenset[Hour] = frozenset()

    @property
    def gaps(self) -> list[Hour]:
        """Hours without any poll, between the first and the last that has some, not accepted."""
        between = set(hours_between(self.hours[0], self.hours[-1]))
        return sorted(between - set(self.hours) - self.accepted)


@dataclass(frozen=True)
class Rejects:
    """How often a feed's records or fields were set aside for one reason."""

    feed: str
    code: str
    severity: str
    count: int


@dataclass(frozen=True)
class ContestedIds:
    """How many ids a feed's places publish for different things in its newest hour, and where.

    `entity` is station or evse, `places` the first two places that do.
    """

    feed: str
    entity: str
    hour: Hour
    count: int
    places: tuple[str, str]


@dataclass(frozen=True)
class Overview:
    """All of it; `pending` and `rejects` are None where the warehouse could not be read.

    `warehouse_note` is set where the warehouse is of another generation, and so counts as empty.
    """

    feeds: tuple[FeedArchive, ...]
    hours: tuple[Hour, ...]
    pending: tuple[StaleHour, ...] | None
    rejects: tuple[Rejects, ...] | None
    warehouse: str
    warehouse_error: str | None
    contested: tuple[ContestedIds, ...] = ()
    warehouse_note: str | None = None


def overview(lake: Lake, warehouse: Warehouse) -> Overview:
    """Look at everything once. A warehouse that is not there yet is an empty one."""
    from charging_assets.archive.raw_archive import hours_archived
    from charging_assets.orchestration.staleness import stale_hours
    from charging_assets.warehouse.interface import WarehouseError

    archived = hours_archived(lake)
    pending, rejected, error, note = None, None, None, None
    newest: dict[str, datetime] = {}
    contested: list[ContestedIds] = []
    try:
        note = other_generation(warehouse)
        pending = tuple(stale_hours(lake, warehouse))
        rejected = tuple(rejects(warehouse))
        newest = newest_loaded(warehouse)
        contested = contested_ids(warehouse, newest)
    except WarehouseError as problem:
        error = str(problem)
    return Overview(
        feeds=tuple(_feeds(lake, archived, pending, newest)),
        hours=tuple(archived),
        pending=pending,
        rejects=rejected,
        warehouse=warehouse.describe(),
        warehouse_error=error,
        contested=tuple(contested),
        warehouse_note=note,
    )


def other_generation(warehouse: Warehouse) -> str | None:
    """What is to be known of a warehouse of another generation; None for any other."""
    from charging_assets.warehouse.interface import NoWarehouse, OtherGeneration

    try:
        warehouse.query("SELECT 1 AS one")
    except OtherGeneration as other:
        return str(other)
    except NoWarehouse:
        return None
    return None


def rejects(warehouse: Warehouse) -> list[Rejects]:
    """What was set aside, by feed and code, the most frequent first."""
    from charging_assets.warehouse.interface import NoWarehouse

    try:
        rows = warehouse.query(
            "SELECT feed, code, severity, CAST(SUM(reject_count) AS BIGINT) AS row_count "
            "FROM ops.flat_rejects GROUP BY feed, code, severity "
            "ORDER BY feed, row_count DESC, code, severity"
        ).to_pylist()
    except NoWarehouse:
        return []
    return [Rejects(r["feed"], r["code"], r["severity"], r["row_count"]) for r in rows]


def newest_loaded(warehouse: Warehouse) -> dict[str, datetime]:
    """The newest slot in the warehouse, by feed: how old is what people are shown."""
    from charging_assets.warehouse.interface import NoWarehouse

    try:
        rows = warehouse.query(
            "SELECT feed, MAX(slot_at) AS newest_at FROM warehouse.fact_poll GROUP BY feed"
        ).to_pylist()
    except NoWarehouse:
        return {}
    return {row["feed"]: row["newest_at"].replace(tzinfo=UTC) for row in rows}


def contested_ids(warehouse: Warehouse, newest: dict[str, datetime]) -> list[ContestedIds]:
    """Ids that stand for different things in two places, in the newest hour of each feed."""
    from charging_assets.warehouse.plan import window
    from charging_assets.warehouse.sql_files import sql

    hours: dict[Hour, list[str]] = {}
    for feed, slot_at in newest.items():
        hours.setdefault(Hour.of(slot_at), []).append(feed)
    found = []
    for hour, feeds in sorted(hours.items()):
        for entity, check in _CONTESTED.items():
            rows = warehouse.query(sql(f"checks/{check}"), window(hour)).to_pylist()
            for feed in sorted(feeds):
                of_feed = [row for row in rows if row["feed"] == feed]
                if of_feed:
                    places = of_feed[0]["place"], of_feed[0]["other_place"]
                    found.append(ContestedIds(feed, entity, hour, len(of_feed), places))
    return found


# The checks that find such ids, by entity.
_CONTESTED = {
    "station": "flat_stations__one_id_is_one_station",
    "evse": "flat_evses__one_id_is_one_evse",
}


def _feeds(
    lake: Lake,
    archived: dict[Hour, list[str]],
    pending: Sequence[StaleHour] | None,
    newest: dict[str, datetime],
) -> list[FeedArchive]:
    from charging_assets.archive.gaps import accepted_hours_of
    from charging_assets.archive.missed_slots import unfilled_slots
    from charging_assets.archive.raw_archive import feeds_archived, polled_at
    from charging_assets.archive.raw_objects import hour_prefix

    by_hour = None if pending is None else {found.hour: found for found in pending}
    missed = unfilled_slots(lake, archived)
    found = []
    for feed in feeds_archived(lake):
        keys = {
            hour: own
            for hour, all_keys in archived.items()
            if (own := [key for key in all_keys if key.startswith(hour_prefix(feed, hour))])
        }
        if not keys:
            continue
        hours = tuple(keys)
        # The last key is the last slot's: keys begin with their slot.
        last_poll_at = polled_at(lake, max(keys[hours[-1]]))
        found.append(
            FeedArchive(
                feed=feed,
                hours=hours,
                objects=sum(map(len, keys.values())),
                last_poll_at=last_poll_at,
                pending=None
                if by_hour is None
                else tuple(h for h in hours if h in by_hour and by_hour[h].is_of(feed)),
                missed_slots=sum(slot["feed"] == feed for slot in missed),
                newest_loaded_at=newest.get(feed),
                accepted=frozenset(accepted_hours_of(lake, feed)),
            )
        )
    return found
