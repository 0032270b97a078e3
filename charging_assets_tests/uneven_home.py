"""A small network that was polled unevenly, so that wrong queries give wrong figures.

Belongs here: three feeds around the changes of the clocks of March 2022, few enough EVSEs to work
out every figure by hand. Does not belong here: those figures (`test_queries`, `test_notebook`).

All times are UTC. Polls have a cadence of an hour and are on the hour, but for `EXTRA_POLLS`.

- Feed `test`, Europe/Berlin. Place `bonn`: every hour from 25 March 23:00 to 29 March 08:00, which
  are local days of 24, 23, 24 and 11 hours. Place `koeln`: the same without 26 March 12:00 to 14:00
  and without local 28 March.
- Feed `paraguay`, America/Asuncion, place `asuncion`: every hour from 26 March 03:00 to 27 March
  09:00, a local day of 25 hours and 6 of the next one.
- Feed `april`, Europe/Berlin, place `kiel`: every hour of 1 and 2 April, local time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from charging_assets.analyst import Connection
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.hours import Span
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import staging_span_plan
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours

HOUR = timedelta(hours=1)
BERLIN = "Europe/Berlin"
Records = list[dict[str, Any]]


def at(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    """An instant of 2022, naive UTC, as tables and parameters have it."""
    return datetime(2022, month, day, hour, minute)


# Where the periods begin that tests query: local midnights of Berlin and of Asuncion.
SATURDAY, TUESDAY, APRIL = at(25, 23), at(28, 22), at(31, 22)
ASUNCION_SATURDAY = at(26, 3)
# Half an hour after the last poll of `test`.
NOW = at(29, 8, 30)

EXTRA_POLLS = {
    "bonn": [at(26, 8, 15), at(26, 8, 30), at(26, 8, 45)],
    "koeln": [at(26, 9, 30)],
}
CCS = {"standard": "IEC_62196_T2_COMBO", "power_type": "DC", "voltage": "400"}
HPC = {**CCS, "max_power": 150, "ampere": "375"}
DC = {**CCS, "standard": "CHADEMO", "max_power": 50, "ampere": "125"}


@pytest.fixture(
    scope="session", params=["duckdb", pytest.param("redshift", marks=pytest.mark.slow)]
)
def uneven_home(request: pytest.FixtureRequest) -> Connection:
    """The network in each engine, for reading."""
    warehouse = _redshift(request) if request.param == "redshift" else DuckDBWarehouse(None)
    load(warehouse, lake())
    return Connection(warehouse)


def _redshift(request: pytest.FixtureRequest) -> Warehouse:
    from charging_assets.lake.s3 import S3Lake
    from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
    from charging_assets_tests.lake.s3 import one_client
    from charging_assets_tests.warehouse.redshifts import resource_of

    bed = request.getfixturevalue("testbed")
    bucket, database = bed.new_bucket(), bed.new_database("snapshot")
    store = S3Lake(bucket.bucket, uuid.uuid4().hex, one_client(bucket))
    warehouse = RedshiftWarehouse(resource_of(database), store, database.iam_role)
    request.addfinalizer(warehouse.close)
    return warehouse


def polls() -> Iterator[tuple[str, str, str, datetime, Records]]:
    """Feed, time zone, place, slot and stations of every poll."""
    for slot in [*_hourly(at(25, 23), at(29, 8)), *EXTRA_POLLS["bonn"]]:
        yield "test", BERLIN, "bonn", slot, bonn(slot)
    for slot in [*_hourly(at(25, 23), at(29, 8)), *EXTRA_POLLS["koeln"]]:
        if not (at(26, 12) <= slot < at(26, 15) or at(27, 22) <= slot < at(28, 22)):
            yield "test", BERLIN, "koeln", slot, koeln(slot)
    for slot in _hourly(at(26, 3), at(27, 9)):
        yield "paraguay", "America/Asuncion", "asuncion", slot, asuncion(slot)
    for slot in _hourly(at(31, 22), at(2, 21, month=4)):
        yield "april", BERLIN, "kiel", slot, kiel(slot)


def bonn(slot: datetime) -> Records:
    """Station b1 changes its operator, its EVSEs come and go; x1 is in koeln as well."""
    b1a = "AVAILABLE"
    # About nine o'clock local time every day, whatever the offset; BLOCKED for two polls on Monday.
    if slot in (at(26, 8, 15), at(26, 8, 30), at(27, 7), at(28, 7), at(29, 7)):
        b1a = "CHARGING"
    elif slot in (at(28, 8), at(28, 9)):
        b1a = "BLOCKED"
    b1b = "AVAILABLE"
    if at(26, 0) <= slot < at(26, 6):
        b1b = "OUTOFORDER"
    elif at(28, 10) <= slot < at(28, 13):
        b1b = "CHARGING"
    changed = slot >= at(27, 12)
    evses = [
        _evse("b1a", b1a, capabilities=["RFID_READER"]),
        _evse("b1b", b1b, HPC, capabilities=["RESERVABLE"] if changed else ["RFID_READER"]),
    ]
    if changed:  # charging when it is first seen
        evses.append(_evse("b1c", "CHARGING" if slot == at(27, 12) else "AVAILABLE"))
    if slot < at(26, 12):
        evses.append(_evse("b1d", "AVAILABLE", HPC, capabilities=["RFID_READER"]))
    if at(27, 0) <= slot < at(27, 6):
        evses.append(_evse("b1e", "AVAILABLE"))
    return [
        _station("b1", evses, "Netze" if changed else "Werke"),
        _station("x1", [_evse("x1a", "CHARGING" if slot == at(27, 15) else "AVAILABLE")], "Stadt"),
    ]


def koeln(slot: datetime) -> Records:
    """A session on either side of the gap; an EVSE always UNKNOWN, one nearly; x1 disagrees."""
    tuesday = slot >= at(28, 22)
    failed = at(28, 22) <= slot < at(29, 8)
    opening = {"weekday": 2, "period_begin": "10:00", "period_end": "11:00"}
    later = {"weekday": 2, "period_begin": "11:00", "period_end": "18:00"}
    return [
        _station("k1", [
            _evse("k1a", "UNKNOWN", DC),
            _evse("k1b", "CHARGING" if slot in (at(26, 11), at(26, 15)) else "AVAILABLE"),
        ], "Netze", opening_times=None),
        _station("k2", [
            _evse("k2a", "OUTOFORDER" if failed else "AVAILABLE", DC), _evse("k2b", "REMOVED"),
        ], "Netze", opening_times={"regular_hours": [opening], "twentyfourseven": False}),
        _station("k3", [
            _evse("k3a", "OUTOFORDER" if slot in (at(29, 1), at(29, 2)) else "UNKNOWN", DC),
        ], "Netze", opening_times={"regular_hours": [later], "twentyfourseven": False},
            **({"colour": "red"} if tuesday else {})),
        _station("x1", [_evse("x1a", "OUTOFORDER")], "Stadt"),
    ]  # fmt: skip


def asuncion(slot: datetime) -> Records:
    """One that charges in the first of two hours from 23:00, and one that another replaces."""
    evses = [_evse("a1a", "CHARGING" if slot == at(27, 2) else "AVAILABLE")]
    if slot == at(26, 3):
        evses.append(_evse("a1b", "AVAILABLE", id="DE*TST*E1"))
    if slot >= at(26, 5):
        evses.append(_evse("a1c", "AVAILABLE", id="DE*TST*E1"))
    return [_station("a1", evses, "Electra")]


def kiel(slot: datetime) -> Records:
    """UNKNOWN for 12 of 48 hours; five sessions of an hour, and one that is not over, or of 27."""
    number = (slot - at(31, 22)) // HOUR
    long = number in (1, 3, 5, 7, 9) or 11 <= number < 38
    charges = number in (2, 6, 10, 14, 18) or number >= 42
    return [
        _station("m1", [
            _evse("m1a", "UNKNOWN" if 20 <= number < 32 else "AVAILABLE"),
            _evse("m1b", "CHARGING" if charges else "AVAILABLE", DC),
            _evse("m1c", "CHARGING" if long else "AVAILABLE", {**HPC, "standard": "CHADEMO"}),
        ], "Werke"),
    ]  # fmt: skip


def lake() -> MemoryLake:
    """An archive of all polls; answers take no time, so that bounds are slots."""
    made = MemoryLake()
    for feed, time_zone, place, slot, stations in polls():
        aware = slot.replace(tzinfo=UTC)
        header = builders.poll(
            feed=feed, time_zone=time_zone, slot_at=aware, cadence_s=3600, place_slugs=(place,)
        )
        body = builders.envelope(*stations, at=aware.isoformat())
        answer = builders.place(place, body, requested_at=aware, elapsed_ms=0)
        builders.archived(made, header, {place: answer})
    return made


def load(warehouse: Warehouse, archive: Lake) -> None:
    """Load all hours together, into every table."""
    every_hour = tuple(sorted(hours_archived(archive)))
    files = {hour: hours.flat_files(archive, hour) for hour in every_hour}
    warehouse.apply_all([staging_span_plan(files), *derived_plans(Span(every_hour))])


def _hourly(first: datetime, last: datetime) -> list[datetime]:
    return [first + n * HOUR for n in range((last - first) // HOUR + 1)]


def _evse(
    uid: str, status: str, plug: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    connectors = [builders.connector(f"{uid}-c", status=status, **(plug or {}))]
    return builders.evse(uid, connectors, **{"status": status, "capabilities": [], **fields})


def _station(station_id: str, evses: Records, operator: str, **fields: Any) -> dict[str, Any]:
    return builders.station(station_id, evses, **{"operator": {"name": operator}, **fields})
