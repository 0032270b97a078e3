"""Records of one answer that have one key: which of them counts.

A record that is REMOVED gives way to one that is PLANNED, and both to any other. Among equals the
attributes decide, so that the choice depends neither on the order within the answer nor, as long as
attributes stay, on the poll. Of records that are equal byte for byte the first counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from charging_assets.kinds import BadBody, tolerant
from charging_assets.preprocessing.flat_station import FlatStation
from charging_assets.preprocessing.states import State

Losers = frozenset[str]
NONE: Losers = frozenset()

_LIVENESS = {"REMOVED": 0, "PLANNED": 1}
_LIVE = 2

# What is compared, best first; at the end where the record stands: station number and pointer.
_Candidate = tuple[Any, ...]


def liveness(status: str | None) -> int:
    """How much a status counts where records compete: REMOVED, then PLANNED, then any other."""
    return _LIVE if status is None else _LIVENESS.get(status, _LIVE)


def duplicates(
    stations: Sequence[FlatStation], fragments: Sequence[bytes], evses: str, connectors: str
) -> list[Losers]:
    """For each station record of an answer, the pointers of the records in it that do not count.

    `stations` are the records as read alone, `fragments` their bytes, `evses` and `connectors` the
    fields that hold their parts. The pointer of a station record is "". EVSEs of a station record
    that does not count are kept under its key, unless its id is another one (two ids whose hashes
    are equal): then the pointer of its list of EVSEs is among them. Of such ids the smaller counts.
    """
    losers: list[set[str]] = [set() for _ in stations]
    records = _Records(fragments)
    for winner, other in _beaten(_stations(stations, records)):
        losers[other[-2]].add("")
        if winner[0] != other[0]:
            losers[other[-2]].add(f"/{evses}")
    kept = [
        (number, station)
        for number, station in enumerate(stations)
        if f"/{evses}" not in losers[number]
    ]
    for _, other in _beaten(_evses(kept, records)):
        losers[other[-2]].add(other[-1])
    for _, other in _beaten(_connectors(kept, losers, records, f"/{connectors}/")):
        losers[other[-2]].add(other[-1])
    return [frozenset(pointers) for pointers in losers]


def _beaten(
    candidates: Iterable[tuple[int, _Candidate]],
) -> Iterable[tuple[_Candidate, _Candidate]]:
    """Of the candidates of each key, the first in order with each of the others."""
    by_key: dict[int, list[_Candidate]] = defaultdict(list)
    for key, candidate in candidates:
        by_key[key].append(candidate)
    for of_key in by_key.values():
        if len(of_key) > 1:
            winner, *others = sorted(of_key, key=lambda candidate: candidate[:-2])
            for other in others:
                yield winner, other


def _stations(
    stations: Sequence[FlatStation], records: _Records
) -> Iterable[tuple[int, _Candidate]]:
    repeated = _repeated(station.station.key for station in stations if station.station)
    for number, station in enumerate(stations):
        if station.station is not None and station.station.key in repeated:
            lives = max([liveness(status.status) for status in station.statuses], default=-1)
            attributes = _comparable(station.station)
            identity = _identity(station.station)
            order = (identity, -lives, attributes, records.canonical(number, ""))
            yield station.station.key, (*order, number, "")


def _evses(
    stations: Sequence[tuple[int, FlatStation]], records: _Records
) -> Iterable[tuple[int, _Candidate]]:
    repeated = _repeated(evse.key for _, station in stations for evse in station.evses)
    for number, station in stations:
        for place, evse in enumerate(station.evses):
            if evse.key in repeated:
                status, pointer = station.statuses[place], station.evse_pointers[place]
                attributes = _comparable(evse)
                below = [
                    [connector.published_id, *_comparable(connector)]
                    for connector, (where, _) in zip(
                        station.connectors, station.connector_sources, strict=True
                    )
                    if where.startswith(f"{pointer}/")
                ]
                order = (_identity(evse), -liveness(status.status), attributes, sorted(below))
                yield evse.key, (*order, records.canonical(number, pointer), number, pointer)


def _connectors(
    stations: Sequence[tuple[int, FlatStation]],
    losers: Sequence[set[str]],
    records: _Records,
    level: str,
) -> Iterable[tuple[int, _Candidate]]:
    repeated = _repeated(state.key for _, station in stations for state in station.connectors)
    for number, station in stations:
        for connector, (pointer, status) in zip(
            station.connectors, station.connector_sources, strict=True
        ):
            evse = pointer.rpartition(level)[0]
            if connector.key in repeated and evse not in losers[number]:
                attributes = _comparable(connector)
                order = (_identity(connector), -liveness(status), attributes)
                yield connector.key, (*order, records.canonical(number, pointer), number, pointer)


def _repeated(keys: Iterable[int]) -> set[int]:
    seen, repeated = set[int](), set[int]()
    for key in keys:
        (repeated if key in seen else seen).add(key)
    return repeated


def _identity(state: State) -> tuple[str, int]:
    """What differs between ids that have one key."""
    return state.published_id, state.identity_hash


def _comparable(state: State) -> list[str]:
    """The attributes, fields that this version does not know last.

    Keys, which are the only integers, are left out: ids stand next to them.
    """
    return [
        "" if value is None else str(value) for value in state.row[4:] if type(value) is not int
    ]


class _Records:
    """The records of an answer, parsed again where attributes do not decide."""

    def __init__(self, fragments: Sequence[bytes]) -> None:
        self._fragments = fragments
        self._parsed: dict[int, Any] = {}

    def canonical(self, number: int, pointer: str) -> bytes:
        """The record at a pointer as JSON whose bytes do not depend on the order of its fields."""
        if number not in self._parsed:
            try:
                self._parsed[number] = tolerant.record(self._fragments[number])[0]
            except BadBody:
                return b""
        value = self._parsed[number]
        for name in pointer.split("/")[1:]:
            value = value[int(name)] if isinstance(value, list) else value[name]
        try:
            return msgspec.json.encode(value, order="sorted")
        except (TypeError, ValueError, OverflowError, RecursionError):
            return repr(value).encode("utf-8", "replace")
