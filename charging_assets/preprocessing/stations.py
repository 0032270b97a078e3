"""Read one station record into rows: the station, its EVSEs, their connectors and their status.

A rejected record also rejects the records below it. Which of two records with one key counts is
decided in `duplicates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import msgspec

from charging_assets.archive.identities import FeedIdentity
from charging_assets.preprocessing.caches import Cache
from charging_assets.preprocessing.changes import StatusReader
from charging_assets.preprocessing.clean import BadValue, canonical, cleaner
from charging_assets.preprocessing.contents import Content, ContentReader, Problem, is_untrimmed
from charging_assets.preprocessing.duplicates import NONE as NO_LOSERS
from charging_assets.preprocessing.duplicates import OTHER_ID, Losers
from charging_assets.preprocessing.flat_station import FlatStation, Status
from charging_assets.preprocessing.identity import (
    Identity,
    attribute_hash,
    make_identity,
    scopes,
)
from charging_assets.preprocessing.rejects import ID_BYTES
from charging_assets.preprocessing.states import State
from charging_assets.schemas import flat
from charging_assets.sources import BadBody, Kind, RecordMap, tolerant


class _Parent(NamedTuple):
    """The parent entity of a record; its `ids` come before the record's id in the key."""

    key: int
    id: str
    ids: tuple[str, ...]


class StationReader:
    """Reads station records of one feed.

    Records of the ids in `rejected` are rejected: their keys belong to other ids.
    """

    def __init__(
        self, identity: FeedIdentity, kind: Kind, rejected: Set[Identity] = frozenset()
    ) -> None:
        self._network, self._rejected = identity.network, rejected
        self._station_within, self._evse_within = scopes(kind, identity.ids_within)
        self.kind = kind
        self.evses = kind.STATION.children or "evses"
        self.connectors = kind.EVSE.children or "connectors"
        evse_level = f"/*/{self.evses}/*"
        connector_level = f"{evse_level}/{self.connectors}/*"
        self._station = ContentReader(kind.STATION, _STATION_COLUMNS, "/*", _VOLATILE)
        evse_map = _with_published_status(kind.EVSE)
        self._evse = ContentReader(evse_map, _EVSE_COLUMNS, evse_level, _VOLATILE)
        self._connector = ContentReader(
            kind.CONNECTOR, _CONNECTOR_COLUMNS, connector_level, _VOLATILE
        )
        self._states = Cache()
        parking = cleaner(flat.PARKING_STATUS)
        self.statuses = StatusReader(kind, self.evses, self.connectors, parking)
        self._station_id_field = kind.STATION.paths.get("station_id", "")
        self._status_paths = {kind.EVSE.paths["status"], kind.CONNECTOR.paths.get("status")}

    def read(
        self, fragment: bytes | msgspec.Raw, place: str, losers: Losers = NO_LOSERS
    ) -> FlatStation:
        """Read a record of a place's answer into rows; never raises for bad content.

        Records in it with pointers in `losers` are rejected as duplicates (`duplicates`).
        """
        flat_station, fragment = FlatStation(), bytes(fragment)
        try:
            record = tolerant.record(fragment, partial(self._add_repair, flat_station))
        except BadBody as error:
            flat_station.rejects.add("record", "station", None, "", error.code, fragment)
        else:
            self._read_station(record, flat_station, place, losers)
        return flat_station.finish()

    def _add_repair(self, out: FlatStation, code: str, path: tolerant.Path) -> None:
        out.rejects.add("field", "station", None, lambda: tolerant.pointer(path), code)
        if path and path[0] in self._status_paths and _depth(path) in (3, 5):
            out.repaired.add(tolerant.pointer(path))

    def _read_station(self, record: Any, out: FlatStation, place: str, losers: Losers) -> None:
        if not isinstance(record, dict):
            _reject(out, "station", None, "", "not_an_object", record)
            return
        children, where = record.get(self.evses), f"/{self.evses}"
        values, content, _ = self._values(self._station, "station", "", record, out)
        station_id, attributes = values[0], (*values[1:], content.extra)
        published_id = record.get(self._station_id_field)
        out.untrimmed = content.untrimmed
        if isinstance(published_id, str) and is_untrimmed(published_id):
            out.untrimmed = (("station_id", published_id[:ID_BYTES]), *content.untrimmed)
        if station_id is None:
            _reject(out, "station", None, "", "missing_key", _without_children(record, self.evses))
            self._reject_children(children, out, where)
            return
        ids = (place, station_id) if self._station_within == "place" else (station_id,)
        is_usual = not losers and not self._rejected
        identity = None if is_usual else make_identity(self._network, "station", ids)
        is_other_id = where in losers or identity in self._rejected
        if identity is not None and (is_other_id or "" in losers):
            rest = _without_children(record, self.evses)
            _reject_duplicate(out, identity, station_id, "", rest, is_other_id)
            if is_other_id:
                self._reject_children(children, out, where)
                return
        else:
            cache_key = ("station", ids, content.published)
            out.station = self._state(cache_key, station_id, _STATION_NAMES, attributes)
        key = out.station.key if out.station else make_identity(self._network, "station", ids).key
        parent = _Parent(key, station_id, self._evse_prefix(place, ids))
        for index, evse in _enumerate_children(children, out, "station", station_id, where):
            self._read_evse(evse, f"{where}/{index}", parent, out, losers)

    def _evse_prefix(self, place: str, station_ids: tuple[str, ...]) -> tuple[str, ...]:
        if self._evse_within == "parent":
            return station_ids
        return (place,) if self._evse_within == "place" else ()

    def _read_evse(
        self, record: Any, pointer: str, station: _Parent, out: FlatStation, losers: Losers
    ) -> None:
        out.evse_count += 1
        if not isinstance(record, dict):
            _reject(out, "evse", None, pointer, "not_an_object", record)
            return
        children = record.get(self.connectors)
        values, content, problems = self._values(self._evse, "evse", pointer, record, out)
        uid, status, status_published, changed_at, parking_status, *attributes = values
        connectors_pointer = f"{pointer}/{self.connectors}"
        if uid is None:
            _reject(
                out,
                "evse",
                None,
                pointer,
                "missing_key",
                _without_children(record, self.connectors),
            )
            self._reject_connectors(children, out, connectors_pointer)
            return
        ids = (*station.ids, uid)
        is_usual = not losers and not self._rejected
        identity = None if is_usual else make_identity(self._network, "evse", ids)
        if identity is not None and (pointer in losers or identity in self._rejected):
            is_other_id = pointer + OTHER_ID in losers or identity in self._rejected
            rest = _without_children(record, self.connectors)
            _reject_duplicate(out, identity, uid, pointer, rest, is_other_id)
            self._reject_connectors(children, out, connectors_pointer)
            return
        where = f"/{self.kind.EVSE.paths['status']}"
        if status is None and not _is_rejected(out, problems, pointer, where):
            out.rejects.add("field", "evse", uid, pointer + where, "missing_status")
        cache_key = ("evse", ids, station.key, station.id, attributes[0], content.published)
        attributes = [station.key, station.id, *attributes, content.extra]
        state = self._state(cache_key, uid, _EVSE_NAMES, attributes)
        out.evses.append(state)
        out.evse_pointers.append(pointer)
        parent = _Parent(state.key, uid, ids)
        overrides: dict[str, str | None] = {}
        for index, connector in _enumerate_children(children, out, "evse", uid, connectors_pointer):
            id_and_status = self._read_connector(
                connector, f"{connectors_pointer}/{index}", parent, out, losers
            )
            if id_and_status is not None and id_and_status[1] != status:
                overrides[id_and_status[0]] = id_and_status[1]
        try:
            overrides_json = canonical(overrides, flat.OVERRIDES.length) if overrides else None
        except BadValue as error:
            overrides_json = None
            out.rejects.add("field", "evse", uid, connectors_pointer, error.code)
        out.statuses.append(
            Status(
                state.key,
                uid,
                status,
                status_published,
                parking_status,
                overrides_json,
                changed_at,
            )
        )

    def _read_connector(
        self, record: Any, pointer: str, evse: _Parent, out: FlatStation, losers: Losers
    ) -> tuple[str, str | None] | None:
        """The connector's id and status; None if it is rejected or publishes no status."""
        out.connector_count += 1
        if not isinstance(record, dict):
            _reject(out, "connector", None, pointer, "not_an_object", record)
            return None
        values, content, problems = self._values(self._connector, "connector", pointer, record, out)
        connector_id, status, *attributes = values
        if connector_id is None:
            _reject(out, "connector", None, pointer, "missing_key", record)
            return None
        ids = (*evse.ids, connector_id)
        is_usual = not losers and not self._rejected
        identity = None if is_usual else make_identity(self._network, "connector", ids)
        if identity is not None and (pointer in losers or identity in self._rejected):
            is_other_id = pointer + OTHER_ID in losers or identity in self._rejected
            _reject_duplicate(out, identity, connector_id, pointer, record, is_other_id)
            return None
        cache_key = ("connector", ids, evse.key, evse.id, content.published)
        attributes = [evse.key, evse.id, *attributes, content.extra]
        out.connectors.append(self._state(cache_key, connector_id, _CONNECTOR_NAMES, attributes))
        out.connector_sources.append((pointer, status))
        where = f"/{self.kind.CONNECTOR.paths.get('status')}"
        if status is None and not _is_rejected(out, problems, pointer, where):
            return None
        return connector_id, status

    def _state(
        self,
        cache_key: tuple[Any, ...],
        published: str,
        names: tuple[str, ...],
        attributes: Sequence[Any],
    ) -> State:
        """The state of an entity; `cache_key` is everything it is made from.

        It begins with the entity and its ids, and ends with its content.
        """
        content = cache_key[-1]
        state: State | None = None if content is None else self._states.entries.get(cache_key)
        if state is None:
            entity, ids = cache_key[:2]
            _, key, second_hash = make_identity(self._network, entity, ids)
            hash_of_attributes = attribute_hash(dict(zip(names, attributes, strict=True)))
            state = State(
                key,
                hash_of_attributes,
                (key, hash_of_attributes, published, second_hash, *attributes),
            )
            if content is not None:
                self._states.add(cache_key, state, 1000 + 2 * len(content))
        return state

    def _values(
        self,
        reader: ContentReader,
        entity: str,
        pointer: str,
        record: dict[str, Any],
        out: FlatStation,
    ) -> tuple[list[Any], Content, tuple[Problem, ...]]:
        values, content, pointers, problems = reader.read(record)
        out.add_shapes(pointers, content.shape.unknown_pointers)
        for where, code, value in problems:
            out.rejects.add("field", entity, values[0], pointer + where, code, value)
        return values, content, problems

    def _reject_children(self, children: Any, out: FlatStation, pointer: str) -> None:
        for index, evse in enumerate(children if isinstance(children, list) else ()):
            out.evse_count += 1
            _reject(out, "evse", None, f"{pointer}/{index}", "parent_rejected", evse)
            if isinstance(evse, dict):
                connectors_pointer = f"{pointer}/{index}/{self.connectors}"
                self._reject_connectors(evse.get(self.connectors), out, connectors_pointer)

    def _reject_connectors(self, children: Any, out: FlatStation, pointer: str) -> None:
        for index, connector in enumerate(children if isinstance(children, list) else ()):
            out.connector_count += 1
            where = f"{pointer}/{index}"
            _reject(out, "connector", None, where, "parent_rejected", connector)


# Columns that differ from record to record, or from poll to poll.
_VOLATILE = frozenset({
    "station_id", "evse_uid", "evse_id", "connector_id", "status", "status_published",
    "status_changed_at", "parking_status",
})  # fmt: skip
_STATION_COLUMNS = (flat.STATION_ID, *flat.STATION_ATTRIBUTES[:-1])
_EVSE_COLUMNS = (
    flat.EVSE_UID,
    flat.STATUS,
    flat.STATUS_PUBLISHED,
    flat.STATUS_CHANGED_AT,
    flat.PARKING_STATUS,
    *flat.EVSE_ATTRIBUTES[2:-1],
)
_CONNECTOR_COLUMNS = (flat.CONNECTOR_ID, flat.STATUS, *flat.CONNECTOR_ATTRIBUTES[2:-1])
_STATION_NAMES = tuple(column.name for column in flat.STATION_ATTRIBUTES)
_EVSE_NAMES = tuple(column.name for column in flat.EVSE_ATTRIBUTES)
_CONNECTOR_NAMES = tuple(column.name for column in flat.CONNECTOR_ATTRIBUTES)


def _with_published_status(record_map: RecordMap) -> RecordMap:
    """The map that also reads the published word of the status, from the same field."""
    columns = {"status_published": record_map.columns["status"], **record_map.columns}
    return replace(record_map, columns=columns)


def _enumerate_children(
    children: Any, out: FlatStation, entity: str, entity_id: str, pointer: str
) -> Iterable[tuple[int, Any]]:
    if isinstance(children, list):
        return enumerate(children)
    if children is not None:
        out.rejects.add("field", entity, entity_id, pointer, "not_a_list", children)
    return []


def _is_rejected(out: FlatStation, problems: tuple[Problem, ...], pointer: str, field: str) -> bool:
    """Whether a status of the record at a pointer was rejected, as a value or when repaired."""
    return any(where == field for where, _, _ in problems) or (
        bool(out.repaired) and pointer + field in out.repaired
    )


def _depth(path: tolerant.Path) -> int:
    """The number of names and indexes in a path, at most 6."""
    depth = 0
    while path is not None and depth < 6:
        path, depth = path[1], depth + 1
    return depth


def _reject(
    out: FlatStation, entity: str, entity_id: str | None, pointer: str, code: str, value: Any
) -> None:
    out.rejects.add("record", entity, entity_id, pointer, code, value)


def _reject_duplicate(
    out: FlatStation,
    identity: Identity,
    entity_id: str,
    pointer: str,
    value: Any,
    is_other_id: bool,
) -> None:
    out.rejects.add_duplicate(identity, entity_id, pointer, value, is_other_id=is_other_id)


def _without_children(record: dict[str, Any], children: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != children}
