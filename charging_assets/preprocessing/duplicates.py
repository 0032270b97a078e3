"""Select which of several records with one key counts within an answer.

A record that is PLANNED wins over one that is REMOVED, and any other status wins over both. Among
equals the attributes decide, so the choice does not depend on the order within the answer and, as
long as the attributes do not change, not on the poll. Of records that are equal byte for byte the
first counts.

Candidates for one key are compared in stages: an expensive comparison runs only for candidates that
no earlier stage has separated. The cost is linear in the size of the answer, whatever is repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from charging_assets.preprocessing.flat_station import FlatStation
from charging_assets.preprocessing.states import State
from charging_assets.sources import BadBody, tolerant

Losers = frozenset[str]
NONE: Losers = frozenset()
# Suffix to the pointer of a record whose key belongs to another id. No record's pointer ends so.
OTHER_ID = "#"

_LIVENESS = {"REMOVED": 0, "PLANNED": 1}
_LIVE = 2


class _Candidate(NamedTuple):
    """A record that shares its key with others.

    `number` is the index of its station record, `pointer` the position in that record. `parts` are
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
    """The rank of a status among competing records: REMOVED, then PLANNED, then any other."""
    return _LIVE if status is None else _LIVENESS.get(status, _LIVE)


def find_duplicates(
    stations: Sequence[FlatStation],
    fragments: Sequence[msgspec.Raw],
    evses: str,
    connectors: str,
) -> list[Losers]:
    """For each station record of an answer, return the pointers of its records that do not count.

    The pointer of a station record is "". If a station record does not count, its EVSEs still count
    under its key, unless its id differs from the winner's (two ids with equal hashes; the smaller
    id wins): then the pointer of its list of EVSEs is returned as well. For an EVSE or connector of
    another id, the pointer is also returned with the suffix `OTHER_ID`.

    Args:
        stations: the records, each as read alone.
        fragments: the bytes of each record.
        evses: name of the field that holds a station's EVSEs.
        connectors: name of the field that holds an EVSE's connectors.
    """
    # One shared object for all stations that lose in the same way: there may be millions of them.
    alone, with_parts = frozenset({""}), frozenset({"", f"/{evses}"})
    of_station = [NONE] * len(stations)
    for winner, loser in _winners_and_losers(_stations(stations), fragments):
        is_same_id = _identity(winner) == _identity(loser)
        of_station[loser.number] = alone if is_same_id else with_parts
    kept = [
        (number, station)
        for number, station in enumerate(stations)
        if of_station[number] is not with_parts
    ]
    losers: dict[int, set[str]] = {}
    for winner, loser in _winners_and_losers(_evses(kept, f"/{connectors}/"), fragments):
        losers.setdefault(loser.number, set()).update(_pointers(winner, loser))
    for winner, loser in _winners_and_losers(
        _connectors(kept, losers, f"/{connectors}/"), fragments
    ):
        losers.setdefault(loser.number, set()).update(_pointers(winner, loser))
    for number, of_record in losers.items():
        of_station[number] |= of_record
    return of_station


def _pointers(winner: _Candidate, loser: _Candidate) -> tuple[str, ...]:
    is_same_id = _identity(winner) == _identity(loser)
    return (loser.pointer,) if is_same_id else (loser.pointer, loser.pointer + OTHER_ID)


def _winners_and_losers(
    groups: Iterable[_Group], fragments: Sequence[msgspec.Raw]
) -> Iterator[tuple[_Candidate, _Candidate]]:
    """For the candidates of each key, yield the winner with each of the others."""
    groups = list(groups)
    tied = [_best_candidates(group) for group in groups]
    for group, winner in zip(groups, _first_by_json(tied, fragments), strict=True):
        for candidate in group:
            if candidate is not winner:
                yield winner, candidate


def _best_candidates(group: _Group) -> _Group:
    """The best candidates of a key; several if only their JSON can decide."""
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


def _first_by_json(groups: Sequence[_Group], fragments: Sequence[msgspec.Raw]) -> list[_Candidate]:
    """For each group, return the first candidate with the smallest JSON.

    Records are parsed in the order of the answer, each once and one at a time.
    """
    same: dict[bytes, int] = {}
    firsts = [group[0] for group in groups]
    undecided: list[tuple[int, int, _Candidate]] = []
    for index, group in enumerate(groups):
        if len(group) > 1:
            # Records at the same position of equal bytes are equal and need not be parsed.
            distinct: dict[tuple[int, str], _Candidate] = {}
            for candidate in group:
                number = same.setdefault(bytes(fragments[candidate.number]), candidate.number)
                distinct.setdefault((number, candidate.pointer), candidate)
            if len(distinct) > 1:
                undecided += [(each.number, index, each) for each in distinct.values()]
    records, best = _Records(fragments), dict[int, bytes]()
    for number, index, candidate in sorted(undecided, key=lambda each: each[0]):
        published = records.canonical(number, candidate.pointer)
        if index not in best or published < best[index]:
            best[index], firsts[index] = published, candidate
    return firsts


def _stations(stations: Sequence[FlatStation]) -> Iterable[_Group]:
    repeated = _find_repeated(station.station.key for station in stations if station.station)
    groups: dict[int, _Group] = defaultdict(list)
    for number, station in enumerate(stations):
        state = station.station
        if state is not None and state.key in repeated:
            lives = max([liveness(status.status) for status in station.statuses], default=-1)
            groups[state.key].append(_Candidate(number, "", state, lives))
    return groups.values()


def _evses(stations: Sequence[tuple[int, FlatStation]], level: str) -> Iterable[_Group]:
    repeated = _find_repeated(evse.key for _, station in stations for evse in station.evses)
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
    repeated = _find_repeated(state.key for _, station in stations for state in station.connectors)
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


def _find_repeated(keys: Iterable[int]) -> set[int]:
    seen, repeated = set[int](), set[int]()
    for key in keys:
        (repeated if key in seen else seen).add(key)
    return repeated


def _comparable(state: State) -> list[str]:
    """The attributes as texts, unknown fields last.

    Keys, which are the only integers, are left out: the row also has the ids.
    """
    return [
        "" if value is None else str(value) for value in state.row[4:] if type(value) is not int
    ]


def _identity(candidate: _Candidate) -> tuple[str, int]:
    """The values that differ between two ids with one key."""
    return candidate.state.published_id, candidate.state.identity_hash


def _inverse_liveness(candidate: _Candidate) -> int:
    return -candidate.liveness


def _attributes(candidate: _Candidate) -> list[str]:
    return _comparable(candidate.state)


def _parts(candidate: _Candidate) -> list[list[str]]:
    return sorted([part.published_id, *_comparable(part)] for part in candidate.parts)


# The first stages are cheap and nearly always decide. The smallest rank wins.
_STAGES: tuple[Callable[[_Candidate], Any], ...] = (
    _identity,
    _inverse_liveness,
    _attributes,
    _parts,
)


class _Records:
    """Parses the records of an answer again, in its order, where attributes do not decide."""

    def __init__(self, fragments: Sequence[msgspec.Raw]) -> None:
        self._fragments = fragments
        self._number, self._parsed = -1, None

    def canonical(self, number: int, pointer: str) -> bytes:
        """The record at a pointer as JSON with sorted fields."""
        if number != self._number:
            try:
                self._parsed, self._number = tolerant.record(bytes(self._fragments[number])), number
            except BadBody:
                return b""
        value: Any = self._parsed
        for name in pointer.split("/")[1:]:
            value = value[int(name)] if isinstance(value, list) else value[name]
        try:
            return msgspec.json.encode(value, order="sorted")
        except (TypeError, ValueError, OverflowError, RecursionError):
            return repr(value).encode("utf-8", "replace")
