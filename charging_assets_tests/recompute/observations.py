"""What was polled: polls of places, and the statuses of EVSEs in the good ones.

The definitions are those of docs/data-dictionary.md (fact_poll, fact_status) and docs/decisions
0002 and 0004.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from charging_assets_tests.recompute.raw_archive import Answer, read_hours
from charging_assets_tests.recompute.records import Records, dormancy, read_records

# Times that are further apart are not linked.
LINK_CADENCES = 2.5


@dataclass
class Poll:
    """A place's answer in one slot: the earliest good one, or the first if none is good."""

    feed: str
    place: str
    slot_at: datetime
    outcome: str
    cadence_s: int
    time_zone: str
    kind: str
    is_imported: bool
    requested_at: datetime | None
    observed_at: datetime | None
    elapsed_ms: int | None
    http_status: int | None
    body_bytes: int
    raw_key: str
    answer_count: int
    station_count: int = 0
    evse_count: int = 0
    connector_count: int = 0
    kept_count: dict[str, int] = field(default_factory=dict)


class Status(NamedTuple):
    """An EVSE in a good poll of a place."""

    slot_at: datetime
    feed: str
    place: str
    uid: str
    status: str | None
    published: str | None
    parking_status: str | None
    overrides: str | None

    @property
    def choice(self) -> tuple[int, str, str]:
        """What decides between places that publish the EVSE: the least is taken."""
        return dormancy(self.status), self.place, self.feed


@dataclass
class Places:
    """The good polls of each place of each feed, in order of their slots."""

    slots: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    polls: dict[tuple[str, str], list[Poll]] = field(default_factory=dict)

    def add(self, poll: Poll) -> None:
        self.slots.setdefault((poll.feed, poll.place), []).append(poll.slot_at)
        self.polls.setdefault((poll.feed, poll.place), []).append(poll)

    def number(self, feed: str, place: str, slot_at: datetime) -> int:
        """The position of the poll of a slot."""
        return bisect_left(self.slots[feed, place], slot_at)

    def poll(self, feed: str, place: str, slot_at: datetime) -> Poll:
        return self.polls[feed, place][self.number(feed, place, slot_at)]

    def between(self, feed: str, place: str, after: datetime, before: datetime) -> list[Poll]:
        """The good polls after and before two instants, both left out."""
        slots = self.slots.get((feed, place), [])
        first, last = bisect_right(slots, after), bisect_left(slots, before)
        return self.polls[feed, place][first:last] if first < last else []

    def since(self, feed: str, place: str, start: datetime, end: datetime) -> list[Poll]:
        """The good polls in [start, end)."""
        slots = self.slots.get((feed, place), [])
        first, last = bisect_left(slots, start), bisect_left(slots, end)
        return self.polls[feed, place][first:last] if first < last else []


# (entity type, key) → hour → (feed, place) → attribute state → [first slot, last slot]
Seen = dict[
    tuple[str, int], dict[datetime, dict[tuple[str, str], dict[tuple[Any, ...], list[datetime]]]]
]


@dataclass
class Observations:
    """All that a home's raw objects hold."""

    polls: list[Poll] = field(default_factory=list)
    places: Places = field(default_factory=Places)
    # EVSE → what it was, in order of slots.
    statuses: dict[int, list[Status]] = field(default_factory=dict)
    seen: Seen = field(default_factory=dict)
    evse_of_connector: dict[int, int] = field(default_factory=dict)


def hour_of(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def read_observations(home: Path) -> Observations:
    """Read the whole archive of a home."""
    lake, observations = home / "lake", Observations()
    identities = _identities(lake)
    for hour, answers in read_hours(lake):
        slots: dict[tuple[datetime, str, str], list[Answer]] = {}
        for answer in answers:
            slots.setdefault((answer.slot_at, answer.feed, answer.place), []).append(answer)
        for (_, feed, _), of_slot in sorted(slots.items(), key=lambda item: item[0]):
            network, within = identities.get(feed, (feed, "network"))
            _read_slot(observations, hour, of_slot, network, within)
    return observations


def _identities(lake: Path) -> dict[str, tuple[str, str]]:
    """Network and scope of ids of feeds that have others than the default."""
    identities = {}
    for path in lake.glob("flat/identities/feed=*.json"):
        record = json.loads(path.read_text("utf-8"))
        feed = path.name.removeprefix("feed=").removesuffix(".json")
        identities[feed] = (record["network"], record["ids_within"] or "network")
    return identities


def _read_slot(
    observations: Observations, hour: datetime, answers: list[Answer], network: str, within: str
) -> None:
    """Of a place's answers of one slot the earliest good one counts, or the first."""
    answers = sorted(answers, key=lambda a: (a.requested_at or a.started_at, a.raw_key))
    counted, outcome, records = answers[0], "", None
    for answer in answers:
        is_read = answer.outcome == "ok" and answer.body is not None
        records = (
            read_records(answer.body or b"", answer.place, answer.time_zone, network, within)
            if is_read
            else None
        )
        if records is not None:
            counted, outcome = answer, "ok"
            break
        outcome = outcome or ("bad_body" if is_read else answer.outcome)
    poll = Poll(
        counted.feed,
        counted.place,
        counted.slot_at,
        outcome,
        counted.cadence_s,
        counted.time_zone,
        counted.kind,
        counted.is_imported,
        counted.requested_at,
        records.observed_at if records else None,
        counted.elapsed_ms,
        counted.http_status,
        len(counted.body or b""),
        counted.raw_key,
        len(answers),
    )
    observations.polls.append(poll)
    if records is not None:
        observations.places.add(poll)
        _add_records(observations, hour, poll, records)


def _add_records(observations: Observations, hour: datetime, poll: Poll, records: Records) -> None:
    connectors = records.connectors
    poll.station_count = records.station_count
    poll.evse_count, poll.connector_count = records.evse_count, records.connector_count
    poll.kept_count = {
        "station": len(records.stations),
        "evse": len(records.evses),
        "connector": len(connectors),
    }
    for evse in records.evses:
        observations.statuses.setdefault(evse.key, []).append(
            Status(
                poll.slot_at,
                poll.feed,
                poll.place,
                evse.uid,
                evse.status,
                evse.published,
                evse.parking_status,
                evse.overrides,
            )
        )
    states: Iterable[tuple[str, int, tuple[Any, ...]]] = (
        *(("station", station.key, station.state) for station in records.stations),
        *(("evse", evse.key, (evse.station_key,)) for evse in records.evses),
        *(("connector", each.key, (each.evse_key, *each.state)) for each in connectors),
    )
    for entity, key, state in states:
        by_place = observations.seen.setdefault((entity, key), {}).setdefault(hour, {})
        slots = by_place.setdefault((poll.feed, poll.place), {}).setdefault(state, [])
        slots[:] = [slots[0] if slots else poll.slot_at, poll.slot_at]
    for connector in connectors:
        observations.evse_of_connector[connector.key] = connector.evse_key


class Run(NamedTuple):
    """A row of fact_status."""

    feed: str
    place: str
    evse_key: int
    slot_at: datetime
    last_slot_at: datetime
    uid: str
    status: str | None
    published: str | None
    parking_status: str | None
    overrides: str | None
    poll_count: int


def status_runs(observations: Observations) -> list[Run]:
    """Runs of equal status, published and parking status and overrides of an EVSE in a place,
    within an hour.

    A run ends at a change, at an absence from a good poll of the place, and at a gap of over 2.5
    cadences (of the later poll).
    """
    runs = []
    for evse_key, statuses in observations.statuses.items():
        by_place: dict[tuple[str, str], list[Status]] = {}
        for status in statuses:
            by_place.setdefault((status.feed, status.place), []).append(status)
        for of_place in by_place.values():
            run: list[Status] = []
            for status in of_place:
                if run and not (
                    run[-1][3:] == status[3:]
                    and hour_of(run[-1].slot_at) == hour_of(status.slot_at)
                    and is_linked(observations.places, run[-1], status)
                ):
                    runs.append(_run(evse_key, run))
                    run = []
                run.append(status)
            runs.append(_run(evse_key, run))
    return runs


def _run(evse_key: int, run: list[Status]) -> Run:
    first, last = run[0], run[-1]
    return Run(first.feed, first.place, evse_key, first.slot_at, last.slot_at, *first[3:], len(run))


def is_linked(places: Places, before: Status, after: Status) -> bool:
    """Whether two observations of an EVSE are neighbours: in one place, no good poll of it between
    them, and no more than 2.5 cadences apart."""
    if (before.feed, before.place) != (after.feed, after.place):
        return False
    number = places.number(after.feed, after.place, after.slot_at)
    if places.slots[after.feed, after.place][number - 1] != before.slot_at:
        return False
    poll = places.polls[after.feed, after.place][number]
    return after.slot_at - before.slot_at <= timedelta(seconds=poll.cadence_s * LINK_CADENCES)


def chosen_place(statuses: Iterable[Status]) -> tuple[str, str]:
    """Feed and place from which an EVSE is taken in an hour, of all its statuses in it.

    The first by name, where a place in which it is REMOVED in all polls gives way to one in which
    it is PLANNED, and both to any other.
    """
    _, place, feed = min(status.choice for status in statuses)
    return feed, place
