"""The attributes of an entity at a time: versions, derived from the observations of each hour.

The definitions are those of docs/decisions/0007, 0012 and 0023. Only attributes that affect figures
are compared, so a version here may be several versions of the warehouse.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from charging_assets_tests.recompute.observations import Observations, Places, hour_of
from charging_assets_tests.recompute.records import dormancy

FOREVER = datetime(9999, 12, 31)


@dataclass
class Version:
    """A run of one state in one place; `valid_to` is FOREVER while it is current."""

    valid_from: datetime
    valid_to: datetime
    feed: str
    place: str
    state: tuple[Any, ...]


@dataclass
class Dimension:
    """The versions of each entity of a type, in order."""

    versions: dict[int, list[Version]]

    def at(self, key: int, instant: datetime) -> Version | None:
        """The version that is valid at an instant."""
        versions = self.versions.get(key, [])
        number = bisect_right([version.valid_from for version in versions], instant) - 1
        if number < 0 or versions[number].valid_to <= instant:
            return None
        return versions[number]

    def during(self, key: int, first: datetime, last: datetime) -> list[Version]:
        """The versions that are valid at any time from `first` to `last`, both included."""
        return [
            version
            for version in self.versions.get(key, [])
            if version.valid_from <= last and version.valid_to > first
        ]


# Time and state of an observation, and its feed and place.
_Boundary = tuple[datetime, tuple[Any, ...], str, str]


def dimension(observations: Observations, entity: str) -> Dimension:
    """All versions of stations, EVSEs or connectors."""
    versions = {}
    for (entity_type, key), hours in observations.seen.items():
        if entity_type == entity:
            boundaries = sorted(
                {
                    boundary
                    for hour, by_place in hours.items()
                    for boundary in _boundaries(observations, entity, key, hour, by_place)
                },
                key=lambda boundary: boundary[0],
            )
            versions[key] = _versions(observations.places, entity, boundaries)
    return Dimension(versions)


def _boundaries(
    observations: Observations,
    entity: str,
    key: int,
    hour: datetime,
    by_place: dict[tuple[str, str], dict[tuple[Any, ...], list[datetime]]],
) -> list[_Boundary]:
    """First and last slot of each state in the hour, in the place that counts.

    What another place published before that, or after it, counts with its one slot.
    """
    choices = {
        (dormancy_in_hour(observations, entity, key, hour, feed, place), place, feed): states
        for (feed, place), states in by_place.items()
    }
    chosen = min(choices)
    extents: dict[tuple[tuple[Any, ...], str], list[Any]] = {}

    def add(state: tuple[Any, ...], choice: tuple[int, str, str], *slots: datetime) -> None:
        # Of equal states of a feed, the first place by name counts.
        extent = extents.setdefault((state, choice[2]), [choice, slots[0], slots[-1]])
        extent[0] = min(extent[0], choice)
        extent[1] = min(extent[1], *slots)
        extent[2] = max(extent[2], *slots)

    for state, slots in choices[chosen].items():
        add(state, chosen, *slots)
    everywhere = [
        (first, last, choice, state)
        for choice, states in choices.items()
        for state, (first, last) in states.items()
    ]
    first, _, choice, state = min(everywhere, key=lambda each: (each[0], each[2]))
    if choice != chosen:
        add(state, choice, first)
    latest = max(last for _, last, _, _ in everywhere)
    _, last, choice, state = min(
        (each for each in everywhere if each[1] == latest), key=lambda each: each[2]
    )
    if choice != chosen:
        add(state, choice, last)
    return [
        (slot, state, feed, choice[1])
        for (state, feed), (choice, first, last) in extents.items()
        for slot in (first, last)
    ]


def states_in_hour(
    observations: Observations, entity: str, key: int, hour: datetime
) -> set[tuple[Any, ...]]:
    """The states in which an entity was seen in an hour, in the place that counts, or beyond it."""
    by_place = observations.seen[entity, key].get(hour)
    if by_place is None:
        return set()
    return {state for _, state, _, _ in _boundaries(observations, entity, key, hour, by_place)}


def dormancy_in_hour(
    observations: Observations, entity: str, key: int, hour: datetime, feed: str, place: str
) -> int:
    """How dormant an EVSE (also that of a connector) is at best in a place's polls of the hour."""
    if entity == "station":
        return 0
    if len(observations.seen[entity, key][hour]) == 1:
        return 0  # there is nothing to choose
    evse_key = key if entity == "evse" else observations.evse_of_connector[key]
    statuses = observations.statuses[evse_key]  # in order of slots
    best, number = 2, bisect_left(statuses, hour, key=lambda status: status.slot_at)
    while number < len(statuses) and hour_of(statuses[number].slot_at) == hour:
        status = statuses[number]
        if (status.feed, status.place) == (feed, place):
            best = min(best, dormancy(status.status))
        number += 1
    return best


def _versions(places: Places, entity: str, boundaries: list[_Boundary]) -> list[Version]:
    versions: list[Version] = []
    closed_at: datetime | None = None
    for number, (slot, state, feed, place) in enumerate(boundaries):
        last = versions[-1] if versions else None
        if (
            last is None
            or closed_at is not None
            or (last.state, last.feed, last.place) != (state, feed, place)
        ):
            if last is not None and last.valid_to == FOREVER:
                last.valid_to = slot
            versions.append(Version(slot, FOREVER, feed, place, state))
        next_at = boundaries[number + 1][0] if number + 1 < len(boundaries) else FOREVER
        closed_at = _closed_at(places, entity, feed, place, slot, next_at)
        if closed_at is not None:
            versions[-1].valid_to = closed_at
    return versions


def _closed_at(
    places: Places, entity: str, feed: str, place: str, seen_at: datetime, next_at: datetime
) -> datetime | None:
    """When an absence between two moments ends a version; None where it does not count.

    It counts if three or more good polls of the place that span a day lack the entity, each with
    at least half of the entities that the place published in the hour of the last sighting; or
    three or more that span seven days, however few they published.
    """
    if next_at - seen_at <= timedelta(days=1):
        return None
    lacking = places.between(feed, place, seen_at, next_at)
    hour = hour_of(seen_at)
    of_hour = places.since(feed, place, hour, hour + timedelta(hours=1))
    usual = max((poll.kept_count[entity] for poll in of_hour), default=0)
    whole = [poll for poll in lacking if poll.kept_count[entity] * 2 >= usual]
    for polls, days in ((whole, 1), (lacking, 7)):
        if len(polls) >= 3 and polls[-1].slot_at - polls[0].slot_at >= timedelta(days=days):
            return lacking[0].slot_at
    return None
