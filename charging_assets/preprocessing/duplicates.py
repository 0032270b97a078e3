"""Records of one answer that have one key: which of them counts.

A record that is REMOVED gives way to one that is PLANNED, and both to any other. Among equals the
attributes decide, so that the choice depends neither on the order within the answer nor, as long as
attributes stay, on the poll. Of records that are equal byte for byte the first counts.

Candidates of one key are compared in stages: what is costly to compare is made of those alone that
no stage before has separated. The cost grows with the size of the answer, whatever is repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from charging_assets.kinds import BadBody, tolerant
from charging_assets.preprocessing.flat_station import FlatStation
from charging_assets.preprocessing.states import State

Losers = frozenset[str]
NONE: Losers = frozenset()
# Behind the pointer of a record whose key stands for another id. No pointer of a record ends so.
OTHER_ID = "#"

_LIVENESS = {"REMOVED": 0, "PLANNED": 1}
_LIVE = 2


class _Candidate(NamedTuple):
    """A record that has its key in common with others.

    `number` and `pointer` are where it stands: the station record, and the place in it. `parts` are
    the connectors of an EVSE.
    """

    number: int
    pointer: str
    state: State
    liveness: int
    parts: Sequence[State] = ()


# The candidates of one key, in the order of the answer.
_Group = list[_Candidate]


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
    The pointer of an EVSE or connector of another id is among them with `OTHER_ID` behind it too.
    """
    # One object for all stations that lose in the same way: there may be millions of them.
    alone, with_parts = frozenset({""}), frozenset({"", f"/{evses}"})
    of_station = [NONE] * len(stations)
    for winner, loser in _beaten(_stations(stations), fragments):
        is_same_id = _identity(winner) == _identity(loser)
        of_station[loser.number] = alone if is_same_id else with_parts
    kept = [
        (number, station)
        for number, station in enumerate(stations)
        if of_station[number] is not with_parts
    ]
    losers: dict[int, set[str]] = {}
    for winner, loser in _beaten(_evses(kept, f"/{connectors}/"), fragments):
        losers.setdefault(loser.number, set()).update(_pointers(winner, loser))
    for winner, loser in _beaten(_connectors(kept, losers, f"/{connectors}/"), fragments):
        losers.setdefault(loser.number, set()).update(_pointers(winner, loser))
    for number, of_record in losers.items():
        of_station[number] |= of_record
    return of_station


def _pointers(winner: _Candidate, loser: _Candidate) -> tuple[str, ...]:
    is_same_id = _identity(winner) == _identity(loser)
    return (loser.pointer,) if is_same_id else (loser.pointer, loser.pointer + OTHER_ID)


def _beaten(
    groups: Iterable[_Group], fragments: Sequence[bytes]
) -> Iterator[tuple[_Candidate, _Candidate]]:
    """Of the candidates of each key, the one that counts with each of the others."""
    groups = list(groups)
    tied = [_equals(group) for group in groups]
    for group, winner in zip(groups, _first(tied, fragments), strict=True):
        for candidate in group:
            if candidate is not winner:
                yield winner, candidate


def _equals(group: _Group) -> _Group:
    """The best candidates of a key; several where only their JSON can tell which one counts."""
    for rank in _STAGES:
        if len(group) == 1:
            break
        best, equals = rank(group[0]), [group[0]]
        # One rank at a time: millions of candidates may have one key, and attributes are long.
        for candidate in group[1:]:
            value = rank(candidate)
            if value < best:
                best, equals = value, [candidate]
            elif value == best:
                equals.append(candidate)
        group = equals
    return group


def _first(groups: Sequence[_Group], fragments: Sequence[bytes]) -> list[_Candidate]:
    """Of each group, the first one of those whose JSON comes first.

    Records of all groups are parsed in the order of the answer, each once and one at a time.
    """
    same: dict[bytes, int] = {}
    firsts = [group[0] for group in groups]
    open_: list[tuple[int, int, _Candidate]] = []
    for index, group in enumerate(groups):
        if len(group) > 1:
            # What stands at the same place of equal bytes is equal, and need not be parsed.
            distinct: dict[tuple[int, str], _Candidate] = {}
            for candidate in group:
                number = same.setdefault(fragments[candidate.number], candidate.number)
                distinct.setdefault((number, candidate.pointer), candidate)
            if len(distinct) > 1:
                open_ += [(each.number, index, each) for each in distinct.values()]
    records, best = _Records(fragments), dict[int, bytes]()
    for number, index, candidate in sorted(open_, key=lambda each: each[0]):
        published = records.canonical(number, candidate.pointer)
        if index not in best or published < best[index]:
            best[index], firsts[index] = published, candidate
    return firsts


def _stations(stations: Sequence[FlatStation]) -> Iterable[_Group]:
    repeated = _repeated(station.station.key for station in stations if station.station)
    groups: dict[int, _Group] = defaultdict(list)
    for number, station in enumerate(stations):
        state = station.station
        if state is not None and state.key in repeated:
            lives = max([liveness(status.status) for status in station.statuses], default=-1)
            groups[state.key].append(_Candidate(number, "", state, lives))
    return groups.values()


def _evses(stations: Sequence[tuple[int, FlatStation]], level: str) -> Iterable[_Group]:
    repeated = _repeated(evse.key for _, station in stations for evse in station.evses)
    groups: dict[int, _Group] = defaultdict(list)
    for number, station in stations:
        if repeated.isdisjoint([evse.key for evse in station.evses]):
            continue
        connectors = _connectors_by_evse(station, level)
        for evse, status, pointer in zip(
            station.evses, station.statuses, station.evse_pointers, strict=True
        ):
            if evse.key in repeated:
                groups[evse.key].append(
                    _Candidate(
                        number, pointer, evse, liveness(status.status), connectors.get(pointer, ())
                    )
                )
    return groups.values()


def _connectors_by_evse(station: FlatStation, level: str) -> dict[str, list[State]]:
    """The connectors of a record by the pointer of their EVSE."""
    grouped: dict[str, list[State]] = defaultdict(list)
    for connector, (pointer, _) in zip(station.connectors, station.connector_sources, strict=True):
        grouped[pointer.rpartition(level)[0]].append(connector)
    return grouped


def _connectors(
    stations: Sequence[tuple[int, FlatStation]], losers: dict[int, set[str]], level: str
) -> Iterable[_Group]:
    repeated = _repeated(state.key for _, station in stations for state in station.connectors)
    groups: dict[int, _Group] = defaultdict(list)
    for number, station in stations:
        for connector, (pointer, status) in zip(
            station.connectors, station.connector_sources, strict=True
        ):
            if connector.key in repeated:
                evse = pointer.rpartition(level)[0]
                if evse not in losers.get(number, NONE):
                    candidate = _Candidate(number, pointer, connector, liveness(status))
                    groups[connector.key].append(candidate)
    return groups.values()


def _repeated(keys: Iterable[int]) -> set[int]:
    seen, repeated = set[int](), set[int]()
    for key in keys:
        (repeated if key in seen else seen).add(key)
    return repeated


def _comparable(state: State) -> list[str]:
    """The attributes, fields that this version does not know last.

    Keys, which are the only integers, are left out: ids stand next to them.
    """
    return [
        "" if value is None else str(value) for value in state.row[4:] if type(value) is not int
    ]


def _identity(candidate: _Candidate) -> tuple[str, int]:
    """What differs between ids that have one key."""
    return candidate.state.published_id, candidate.state.identity_hash


def _inverse_liveness(candidate: _Candidate) -> int:
    return -candidate.liveness


def _attributes(candidate: _Candidate) -> list[str]:
    return _comparable(candidate.state)


def _parts(candidate: _Candidate) -> list[list[str]]:
    return sorted([part.published_id, *_comparable(part)] for part in candidate.parts)


# The first ones cost next to nothing, and decide nearly always. The least rank counts.
_STAGES: tuple[Callable[[_Candidate], Any], ...] = (
    _identity,
    _inverse_liveness,
    _attributes,
    _parts,
)


class _Records:
    """The records of an answer in its order, parsed again where attributes do not decide."""

    def __init__(self, fragments: Sequence[bytes]) -> None:
        self._fragments = fragments
        self._number, self._parsed = -1, None

    def canonical(self, number: int, pointer: str) -> bytes:
        """The record at a pointer as JSON whose bytes do not depend on the order of its fields."""
        if number != self._number:
            try:
                self._parsed, self._number = tolerant.record(self._fragments[number]), number
            except BadBody:
                return b""
        value: Any = self._parsed
        for name in pointer.split("/")[1:]:
            value = value[int(name)] if isinstance(value, list) else value[name]
        try:
            return msgspec.json.encode(value, order="sorted")
        except (TypeError, ValueError, OverflowError, RecursionError):
            return repr(value).encode("utf-8", "replace")
