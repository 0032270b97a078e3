"""Observed seconds of EVSEs and stations, by UTC hour.

The definitions are those of docs/metrics.md and docs/decisions/0022. An hour depends on its own
polls alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from charging_assets_tests.recompute.dimensions import Dimension, dormancy_in_hour
from charging_assets_tests.recompute.observations import (
    LINK_CADENCES,
    Observations,
    Places,
    Poll,
    Status,
    hour_of,
)

HOUR = timedelta(hours=1)
OPERABLE = ("AVAILABLE", "CHARGING", "RESERVED", "BLOCKED")
OCCUPIED = ("CHARGING", "RESERVED", "BLOCKED")
_COLUMN = {
    "AVAILABLE": "available_s",
    "CHARGING": "charging_s",
    "RESERVED": "reserved_s",
    "BLOCKED": "blocked_s",
    "INOPERATIVE": "inoperative_s",
    "OUTOFORDER": "out_of_order_s",
}


@dataclass
class Seconds:
    """Seconds of EVSE time, which can be added up, and the shares that are computed from them."""

    observed_s: int = 0
    available_s: int = 0
    charging_s: int = 0
    reserved_s: int = 0
    blocked_s: int = 0
    inoperative_s: int = 0
    out_of_order_s: int = 0
    unknown_s: int = 0
    window_s: int = 0
    session_exposure_s: int = 0

    def add(self, other: Seconds) -> None:
        """Add all but the window, which has rules of its own."""
        self.observed_s += other.observed_s
        self.available_s += other.available_s
        self.charging_s += other.charging_s
        self.reserved_s += other.reserved_s
        self.blocked_s += other.blocked_s
        self.inoperative_s += other.inoperative_s
        self.out_of_order_s += other.out_of_order_s
        self.unknown_s += other.unknown_s
        self.session_exposure_s += other.session_exposure_s

    @property
    def is_covered(self) -> bool:
        """Whether at least four fifths of the window were observed; else no share is stated."""
        return self.observed_s * 5 >= self.window_s * 4

    @property
    def coverage(self) -> float | None:
        return min(1.0, self.observed_s / self.window_s) if self.window_s else None

    @property
    def operable_s(self) -> int:
        return self.available_s + self.charging_s + self.reserved_s + self.blocked_s

    @property
    def utilisation(self) -> float | None:
        return self.share(self.charging_s, self.operable_s)

    @property
    def occupancy(self) -> float | None:
        return self.share(self.charging_s + self.reserved_s + self.blocked_s, self.operable_s)

    @property
    def availability(self) -> float | None:
        return self.share(self.operable_s, self.observed_s)

    @property
    def reliability(self) -> float | None:
        """Null also where less than a fifth of the observed time is of a known status."""
        if (self.observed_s - self.unknown_s) * 5 < self.observed_s:
            return None
        return self.share(
            self.observed_s - self.inoperative_s - self.out_of_order_s, self.observed_s
        )

    def share(self, part: int, whole: int) -> float | None:
        return part / whole if self.is_covered and whole else None


@dataclass
class EvseHour(Seconds):
    """A row of mart_evse_hour, with the statuses that it was summed from."""

    slot_at: datetime = datetime.min
    feed: str = ""
    place: str = ""
    evse_key: int = 0
    station_key: int | None = None
    power_class: str = "unknown"
    max_power_kw: float | None = None
    poll_count: int = 0
    first_slot_at: datetime = datetime.min
    last_slot_at: datetime = datetime.min
    statuses: list[Status] = field(default_factory=list)


@dataclass
class StationHour(Seconds):
    """A row of mart_station_hour."""

    slot_at: datetime = datetime.min
    feed: str = ""
    place: str = ""
    station_key: int = 0
    evse_count: int = 0
    station_operable_s: int = 0
    saturated_s: int = 0
    saturated_or_unknown_s: int = 0


def evse_hours(observations: Observations, evses: Dimension) -> list[EvseHour]:
    """mart_evse_hour."""
    connectors_of: dict[int, list[int]] = {}
    for (entity, key), hours in observations.seen.items():
        if entity == "connector":
            states = [s for places in hours.values() for of in places.values() for s in of]
            for evse_key in {state[0] for state in states}:
                connectors_of.setdefault(evse_key, []).append(key)
    rows = []
    for evse_key, statuses in observations.statuses.items():
        by_hour: dict[datetime, dict[datetime, Status]] = {}
        for status in statuses:
            # Of several places that publish it in one slot one is taken.
            slots = by_hour.setdefault(hour_of(status.slot_at), {})
            other = slots.get(status.slot_at)
            if other is None or status.choice < other.choice:
                slots[status.slot_at] = status
        for hour, slots in by_hour.items():
            in_order = [slots[slot] for slot in sorted(slots)]
            exposures = _session_exposures_s(in_order, observations.places)
            by_feed: dict[str, EvseHour] = {}
            for number, status in enumerate(in_order):
                row = by_feed.setdefault(status.feed, EvseHour(slot_at=hour, feed=status.feed))
                _add_poll(row, status, _following(in_order, number), observations.places)
                row.session_exposure_s += exposures[number]
            for row in by_feed.values():
                row.evse_key = evse_key
                _describe(row, evses, observations, connectors_of.get(evse_key, []))
                rows.append(row)
    return rows


def _following(in_order: list[Status], number: int) -> datetime:
    """The slot after that of a status: after the last of an hour comes its first, an hour later."""
    if number + 1 < len(in_order):
        return in_order[number + 1].slot_at
    return in_order[0].slot_at + HOUR


def poll_stands_s(poll: Poll, places: Places) -> int:
    """For how long a poll stands in its hour: its cadence, or until the place's next good poll;
    after the place's last of the hour comes its first, an hour later."""
    hour = hour_of(poll.slot_at)
    slots = [each.slot_at for each in places.since(poll.feed, poll.place, hour, hour + HOUR)]
    later = [slot for slot in slots if slot > poll.slot_at]
    following = later[0] if later else slots[0] + HOUR
    return min(poll.cadence_s, int((following - poll.slot_at).total_seconds()))


def _add_poll(row: EvseHour, status: Status, following: datetime, places: Places) -> None:
    """Count a poll for as long as it stands, but no longer than until the EVSE's next one."""
    poll = places.poll(status.feed, status.place, status.slot_at)
    seconds = min(poll_stands_s(poll, places), int((following - status.slot_at).total_seconds()))
    row.statuses.append(status)
    row.poll_count += 1
    row.observed_s += seconds
    column = _COLUMN.get(status.status or "", "unknown_s")
    setattr(row, column, getattr(row, column) + seconds)


def _describe(
    row: EvseHour, evses: Dimension, observations: Observations, connector_keys: list[int]
) -> None:
    """Station, power and power class, all as at the EVSE's last poll of the hour."""
    row.window_s = 3600
    row.place = min(status.place for status in row.statuses)
    row.first_slot_at, row.last_slot_at = row.statuses[0].slot_at, row.statuses[-1].slot_at
    evse = evses.at(row.evse_key, row.last_slot_at)
    row.station_key = evse.state[0] if evse else None
    classes = ["unknown"]
    for key in connector_keys:
        states = observations.seen["connector", key].get(row.slot_at, {})
        # Of several places that publish the connector in that poll's slot, the first counts.
        published = [
            (dormancy_in_hour(observations, "connector", key, row.slot_at, *place), place, state)
            for place, of_place in states.items()
            for state, slots in of_place.items()
            if slots[1] == row.last_slot_at
        ]
        if not published:
            continue
        _, _, state = min(published, key=lambda each: (each[0], each[1][1], each[1][0]))
        evse_key, power_type, ampere, voltage, max_power_kw, _ = state
        if evse_key == row.evse_key:
            classes.append(_power_class(power_type, ampere, voltage, max_power_kw))
            if max_power_kw is not None:
                row.max_power_kw = max(row.max_power_kw or 0.0, max_power_kw)
    row.power_class = max(classes, key=["unknown", "ac", "dc", "hpc"].index)


def _power_class(
    power_type: str | None, ampere: float | None, voltage: float | None, max_power_kw: float | None
) -> str:
    """The class of a connector: that of its published power, else of current times voltage."""
    if power_type is None:
        return "unknown"
    if power_type != "DC":
        return "ac"
    watts = max_power_kw * 1000 if max_power_kw is not None else None
    if watts is None and ampere is not None and voltage is not None:
        watts = ampere * voltage
    return "hpc" if watts is not None and watts >= 100_000 else "dc"


def is_unknown(status: Status) -> bool:
    """UNKNOWN or not understood; REMOVED and PLANNED are no doubt about anything."""
    return status.status in (None, "UNKNOWN")


def _session_exposures_s(statuses: list[Status], places: Places) -> list[int]:
    """After each poll of an EVSE, the time in which the start of a session would be observed.

    That is the time until its next poll, where the two are linked. After the last poll of an hour
    comes its first, an hour later. Not counted is what begins or ends in a run of two or more polls
    of unknown status.
    """
    count = len(statuses)
    is_in_run = [
        is_unknown(status)
        and (is_unknown(statuses[number - 1]) or is_unknown(statuses[(number + 1) % count]))
        for number, status in enumerate(statuses)
    ]
    exposures = []
    for number, status in enumerate(statuses):
        seconds = int((_following(statuses, number) - status.slot_at).total_seconds())
        poll = places.poll(status.feed, status.place, status.slot_at)
        is_counted = (
            seconds <= poll.cadence_s * LINK_CADENCES
            and not is_in_run[number]
            and not is_in_run[(number + 1) % count]
            and not _lacks(places, status, statuses[(number + 1) % count])
        )
        exposures.append(seconds if is_counted else 0)
    return exposures


def _lacks(places: Places, status: Status, following: Status) -> bool:
    """Whether a good poll of the first one's place lies between two polls of the EVSE."""
    feed, place, hour = status.feed, status.place, hour_of(status.slot_at)
    if following.slot_at > status.slot_at:
        return bool(places.between(feed, place, status.slot_at, following.slot_at))
    before_the_end = places.between(feed, place, status.slot_at, hour + HOUR)
    return bool(before_the_end or places.since(feed, place, hour, following.slot_at))


def station_hours(observations: Observations, rows: Iterable[EvseHour]) -> list[StationHour]:
    """mart_station_hour."""
    of_station: dict[tuple[str, int, datetime], list[EvseHour]] = {}
    for row in rows:
        if row.station_key is not None:
            of_station.setdefault((row.feed, row.station_key, row.slot_at), []).append(row)
    made = []
    for (feed, station_key, hour), evses in of_station.items():
        station = StationHour(
            slot_at=hour,
            feed=feed,
            place=min(evse.place for evse in evses),
            station_key=station_key,
            evse_count=len(evses),
        )
        for evse in evses:
            station.add(evse)
            station.window_s += evse.window_s
        slots: dict[datetime, list[Status]] = {}
        for evse in evses:
            for status in evse.statuses:
                slots.setdefault(status.slot_at, []).append(status)
        _add_saturation(station, slots, observations.places)
        made.append(station)
    return made


def _add_saturation(
    station: StationHour, slots: dict[datetime, list[Status]], places: Places
) -> None:
    """A slot stands as its polls do, until the next poll that any EVSE of the station is in."""
    in_order = sorted(slots)
    for number, slot in enumerate(in_order):
        later = in_order[number + 1] if number + 1 < len(in_order) else in_order[0] + HOUR
        stands_s = max(
            poll_stands_s(places.poll(each.feed, each.place, slot), places) for each in slots[slot]
        )
        seconds = min(stands_s, int((later - slot).total_seconds()))
        operable = _count(slots[slot], lambda each: each.status in OPERABLE)
        occupied = _count(slots[slot], lambda each: each.status in OCCUPIED)
        unknown = _count(slots[slot], is_unknown)
        if operable:
            station.station_operable_s += seconds
        if operable and operable == occupied:
            station.saturated_or_unknown_s += seconds
            if not unknown:
                station.saturated_s += seconds


def _count(statuses: list[Status], matches: Callable[[Status], bool]) -> int:
    return sum(1 for status in statuses if matches(status))
