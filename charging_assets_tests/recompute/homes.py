"""Homes whose figures are hard to get right, for the tests: raw objects, and their warehouse.

The only module here that knows the package; the recomputation does not import it.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.archive.raw_objects import encode
from charging_assets.hours import Hour, Span
from charging_assets.lake.store import LocalLake
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.simulator import Network
from charging_assets.simulator.history import Polling, poll_at, write_history
from charging_assets.warehouse import sql_files
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.fuzz import mutations
from charging_assets_tests.modelling import hours as modelling_hours
from charging_assets_tests.recompute.comparison import WAREHOUSE
from charging_assets_tests.stale_loads import errors_of, load_stale

# In Berlin, summer time begins on 30 March.
FIRST_DAY = datetime(2025, 3, 28, tzinfo=UTC)
_DAY, _CADENCE = timedelta(days=1), timedelta(minutes=10)


def lake_of(home: Path) -> LocalLake:
    return LocalLake(home / "lake")


def load(home: Path) -> None:
    """Bring all that a home's archive has into its warehouse."""
    lake, warehouse = lake_of(home), DuckDBWarehouse(home / WAREHOUSE)
    assert errors_of(load_stale(lake, warehouse)) == {}


def load_hours(home: Path, order: Iterable[int]) -> None:
    """Bring the hours of a home's archive, by their numbers, into its warehouse one by one."""
    lake, warehouse = lake_of(home), DuckDBWarehouse(home / WAREHOUSE)
    hours = sorted(hours_archived(lake))
    for number in order:
        modelling_hours.load(warehouse, lake, hours[number])


def derive(home: Path, *assets: str) -> None:
    """Derive some tables of a loaded home again, as the SQL files are now."""
    hours = tuple(hours_archived(lake_of(home)))
    warehouse = DuckDBWarehouse(home / WAREHOUSE)
    for plan in derived_plans(Span(hours)):
        if plan.asset in assets:
            warehouse.apply(plan)


def patched_sql(folder: Path, name: str, text: str, replacement: str) -> Path:
    """A copy of all SQL files in which a text of one file, which must be there, is replaced."""
    target = folder / "sql"
    shutil.copytree(sql_files.sql_folder(), target)
    path = target / f"{name}.sql"
    statement = path.read_text("utf-8")
    assert text in statement, f"sql/{name}.sql has no {text!r} any more; plant another defect"
    path.write_text(statement.replace(text, replacement), "utf-8")
    return target


def write_small(home: Path, hours: int = 3) -> None:
    """A few hours of three EVSEs, with what needs no days: an absence, unknown statuses, a gap."""
    charging = (*["AVAILABLE"] * 2, *["CHARGING"] * 3, "UNKNOWN", *["CHARGING"] * 2)
    statuses = {
        "e1": (*charging, *["BLOCKED"] * 3, *["AVAILABLE"] * 7),
        "e2": (*["CHARGING"] * 4, "UNKNOWN", "UNKNOWN", *["CHARGING"] * 4, *["AVAILABLE"] * 8),
        "e3": (*["AVAILABLE"] * 5, *["UNKNOWN"] * 13),
    }
    for number in range(6 * hours):
        if number in (11, 12):
            continue
        evses = [
            _evse(uid, of_evse[number])
            for uid, of_evse in statuses.items()
            if not (uid == "e1" and number == 15)
        ]
        _put(home, builders.SLOT + number * _CADENCE, "small", "Europe/Berlin", {"koeln": evses})


def write_connectors_that_change(home: Path) -> None:
    """Four hours, over more than a day, in which connectors come and go while their EVSE stays.

    Of e1, one goes in the first hour, which is known in the last. One of e2 comes in the middle of
    a session, and one of unknown power later. e3 has none in the hours in which it charges.
    """
    old, new = ({"max_power": power_kw, "power_type": "DC"} for power_kw in (50, 150))
    for number in (*range(12), *range(60, 66), *range(150, 156)):
        is_charging = 4 <= number < 8 or number in (10, 62, 152)
        status = "CHARGING" if is_charging else "AVAILABLE"
        connectors = {
            "e1": {"stays": {}, **({"goes": old} if number < 2 else {})},
            "e2": {
                "stays": {},
                **({"comes": new} if number >= 6 else {}),
                **({"unknown": {"ampere": None, "max_power": None}} if number >= 64 else {}),
            },
            "e3": {} if 1 < number < 150 else {"comes": new},
        }
        evses = [
            builders.evse(
                uid,
                [builders.connector(f"{uid}-{name}", **each) for name, each in of_evse.items()],
                status=status,
            )
            for uid, of_evse in connectors.items()
        ]
        _put(home, builders.SLOT + number * _CADENCE, "small", "Europe/Berlin", {"koeln": evses})


def write_dirty_week(home: Path, scale: float = 0.02) -> None:
    """Simulated days with a change of summer time, and nine days of a few EVSEs in two places.

    In it are missed polls and failed places, a gap of hours, hostile records, a second collector at
    other slots, and a feed in another time zone, of half an hour.
    """
    lake = lake_of(home)
    network = Network(7, scale, hostile=True, overrides=0.3)
    polling = Polling(jitter_s=60.0, spread_s=20.0, missed=0.03, failed=0.01)
    for start, end in ((0, 40), (47, 80), (81, 108)):
        hours = [Hour.of(FIRST_DAY + timedelta(hours=number)) for number in (start, end)]
        write_history(lake, network, hours[0], hours[1], polling=polling)
    for number in range(6 * 14):
        # Another collector, four minutes later, for half a day.
        made = poll_at(network, FIRST_DAY + 3 * _DAY + number * _CADENCE, polling)
        if made is not None:
            slot_at = made[0].slot_at + timedelta(minutes=4)
            lake.put_new(*encode(msgspec.structs.replace(made[0], slot_at=slot_at), made[1]))
    write_few_evses(home)


def write_broken_answers(home: Path, seed: int = 1) -> None:
    """Three hours in which two places publish the same stations, in answers damaged at random."""
    source = random.Random(seed)
    for number in range(18):
        slot_at = builders.SLOT + number * _CADENCE
        bodies: dict[str, builders.Place | bytes] = {}
        for place in ("east", "west"):
            choices = ("AVAILABLE", "CHARGING", "removed ")
            stations = [
                builders.station(
                    f"s{first}",
                    [_evse(f"e{first + each}", source.choice(choices)) for each in range(3)],
                )
                for first in range(0, 18, 3)
            ]
            answer = json.loads(builders.envelope(*stations, at=slot_at.isoformat()))
            answer["data"] = [mutations.mutate(each, source, 0.02) for each in answer["data"]]
            body = mutations.encode(answer)
            if source.random() < 0.4:
                body = mutations.corrupt(body, source)
            bodies[place] = builders.place(place, body, requested_at=slot_at, elapsed_ms=5)
        header = builders.poll(feed="broken", slot_at=slot_at, place_slugs=("east", "west"))
        builders.archived(lake_of(home), header, bodies)


def write_few_evses(home: Path, days: int = 9, seed: int = 1) -> None:
    """Eight EVSEs in two places, with everything that happens to an EVSE, at random.

    Both places publish two of them. EVSEs are absent, appear and disappear; stations get other
    operators, EVSEs other stations and connectors; one EVSE is CHARGING for longer than a week.
    Some polls are imports, whose slots drift and which have no time of request.
    """
    source = random.Random(seed)
    status = {f"e{number}": "AVAILABLE" for number in range(8)}
    absent_until: dict[str, int] = {"e3": 6 * 36}
    for number in range(6 * 24 * days):
        _change(source, status, absent_until, number)
        if source.random() < 0.04 or 6 * 70 <= number < 6 * 75:
            continue
        places = {
            place: _evses_of(place, source, status, absent_until, number)
            for place in ("east", "west")
            if source.random() > 0.02
        }
        slot_at = FIRST_DAY + number * _CADENCE
        is_imported = 6 * 24 <= number < 6 * 48
        if is_imported:
            slot_at += timedelta(seconds=int(source.uniform(0, 40)) + number % 7)
        _put(home, slot_at, "few", "Asia/Kolkata", places, is_imported=is_imported)


def _change(
    source: random.Random, status: dict[str, str], absent_until: dict[str, int], number: int
) -> None:
    for uid in status:
        if source.random() < 0.12:
            choices = ("AVAILABLE", "CHARGING", "CHARGING", "BLOCKED", "UNKNOWN", "OUTOFORDER",
                       "RESERVED", "INOPERATIVE")  # fmt: skip
            status[uid] = source.choice(choices)
        if source.random() < 0.002:
            absent_until[uid] = number + source.choice((1, 3, 20, 6 * 30))
    # From a whole hour on: a session is cut where the run ends in which it is a week old.
    if number >= 6 * 10:
        status["e7"] = "CHARGING"
        absent_until.pop("e7", None)


def _evses_of(
    place: str,
    source: random.Random,
    status: dict[str, str],
    absent_until: dict[str, int],
    number: int,
) -> list[dict[str, Any]]:
    uids = {"east": ("e0", "e1", "e2", "e3", "e4", "e5"), "west": ("e4", "e5", "e6", "e7")}[place]
    evses = []
    for uid in uids:
        if number < absent_until.get(uid, 0):
            continue
        published: str | None = status[uid]
        if uid != "e7" and source.random() < 0.03:
            published = source.choice(("UNKNOWN", None, "ON_FIRE"))
        if uid == "e4" and place == "west" and number % 400 > 100:
            published = "REMOVED"
        if uid == "e5" and place == "east" and number % 300 > 250:
            published = "PLANNED"
        fields: dict[str, Any] = {}
        if uid in ("e1", "e2") and number > 6 * 60:
            fields = {"power_type": "DC", "max_power": 50 if number < 6 * 90 else 150}
        if uid == "e6" and number > 6 * 40:
            fields = {"max_power": 3, "ampere": "8"}
        evse = _evse(uid, published, **fields)
        if uid == "e0" and number % 500 > 250:
            evse["connectors"] = []
        evse["parkingsensor_status"] = source.choice((None, "-", "occupied"))
        evse["_station"] = f"s{int(uid[1]) // 3}"
        if uid == "e2" and number > 6 * 100:
            evse["_station"] = "s1"
        evses.append(evse)
    return evses


def _evse(uid: str, status: str | None, **fields: Any) -> dict[str, Any]:
    connectors = [builders.connector(f"{uid}-c", status=status, **fields)]
    return builders.evse(uid, connectors, status=status)


def _put(
    home: Path,
    slot_at: datetime,
    feed: str,
    time_zone: str,
    places: dict[str, list[dict[str, Any]]],
    *,
    is_imported: bool = False,
) -> None:
    """Archive a poll; EVSEs state their station in `_station`, which is not published."""
    header = builders.poll(
        feed=feed,
        slot_at=slot_at,
        time_zone=time_zone,
        is_imported=is_imported,
        place_slugs=tuple(places) or ("nowhere",),
    )
    days = (slot_at - FIRST_DAY) / _DAY
    bodies = {}
    for order, (place, evses) in enumerate(places.items()):
        body = builders.envelope(
            *_stations(evses, "Former" if days < 2.4 else "Later"),
            at=(slot_at + timedelta(seconds=3 + order)).isoformat(),
        )
        requested_at = None if is_imported else slot_at + timedelta(seconds=2, milliseconds=order)
        elapsed_ms = None if is_imported else 100
        bodies[place] = builders.place(
            place, body, requested_at=requested_at, elapsed_ms=elapsed_ms
        )
    builders.archived(lake_of(home), header, bodies)


def _stations(evses: list[dict[str, Any]], operator: str) -> Iterator[dict[str, Any]]:
    of_station: dict[str, list[dict[str, Any]]] = {}
    for evse in evses:
        of_station.setdefault(evse.pop("_station", "s0"), []).append(evse)
    for station_id, members in of_station.items():
        name = operator if station_id == "s0" else "Werke"
        yield builders.station(station_id, members, operator={"name": name})
