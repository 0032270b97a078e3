"""Reads an answer of the kind chargecloud: its stations, EVSEs and connectors, each with its key.

Only what figures are made of is read: ids, statuses, names, and what gives a power class. The
definitions are those of docs/feeds/chargecloud.md and docs/decisions/0003 and 0024.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

STATUSES = (
    "AVAILABLE", "CHARGING", "RESERVED", "BLOCKED", "INOPERATIVE", "OUTOFORDER", "UNKNOWN",
    "REMOVED", "PLANNED",
)  # fmt: skip
_DEEPEST = 320


@dataclass
class Station:
    """A station record; `state` is what figures are made of: its name and its operator's."""

    key: int
    state: tuple[str | None, str | None]
    # That of its most alive EVSE; 3 where it has none.
    dormancy: int


@dataclass
class Evse:
    """An EVSE record with the connectors that count."""

    key: int
    uid: str
    station_key: int
    status: str | None
    # The word that was published for it.
    published: str | None
    parking_status: str | None
    overrides: str | None = None
    connectors: list[Connector] = field(default_factory=list)


@dataclass
class Connector:
    """A connector record; `state` is power type, ampere, volt, kilowatt, and all else as text."""

    key: int
    id: str
    evse_key: int
    # (False, None): no status is published. (True, None): one that is not understood.
    status: tuple[bool, str | None]
    state: tuple[str | None, float | None, float | None, float | None, str]


@dataclass
class Records:
    """What counts in an answer, and how many records it held and lost."""

    observed_at: datetime | None
    stations: list[Station] = field(default_factory=list)
    evses: list[Evse] = field(default_factory=list)
    station_count: int = 0
    evse_count: int = 0
    connector_count: int = 0

    @property
    def connectors(self) -> list[Connector]:
        return [connector for evse in self.evses for connector in evse.connectors]


def read_records(
    body: bytes, place: str, time_zone: str, network: str, ids_within: str
) -> Records | None:
    """The records of an answer; None if it is no answer of this kind (`bad_body`)."""
    answer = _parsed_answer(body)
    if answer is None or answer.get("status_code") not in (None, 1000, "1000"):
        return None
    if not isinstance(answer.get("data"), list):
        return None
    records = Records(_published_time(answer.get("timestamp"), time_zone))
    candidates: list[Station] = []
    for record in answer["data"]:
        records.station_count += 1
        if isinstance(record, dict):
            _read_station(record, records, candidates, place, network, ids_within)
    _keep_one_of_each_key(records, candidates)
    return records


def _read_station(
    record: dict[str, Any],
    records: Records,
    candidates: list[Station],
    place: str,
    network: str,
    ids_within: str,
) -> None:
    evses = record.get("evses")
    evses = evses if isinstance(evses, list) else []
    station_id = _id(record.get("id"))
    if station_id is None:
        # What a rejected record holds is rejected with it.
        for evse in evses:
            records.evse_count += 1
            records.connector_count += len(_connector_records(evse))
        return
    ids = (place, station_id) if ids_within == "place" else (station_id,)
    key = entity_key(network, "station", *ids)
    operator = record.get("operator")
    operator_name = operator.get("name") if isinstance(operator, dict) else None
    station = Station(key, (_text(record.get("name"), 512), _text(operator_name, 256)), 3)
    candidates.append(station)
    for evse in evses:
        records.evse_count += 1
        if not isinstance(evse, dict):
            continue
        records.connector_count += len(_connector_records(evse))
        uid = _id(evse.get("uid"))
        if uid is None:
            continue
        evse_ids = {"network": (uid,), "place": (place, uid), "parent": (*ids, uid)}[ids_within]
        evse_key = entity_key(network, "evse", *evse_ids)
        published = evse.get("status")
        read = Evse(evse_key, uid, key, _status(published)[1], _text(published, 64), _parking(evse))
        station.dormancy = min(station.dormancy, dormancy(read.status))
        for connector in _connector_records(evse):
            connector_id = _id(connector.get("id")) if isinstance(connector, dict) else None
            if connector_id is None:
                continue
            read.connectors.append(
                Connector(
                    entity_key(network, "connector", *evse_ids, connector_id),
                    connector_id,
                    evse_key,
                    _status(connector.get("status")),
                    (
                        _text(connector.get("power_type"), 32, upper=True),
                        quantity(connector.get("ampere"), "A", 1, 3000),
                        quantity(connector.get("voltage"), "V", 10, 1500),
                        quantity(connector.get("max_power"), "kW", 0.5, 1500),
                        _others(connector),
                    ),
                )
            )
        records.evses.append(read)


_READ_OF_CONNECTOR = ("id", "status", "power_type", "ampere", "voltage", "max_power")


def _others(connector: dict[str, Any]) -> str:
    """The fields of a connector that affect no figure. They distinguish its states: a state that
    returns within an hour counts only by its first and last slot."""
    others = [
        (name, _tidy(value) if isinstance(value, str) else value)
        for name, value in connector.items()
        if name not in _READ_OF_CONNECTOR and value not in (None, "")
    ]
    return repr(sorted(others, key=lambda field: field[0]))


def _connector_records(evse: Any) -> list[Any]:
    connectors = evse.get("connectors") if isinstance(evse, dict) else None
    return connectors if isinstance(connectors, list) else []


def _keep_one_of_each_key(records: Records, candidates: list[Station]) -> None:
    """Of records of one key one counts: REMOVED gives way to PLANNED, and both to any other.

    A station is as alive as its most alive EVSE. EVSEs of a station record that does not count are
    kept; connectors of an EVSE record that does not count are not. Of records that are as alive
    the first counts; published copies are equal.
    """
    stations: dict[int, Station] = {}
    for station in candidates:
        if station.key not in stations or station.dormancy < stations[station.key].dormancy:
            stations[station.key] = station
    records.stations = list(stations.values())
    evses: dict[int, Evse] = {}
    for evse in records.evses:
        other = evses.get(evse.key)
        if other is None or dormancy(evse.status) < dormancy(other.status):
            evses[evse.key] = evse
    records.evses = list(evses.values())
    for evse in records.evses:
        connectors: dict[int, Connector] = {}
        for connector in evse.connectors:
            other = connectors.get(connector.key)
            if other is None or dormancy(connector.status[1]) < dormancy(other.status[1]):
                connectors[connector.key] = connector
        evse.connectors = list(connectors.values())
        overrides = {
            connector.id: connector.status[1]
            for connector in evse.connectors
            if connector.status[0] and connector.status[1] != evse.status
        }
        if overrides:
            evse.overrides = json.dumps(
                overrides, sort_keys=True, ensure_ascii=False, separators=(",", ":")
            )


def dormancy(status: str | None) -> int:
    """2 where REMOVED, 1 where PLANNED, else 0."""
    return {"REMOVED": 2, "PLANNED": 1}.get(status or "", 0)


@lru_cache(maxsize=200_000)
def entity_key(network: str, entity: str, *ids: str) -> int:
    """BLAKE2b-64 of the parts as netstrings, signed and big-endian."""
    parts = [part.encode() for part in (network, entity, *ids)]
    text = b"".join(b"%d:%b," % (len(part), part) for part in parts)
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def _id(value: Any) -> str | None:
    """An id: a text or a whole number; None where there is none (the record is rejected)."""
    return None if isinstance(value, float) else _text(value, 128)


def _status(value: Any) -> tuple[bool, str | None]:
    """Whether a status is published, and the status; None where it is not understood."""
    if isinstance(value, str) and value in STATUSES:
        return True, value
    if value is None:
        return False, None
    text = _text(value, 64, upper=True)
    if text is None and isinstance(value, str) and not _tidy(value):
        return False, None
    return True, text if text in STATUSES else None


def _parking(evse: dict[str, Any]) -> str | None:
    parking = _text(evse.get("parkingsensor_status"), 32, upper=True)
    return None if parking == "-" else parking


def _text(value: Any, most_bytes: int, upper: bool = False) -> str | None:
    """A text, trimmed, white space collapsed; None where there is none, or too long a one."""
    if value is None or isinstance(value, bool | list | dict):
        return None
    text = _tidy(str(value))
    text = text.upper() if upper else text
    return text if text and len(text.encode()) <= most_bytes else None


@lru_cache(maxsize=200_000)
def _tidy(text: str) -> str:
    """Control characters count as white space, those that change the direction are left out."""
    text = text.encode("utf-8", "replace").decode()
    text = re.sub("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", text)
    text = re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)
    return " ".join(text.split())


_UNITS = {
    "kW": {"w": 0.001, "watt": 0.001, "watts": 0.001, "kw": 1.0, "MW": 1000.0},
    "A": {"a": 1.0, "amp": 1.0, "amps": 1.0, "ampere": 1.0, "amperes": 1.0, "mA": 0.001,
          "kA": 1000.0},
    "V": {"v": 1.0, "volt": 1.0, "volts": 1.0, "mV": 0.001, "kv": 1000.0},
}  # fmt: skip


def quantity(value: Any, unit: str, least: float, most: float) -> float | None:
    """A number in its unit; None where it is none, is 0, or is outside of what is plausible."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return _quantity(value, unit, least, most)


@lru_cache(maxsize=200_000)
def _quantity(value: float | str, unit: str, least: float, most: float) -> float | None:
    factor = 1.0
    if isinstance(value, str):
        text = _tidy(value)
        with_unit = re.fullmatch(r"(.*[\d.,])\s*([^\W\d_]+)", text)
        if with_unit:
            text, spelling = with_unit[1].rstrip(), with_unit[2]
            size = _UNITS[unit].get(spelling, _UNITS[unit].get(spelling.lower()))
            if size is None:
                return None
            factor = size
        number = _number(text)
    else:
        number = float(value) if abs(value) < 1e300 else math.inf
    if number is None or not math.isfinite(number):
        return None
    # Division keeps 7,400 W what people call it, 7.4 kW.
    number = number / round(1 / factor) if factor < 1 else number * factor
    return number if least <= number <= most else None


def _number(text: str) -> float | None:
    """A single comma or point is the decimal one; of both the last is; others part thousands."""
    if len(text) > 64:
        return None
    text = text.replace("\u2212", "-")
    if re.fullmatch(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", text):
        return float(text.replace(",", "."))
    grouped = re.fullmatch(
        r"([+-]?\d{1,3})((?:([.,\s'’])\d{3})(?:\3\d{3})*)(?:(?!\3)[.,](\d+))?", text
    )
    if grouped is None:
        return None
    whole = grouped[1] + re.sub(r"\D", "", grouped[2])
    return float(f"{whole}.{grouped[4] or 0}")


def _published_time(value: Any, time_zone: str) -> datetime | None:
    """The answer's own time in UTC; without an offset it is the feed's local time."""
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=ZoneInfo(time_zone))
        instant = instant.astimezone(UTC).replace(tzinfo=None)
    except (TypeError, ValueError, OverflowError, KeyError, OSError):
        return None
    return instant if 2000 <= instant.year < 2100 else None


def _parsed_answer(body: bytes) -> dict[str, Any] | None:
    """The answer as an object. A station record that is not JSON is in it as None."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    try:
        answer = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return _parsed_by_members(text)
    if not isinstance(answer, dict):
        return None
    if isinstance(answer.get("data"), list) and text.count("[") + text.count("{") > _DEEPEST:
        answer["data"] = [
            record if _depth(record) <= _DEEPEST else None for record in answer["data"]
        ]
    return answer


def _depth(value: Any) -> int:
    """How deeply a value is nested, without recursion."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [
            inner for each in level for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _parsed_by_members(text: str) -> dict[str, Any] | None:
    """An answer of which some members are not JSON: they are None, the others are whole."""
    fields = _members(text.strip())
    if not text.lstrip().startswith("{") or fields is None:
        return None
    answer: dict[str, Any] = {}
    for name, value in fields:
        if not isinstance(_value(name), str):
            return None
        is_data = _value(name) == "data"
        records = _members(value) if is_data and value.startswith("[") else None
        if is_data and records is None:
            return None
        answer[_value(name)] = [_value(each) for _, each in records] if records else _value(value)
    return answer


def _value(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _members(text: str) -> list[tuple[str, str]] | None:
    """The members of a list or an object as (name, value), unparsed; None if brackets differ."""
    members: list[tuple[str, str]] = []
    open_brackets: list[str] = []
    name, start = "", 1
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|["\[\]{},:]', text, re.DOTALL):
        mark = token[0]
        if mark in ("[", "{"):
            open_brackets.append(mark)
        elif mark in ("]", "}"):
            if not open_brackets or {"[": "]", "{": "}"}[open_brackets.pop()] != mark:
                return None
            if not open_brackets:
                value = text[start : token.start()].strip()
                if name or value:
                    members.append((name, value))
                return members if token.end() == len(text) else None
        elif mark == "," and len(open_brackets) == 1:
            members.append((name, text[start : token.start()].strip()))
            name, start = "", token.end()
        elif mark == ":" and open_brackets == ["{"] and not name:
            name, start = text[start : token.start()].strip(), token.end()
        elif mark == '"':
            return None
    return None
