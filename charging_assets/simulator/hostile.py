"""Malformed records that must be rejected without affecting valid records of the same answer.

Defects that can be cleaned are in `dirt`, faulty answers in `faults`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from charging_assets.simulator.descriptions import Record
from charging_assets.simulator.instants import HOUR
from charging_assets.simulator.randomness import KeyedRandom

FIRST_ID = 900_000_000


def _record(number: int, **changed: object) -> Record:
    """A correct record of a station that does not exist, with changes."""
    connector = {
        "id": str(number + 2), "status": "AVAILABLE", "standard": "IEC_62196_T2",
        "format": "SOCKET", "power_type": "AC_3_PHASE", "ampere": "32", "voltage": "400",
        "max_power": 22, "tariff_id": None,
    }  # fmt: skip
    evse = {
        "uid": str(number + 1), "id": f"DE*Z99*E{number:05d}*001", "status": "AVAILABLE",
        "capabilities": ["RFID_READER"], "physical_reference": "", "floor_level": "",
        "vehicle_type": "four_wheeled", "connectors": [connector], "roaming": False,
    }  # fmt: skip
    return {
        "id": str(number), "name": "Störsender", "address": "Holzweg 0", "city": "Nirgendwo",
        "postal_code": "00000", "country": "DE", "directions": "",
        "coordinates": {"latitude": "50.000000", "longitude": "8.000000"}, "distance_in_m": "0",
        "operator": {"name": "Musterwerke", "hotline": ""},
        "opening_times": {"twentyfourseven": True}, "owner": None, "roaming": False,
        "evses": [evse], **changed,
    }  # fmt: skip


def _evse(number: int, drop: str = "", **changed: object) -> Record:
    record = _record(number)
    evse = {**record["evses"][0], **changed}
    evse.pop(drop, None)
    return {**record, "evses": [evse]}


def _json(record: object) -> str:
    return json.dumps(record, ensure_ascii=False)


def _without(record: Record, name: str) -> Record:
    return {key: value for key, value in record.items() if key != name}


# Kinds of malformed records by name. Each creates JSON from a number that no valid record has;
# `duplicate_station` and `duplicate_evse` contain their record twice.
KINDS: dict[str, Callable[[int], str]] = {
    "duplicate_station": lambda n: f"{_json(_record(n))}, {_json(_record(n))}",
    "duplicate_evse": lambda n: _json(_record(n, evses=_record(n)["evses"] * 2)),
    "duplicate_json_key": lambda n: _json(_record(n)).replace('"name":', '"name": "x", "name":'),
    "nan": lambda n: _json(_record(n, coordinates={"latitude": float("nan"), "longitude": "8.0"})),
    "too_large_number": lambda n: _json(_record(n)).replace(
        '"max_power": 22', '"max_power": 1e999'
    ),
    "out_of_range": lambda n: _json(_record(n, coordinates={"latitude": "950", "longitude": "8"})),
    "text_as_number": lambda n: _json(_record(n, name=4711, address=False)),
    "list_as_object": lambda n: _json(_record(n, coordinates=[], operator=[], opening_times=[])),
    "object_as_list": lambda n: _json(_record(n, evses={"0": "x"})),
    "text_as_record": lambda n: _json("a station"),
    "null_as_record": lambda n: "null",
    "unknown_fields": lambda n: _json(_record(n, quantum_flux={"deep": [1, 2.5, None, "x"]})),
    "missing_station_id": lambda n: _json(_without(_record(n), "id")),
    "null_station_id": lambda n: _json(_record(n, id=None)),
    "empty_station_id": lambda n: _json(_record(n, id="  ")),
    "missing_evse_uid": lambda n: _json(_evse(n, drop="uid")),
    "missing_evse_status": lambda n: _json(_evse(n, drop="status")),
    "unknown_status": lambda n: _json(_evse(n, status="ON_FIRE")),
    "missing_connector_id": lambda n: _json(_evse(n, connectors=[{"status": "AVAILABLE"}])),
    "control_characters": lambda n: _json(_record(n, name="Null\u0000byte\u202e")),
    "lone_surrogate": lambda n: _json(_record(n)).replace("Störsender", "Stör\\ud83dsender"),
    "very_long_text": lambda n: _json(_record(n, directions="ä" * 70_000)),
    "deep_nesting": lambda n: _json(_record(n)).replace('"owner": null', f'"owner": {_deep(300)}'),
}


def _deep(levels: int) -> str:
    return "[" * levels + "]" * levels


class Hostility:
    """Adds malformed records of the given kinds to answers; the kinds change every hour."""

    def __init__(self, seed: int, kinds: Iterable[str], per_answer: int = 2) -> None:
        self._kinds = sorted(kinds)
        unknown = set(self._kinds) - set(KINDS)
        if unknown:
            raise ValueError(f"no hostile kind {sorted(unknown)}; use {sorted(KINDS)}")
        self._rng, self._per_answer = KeyedRandom(seed, "hostile"), per_answer

    def kinds(self, place: int, second: int) -> list[str]:
        """The kinds in the answer of a place (by number) at a time, in order."""
        order = self._rng.permutation(len(self._kinds), place, second // HOUR)
        return [self._kinds[index] for index in order[: self._per_answer].tolist()]

    def add_to(self, stations: bytes, place: int, second: int) -> bytes:
        """The station records of an answer with malformed ones before and after them."""
        malformed = [
            KINDS[kind](FIRST_ID + place * 1000 + index * 10)
            for index, kind in enumerate(self.kinds(place, second))
        ]
        before, after = malformed[:1], malformed[1:]
        parts = [part.encode() for part in before] + [stations] + [part.encode() for part in after]
        return b", ".join(part for part in parts if part)
