"""Small answers, made here: stations, EVSEs, connectors, polls, and an archive that holds them.

Belongs here: the least that a test needs to say what it is about; every field can be overridden
by name, and a field given as `MISSING` is left out. Does not belong here: networks that look
real (the simulator makes them).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from charging_assets.archive.raw_archive import archive, read_places
from charging_assets.archive.raw_objects import ArchivedResponse, PlaceResponse, Poll
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.sources.feeds import Feed

MISSING = object()
SLOT = datetime(2022, 1, 11, 20, tzinfo=UTC)
CADENCE = timedelta(minutes=10)

Bodies = Mapping[str, "bytes | PlaceResponse"]


def connector(connector_id: Any = "c1", **fields: Any) -> dict[str, Any]:
    """A connector as chargecloud publishes it."""
    record = {
        "id": connector_id,
        "status": "AVAILABLE",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "ampere": "32",
        "voltage": "400",
        "max_power": 22,
        "tariff_id": None,
    }
    return _with(record, fields)


def evse(uid: Any = "e1", connectors: Any = None, **fields: Any) -> dict[str, Any]:
    """An EVSE with one connector, named after it, unless others are given."""
    record = {
        "uid": uid,
        "id": f"DE*TST*E{uid}",
        "status": "AVAILABLE",
        "capabilities": ["RFID_READER"],
        "physical_reference": "",
        "floor_level": "",
        "vehicle_type": "four_wheeled",
        "connectors": [connector(f"{uid}-c")] if connectors is None else connectors,
        "chargePointPosition": None,
        "roaming": False,
    }
    return _with(record, fields)


def station(station_id: Any = "s1", evses: Any = None, **fields: Any) -> dict[str, Any]:
    """A station with one EVSE, named after it, unless others are given."""
    record = {
        "id": station_id,
        "name": f"Station {station_id}",
        "address": "Musterweg 1",
        "city": "Musterstadt",
        "postal_code": "12345",
        "country": "DE",
        "directions": "",
        "coordinates": {"latitude": "50.940991", "longitude": "6.992267"},
        "distance_in_m": "0",
        "operator": {"name": "Musterwerke", "hotline": "+49123"},
        "opening_times": {"twentyfourseven": True},
        "owner": None,
        "roaming": False,
        "evses": [evse(f"{station_id}-e")] if evses is None else evses,
    }
    return _with(record, fields)


def envelope(*stations: Any, at: Any = "2022-01-11T21:00:05+01:00", **fields: Any) -> bytes:
    """An answer's body: its stations, or `data=` in their place."""
    answer = {
        "data": list(stations),
        "status_code": 1000,
        "status_message": "Success",
        "timestamp": at,
    }
    return json.dumps(_with(answer, fields)).encode()


def poll(minute: float = 0, **fields: Any) -> Poll:
    """A poll of the feed `test`, so many minutes after 20:00 UTC."""
    slot_at = SLOT + timedelta(minutes=minute)
    header = {
        "feed": "test",
        "kind": "chargecloud",
        "slot_at": slot_at,
        "cadence_s": int(CADENCE.total_seconds()),
        "time_zone": "Europe/Berlin",
        "place_slugs": ("koeln",),
        "started_at": fields.get("slot_at", slot_at),
        "ended_at": fields.get("slot_at", slot_at) + timedelta(seconds=5),
        "program": "tests",
    }
    return Poll(**{**header, **fields})


def place(slug: str, body: bytes | None, outcome: str = "ok", **fields: Any) -> PlaceResponse:
    """What a place answered; `fields` are those of `PlaceResponse`."""
    return PlaceResponse(slug=slug, outcome=outcome, body=body, **fields)


def archived(lake: Lake, header: Poll, bodies: Bodies) -> str:
    """Archive a poll whose places answered so; the key of its object."""
    places = [
        body if isinstance(body, PlaceResponse) else place(slug, body)
        for slug, body in bodies.items()
    ]
    return archive(lake, header, places)[0]


def answers(*polls: tuple[Poll, Bodies]) -> list[tuple[str, str, list[ArchivedResponse]]]:
    """Polls as `read_places` gives them, after a round trip through an archive."""
    lake = MemoryLake()
    return list(read_places(lake, [archived(lake, header, bodies) for header, bodies in polls]))


def flattened(*polls: tuple[Poll, Bodies]) -> FlatHour:
    """Polls as flat tables."""
    return flatten(answers(*polls))


def _with(record: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: v for name, v in {**record, **fields}.items() if v is not MISSING}


def change_feed(feed: Feed, **settings: Any) -> Feed:
    """A feed with other settings."""
    return Feed(**{**dict(feed), **settings})
