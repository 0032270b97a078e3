"""Find ids of one hour whose keys are equal (hash collisions).

Of several ids with one key, the id that was published first counts; of ids first published in the
same slot, the smaller one. Keys of different hours are compared in the warehouse (`sql/staging`) by
the same rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, MutableSequence, Set
from datetime import datetime

from charging_assets.preprocessing.flat_station import FlatStation
from charging_assets.preprocessing.identity import Identity
from charging_assets.preprocessing.states import State

# The first slot, the published id and the second hash of an id: the smallest claim wins.
_Claim = tuple[datetime, str, int]


def find_conflicts(
    records: Iterable[tuple[FlatStation, MutableSequence[datetime]]],
) -> Set[Identity]:
    """Return the ids that do not count, of the highest level that has any.

    Rejecting a station also rejects its EVSEs, which then conflict with no others. So levels are
    resolved one after the other. `records` are a place's distinct records, each with its slots.
    """
    records_with_first_slot = [(station, slots[0]) for station, slots in records if slots]
    stations = [
        (station.station, at)
        for station, at in records_with_first_slot
        if station.station is not None
    ]
    return (
        _losers("station", stations)
        or _losers(
            "evse",
            [(state, at) for station, at in records_with_first_slot for state in station.evses],
        )
        or _losers(
            "connector",
            [(s, at) for station, at in records_with_first_slot for s in station.connectors],
        )
    )


def _losers(entity: str, states: list[tuple[State, datetime]]) -> Set[Identity]:
    pairs = {(state.key, state.row[3]) for state, _ in states}
    if len({key for key, _ in pairs}) == len(pairs):
        return frozenset()
    claims: dict[int, dict[int, _Claim]] = defaultdict(dict)
    for state, at in states:
        claim = (at, state.published_id, state.identity_hash)
        claims_of_key = claims[state.key]
        claims_of_key[claim[2]] = min(claim, claims_of_key.get(claim[2], claim))
    return frozenset(
        Identity(entity, key, second_hash)
        for key, claims_of_key in claims.items()
        for second_hash, claim in claims_of_key.items()
        if claim != min(claims_of_key.values())
    )
