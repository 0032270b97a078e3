"""One station record to rows: the station, its EVSEs, their connectors and their status.

Belongs here: how entities hang together, keys, duplicates, what a rejected record takes with it.
Does not belong here: polls, hours, tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from charging_assets.kinds import BadBody, Kind, tolerant
from charging_assets.preprocessing.clean import BadValue, canonical
from charging_assets.preprocessing.contents import KEEP, Content, ContentReader
from charging_assets.preprocessing.flat_station import FlatStation, Status
from charging_assets.preprocessing.identity import attribute_hash, entity_key
from charging_assets.preprocessing.rejects import rejection
from charging_assets.preprocessing.states import State
from charging_assets.schemas import flat


@dataclass
class Seen:
    """The keys met so far in one answer: a second record of a key is a duplicate."""

    stations: set[int] = field(default_factory=set)
    evses: set[int] = field(default_factory=set)
    connectors: set[int] = field(default_factory=set)


class StationReader:
    """Reads station records of one feed."""

    def __init__(self, feed: str, kind: Kind) -> None:
        self.feed = feed
        self._kind = kind
        self._evses = kind.STATION.children or "evses"
        self._connectors = kind.EVSE.children or "connectors"
        evse_level = f"/*/{self._evses}/*"
        connector_level = f"{evse_level}/{self._connectors}/*"
        self._station = ContentReader(kind.STATION, _STATION_COLUMNS, "/*", _OWN)
        self._evse = ContentReader(kind.EVSE, _EVSE_COLUMNS, evse_level, _OWN)
        self._connector = ContentReader(kind.CONNECTOR, _CONNECTOR_COLUMNS, connector_level, _OWN)
        self._states: dict[tuple[Any, ...], State] = {}
        self.read_alone = lru_cache(_KEEP_STATIONS)(self._read_alone)

    def _read_alone(self, fragment: bytes) -> FlatStation:
        """The rows of a record that shares no key with another of its answer; not to be changed."""
        return self.read(fragment, Seen())

    def read(self, fragment: bytes, seen: Seen) -> FlatStation:
        """The rows of a record. Never raises for what the record holds."""
        flat_station = FlatStation()
        try:
            record, repairs = tolerant.record(fragment)
        except BadBody as bad:
            flat_station.rejections.append(
                rejection("record", "station", None, "", bad.code, fragment)
            )
            return flat_station
        flat_station.rejections += [
            rejection("field", "station", None, pointer, code, None) for pointer, code in repairs
        ]
        self._read_station(record, flat_station, seen)
        return flat_station

    def _read_station(self, record: Any, out: FlatStation, seen: Seen) -> None:
        if not isinstance(record, dict):
            _reject(out, "station", None, "", "not_an_object", record)
            return
        children = record.get(self._evses)
        values, content = self._values(self._station, "station", "", record, out)
        station_id, attributes = values[0], (*values[1:], content.extra)
        key = None if station_id is None else entity_key(self.feed, "station", station_id)
        if key is None or key in seen.stations:
            code = "missing_key" if key is None else "duplicate_key"
            _reject(out, "station", station_id, "", code, _without(record, self._evses))
            self._reject_children(children, out, f"/{self._evses}")
            return
        seen.stations.add(key)
        known = (key, content.published)
        out.station = self._state(known, station_id, _STATION_NAMES, attributes)
        for index, evse in _listed(children, out, "station", station_id, f"/{self._evses}"):
            self._read_evse(evse, f"/{self._evses}/{index}", out, seen)

    def _read_evse(self, record: Any, pointer: str, out: FlatStation, seen: Seen) -> None:
        out.evse_count += 1
        if not isinstance(record, dict):
            _reject(out, "evse", None, pointer, "not_an_object", record)
            return
        children = record.get(self._connectors)
        values, content = self._values(self._evse, "evse", pointer, record, out)
        uid, status, parking_status, *attributes = values
        key = None if uid is None else entity_key(self.feed, "evse", uid)
        if key is None or key in seen.evses:
            code = "missing_key" if key is None else "duplicate_key"
            _reject(out, "evse", uid, pointer, code, _without(record, self._connectors))
            self._reject_connectors(children, out, f"{pointer}/{self._connectors}")
            return
        seen.evses.add(key)
        where = f"{pointer}/{self._kind.EVSE.paths['status']}"
        if status is None and not _is_rejected(out, where):
            out.rejections.append(rejection("field", "evse", uid, where, "missing_status", None))
        assert out.station is not None
        above = (out.station.key, out.station.row[2])
        known = (key, above, attributes[0], content.published)
        attributes = [*above, *attributes, content.extra]
        out.evses.append(self._state(known, uid, _EVSE_NAMES, attributes))
        overrides: dict[str, str | None] = {}
        place = f"{pointer}/{self._connectors}"
        for index, connector in _listed(children, out, "evse", uid, place):
            found = self._read_connector(connector, f"{place}/{index}", (key, uid), out, seen)
            if found is not None and found[1] != status:
                overrides[found[0]] = found[1]
        try:
            told = canonical(overrides) if overrides else None
        except BadValue as bad:
            told = None
            out.rejections.append(rejection("field", "evse", uid, place, bad.code, None))
        out.statuses.append(Status(key, uid, status, parking_status, told))

    def _read_connector(
        self, record: Any, pointer: str, above: tuple[int, str], out: FlatStation, seen: Seen
    ) -> tuple[str, str | None] | None:
        """The connector's id and status; None where it was rejected or publishes no status."""
        out.connector_count += 1
        if not isinstance(record, dict):
            _reject(out, "connector", None, pointer, "not_an_object", record)
            return None
        values, content = self._values(self._connector, "connector", pointer, record, out)
        connector_id, status, *attributes = values
        key = None if connector_id is None else entity_key(self.feed, "connector", connector_id)
        if key is None or key in seen.connectors:
            code = "missing_key" if key is None else "duplicate_key"
            _reject(out, "connector", connector_id, pointer, code, record)
            return None
        seen.connectors.add(key)
        known = (key, above, content.published)
        attributes = [*above, *attributes, content.extra]
        out.connectors.append(self._state(known, connector_id, _CONNECTOR_NAMES, attributes))
        where = f"{pointer}/{self._kind.CONNECTOR.paths.get('status')}"
        if status is None and not _is_rejected(out, where):
            return None
        return connector_id, status

    def _state(
        self,
        known: tuple[Any, ...],
        published: str,
        names: tuple[str, ...],
        attributes: Sequence[Any],
    ) -> State:
        """The state of the entity with the key `known[0]`; `known` says all that it is made of."""
        found = self._states.get(known)
        if found is None or known[-1] is None:
            hashed = attribute_hash(dict(zip(names, attributes, strict=True)))
            found = State(known[0], hashed, (known[0], hashed, published, *attributes))
            if len(self._states) >= KEEP:
                self._states.clear()
            self._states[known] = found
        return found

    def _values(
        self,
        reader: ContentReader,
        entity: str,
        pointer: str,
        record: dict[str, Any],
        out: FlatStation,
    ) -> tuple[list[Any], Content]:
        values, content, pointers, problems = reader.read(record)
        out.shapes.update(pointers)
        if content.shape.unknown:
            out.unknown.update(content.shape.unknown_pointers)
        for where, code, value in problems:
            out.rejections.append(
                rejection("field", entity, values[0], pointer + where, code, value)
            )
        return values, content

    def _reject_children(self, children: Any, out: FlatStation, pointer: str) -> None:
        for index, evse in enumerate(children if isinstance(children, list) else ()):
            out.evse_count += 1
            _reject(out, "evse", None, f"{pointer}/{index}", "parent_rejected", evse)
            if isinstance(evse, dict):
                place = f"{pointer}/{index}/{self._connectors}"
                self._reject_connectors(evse.get(self._connectors), out, place)

    def _reject_connectors(self, children: Any, out: FlatStation, pointer: str) -> None:
        for index, connector in enumerate(children if isinstance(children, list) else ()):
            out.connector_count += 1
            where = f"{pointer}/{index}"
            _reject(out, "connector", None, where, "parent_rejected", connector)


# A station is most often what it was some polls ago, byte for byte.
_KEEP_STATIONS = 4096

# What differs from record to record, or from poll to poll.
_OWN = frozenset({"station_id", "evse_uid", "evse_id", "connector_id", "status", "parking_status"})
_STATION_COLUMNS = (flat.STATION_ID, *flat.STATION_ATTRIBUTES[:-1])
_EVSE_COLUMNS = (flat.EVSE_UID, flat.STATUS, flat.PARKING_STATUS, *flat.EVSE_ATTRIBUTES[2:-1])
_CONNECTOR_COLUMNS = (flat.CONNECTOR_ID, flat.STATUS, *flat.CONNECTOR_ATTRIBUTES[2:-1])
_STATION_NAMES = tuple(column.name for column in flat.STATION_ATTRIBUTES)
_EVSE_NAMES = tuple(column.name for column in flat.EVSE_ATTRIBUTES)
_CONNECTOR_NAMES = tuple(column.name for column in flat.CONNECTOR_ATTRIBUTES)


def _listed(
    children: Any, out: FlatStation, entity: str, entity_id: str, pointer: str
) -> list[tuple[int, Any]]:
    if isinstance(children, list):
        return list(enumerate(children))
    if children is not None:
        out.rejections.append(
            rejection("field", entity, entity_id, pointer, "not_a_list", children)
        )
    return []


def _is_rejected(out: FlatStation, pointer: str) -> bool:
    return any(found.pointer == pointer for found in out.rejections)


def _reject(
    out: FlatStation, entity: str, entity_id: str | None, pointer: str, code: str, value: Any
) -> None:
    out.rejections.append(rejection("record", entity, entity_id, pointer, code, value))


def _without(record: dict[str, Any], children: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != children}
