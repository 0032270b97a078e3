"""Sums of local days and months: stations, places and operators.

The definitions are those of docs/metrics.md and docs/decisions/0011.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from charging_assets_tests.recompute.dimensions import Dimension
from charging_assets_tests.recompute.hour_marts import HOUR, EvseHour, Seconds, StationHour
from charging_assets_tests.recompute.observations import Observations, Places, hour_of
from charging_assets_tests.recompute.sessions import Session

NO_OPERATOR = "(not stated)"

Group = TypeVar("Group")


@dataclass
class Day(Seconds):
    """What the rows of a local day have in common."""

    slot_at: datetime = datetime.min
    ends_at: datetime = datetime.min
    local_date: datetime = datetime.min
    feed: str = ""
    place: str = ""
    evse_count: int = 0
    session_count: int = 0
    ended_session_count: int = 0
    ended_s: float = 0.0

    @property
    def dwell_s(self) -> int:
        return math.floor(self.ended_s + 0.5)


@dataclass
class StationDay(Day):
    """A row of mart_station_day."""

    station_key: int = 0
    station_name: str | None = None
    operator_name: str | None = None
    station_operable_s: int = 0
    saturated_s: int = 0
    saturated_or_unknown_s: int = 0

    @property
    def saturation(self) -> float | None:
        return self.share(self.saturated_s, self.station_operable_s)


@dataclass
class CityDay(Day):
    """A row of mart_city_day."""

    power_class: str = ""
    station_count: int = 0


@dataclass
class OperatorMonth(Seconds):
    """A row of mart_operator_month."""

    slot_at: datetime = datetime.min
    ends_at: datetime = datetime.min
    local_month: datetime = datetime.min
    feed: str = ""
    operator_name: str = ""
    station_count: int = 0
    evse_count: int = 0
    day_count: int = 0
    session_count: int = 0
    ended_session_count: int = 0
    dwell_s: int = 0


@dataclass
class Calendar:
    """Local days of each feed. Its time zone is that of its polls in an hour."""

    zones: dict[tuple[str, datetime], str] = field(default_factory=dict)
    # Of several time zones on a local day the last by name counts.
    zone_of_day: dict[tuple[str, date], str] = field(default_factory=dict)

    def date_of(self, feed: str, hour: datetime) -> date:
        """The local date at the start of a UTC hour: hours are not cut at midnight."""
        zone = ZoneInfo(self.zones[feed, hour])
        return hour.replace(tzinfo=UTC).astimezone(zone).date()

    def start_of(self, feed: str, day: date, zone: str) -> datetime:
        """The UTC instant at which a local day begins."""
        midnight = datetime.combine(day, time(), ZoneInfo(zone))
        return midnight.astimezone(UTC).replace(tzinfo=None)


def calendar(observations: Observations) -> Calendar:
    local = Calendar()
    for poll in observations.polls:
        hour = poll.feed, hour_of(poll.slot_at)
        local.zones[hour] = max(local.zones.get(hour, ""), poll.time_zone)
    for (feed, hour), zone in local.zones.items():
        day = feed, local.date_of(feed, hour)
        local.zone_of_day[day] = max(local.zone_of_day.get(day, ""), zone)
    return local


def station_days(
    observations: Observations,
    stations: Dimension,
    evse_rows: list[EvseHour],
    station_rows: list[StationHour],
    sessions: list[Session],
) -> list[StationDay]:
    """mart_station_day."""
    local = calendar(observations)

    def group_of(row: EvseHour) -> tuple[str, date, int] | None:
        if row.station_key is None:
            return None
        return row.feed, local.date_of(row.feed, row.slot_at), row.station_key

    days: dict[tuple[str, date, int], StationDay] = {}
    for group, rows in _grouped(evse_rows, group_of).items():
        feed, day, station_key = group
        made = days[group] = StationDay(station_key=station_key)
        _sum_day(made, rows, feed, day, local, observations.places)
        made.place = min(row.place for row in rows)
        last_hour = max(row.slot_at for row in rows)
        # The last version that is valid at any time within the station's last hour of the day.
        versions = [
            version
            for version in stations.versions.get(station_key, [])
            if version.valid_from < last_hour + HOUR and version.valid_to > last_hour
        ]
        if versions:
            made.station_name, made.operator_name = versions[-1].state
    for row in station_rows:
        made = days[row.feed, local.date_of(row.feed, row.slot_at), row.station_key]
        made.station_operable_s += row.station_operable_s
        made.saturated_s += row.saturated_s
        made.saturated_or_unknown_s += row.saturated_or_unknown_s
    _count_sessions(days, evse_rows, sessions, group_of)
    return list(days.values())


def city_days(
    observations: Observations,
    evse_rows: list[EvseHour],
    days_of_stations: list[StationDay],
    sessions: list[Session],
) -> list[CityDay]:
    """mart_city_day: a station counts in one place on a day, the one that mart_station_day has."""
    local = calendar(observations)
    places = {
        (day.feed, day.local_date.date(), day.station_key): day.place for day in days_of_stations
    }

    def group_of(row: EvseHour) -> tuple[str, date, str, str]:
        day = local.date_of(row.feed, row.slot_at)
        place = row.place
        if row.station_key is not None:
            place = places[row.feed, day, row.station_key]
        return row.feed, day, place, row.power_class

    days: dict[tuple[str, date, str, str], CityDay] = {}
    for group, rows in _grouped(evse_rows, group_of).items():
        feed, day, place, power_class = group
        made = days[group] = CityDay(power_class=power_class)
        _sum_day(made, rows, feed, day, local, observations.places)
        made.place = place
        made.station_count = len({row.station_key for row in rows} - {None})
    _count_sessions(days, evse_rows, sessions, group_of)
    return list(days.values())


def _grouped(
    rows: list[EvseHour], group_of: Callable[[EvseHour], Group | None]
) -> dict[Group, list[EvseHour]]:
    groups: dict[Group, list[EvseHour]] = {}
    for row in rows:
        group = group_of(row)
        if group is not None:
            groups.setdefault(group, []).append(row)
    return groups


def _sum_day(
    made: Day, rows: list[EvseHour], feed: str, day: date, local: Calendar, places: Places
) -> None:
    made.feed, made.local_date = feed, datetime.combine(day, time())
    zone = local.zone_of_day[feed, day]
    made.slot_at = local.start_of(feed, day, zone)
    made.ends_at = local.start_of(feed, day + timedelta(days=1), zone)
    of_evse: dict[int, list[EvseHour]] = {}
    for row in rows:
        made.add(row)
        of_evse.setdefault(row.evse_key, []).append(row)
    made.evse_count = len(of_evse)
    for hours in of_evse.values():
        made.window_s += _window_s(hours, made, places)


def _window_s(hours: list[EvseHour], day: Day, places: Places) -> int:
    """How much of a local day there was to observe of an EVSE.

    It begins with the day, unless a good poll of its place that day lies before its first slot: the
    EVSE was not there yet. It ends with the day, unless such a poll lies after its last slot.
    Absences in between stay in the window.
    """
    hours = sorted(hours, key=lambda row: row.slot_at)
    first, last = hours[0], hours[-1]
    seconds = (day.ends_at - day.slot_at).total_seconds()
    # In time zones of half hours an hour is of the day in which it begins, and so are its polls.
    day_from, day_to = _whole_hour(day.slot_at), _whole_hour(day.ends_at)
    before = places.since(day.feed, first.place, day_from, first.first_slot_at)
    if before:
        lacking = before[-1]
        lacking_until = lacking.slot_at + timedelta(seconds=lacking.cadence_s)
        seconds -= (min(first.first_slot_at, lacking_until) - day_from).total_seconds()
    after = places.between(day.feed, last.place, last.last_slot_at, day_to)
    if after:
        seconds -= (day_to - after[0].slot_at).total_seconds()
    return int(seconds)


def _whole_hour(instant: datetime) -> datetime:
    """The first start of an hour at or after an instant."""
    hour = hour_of(instant)
    return hour if hour == instant else hour + HOUR


def _count_sessions(
    days: dict[Group, Any],
    evse_rows: list[EvseHour],
    sessions: list[Session],
    group_of: Callable[[EvseHour], Group | None],
) -> None:
    """Count sessions whose start was seen where they began, and those with both ends where they
    ended, by the EVSE's row of that hour."""
    rows = {(row.feed, row.evse_key, row.slot_at): row for row in evse_rows}
    for session in sessions:
        begun = rows.get((session.feed, session.evse_key, hour_of(session.slot_at)))
        if begun and not session.is_start_censored and (group := group_of(begun)) is not None:
            days[group].session_count += 1
        ended = rows.get((session.feed, session.evse_key, hour_of(session.last_slot_at)))
        if ended and session.duration_s is not None and (group := group_of(ended)) is not None:
            days[group].ended_session_count += 1
            days[group].ended_s += session.duration_s


def operator_months(observations: Observations, days: list[StationDay]) -> list[OperatorMonth]:
    """mart_operator_month: the month up to now, which is the end of the feed's newest good poll."""
    local = calendar(observations)
    newest: dict[str, tuple[datetime, int]] = {}
    for (feed, _), polls in observations.places.polls.items():
        last = polls[-1].slot_at, polls[-1].cadence_s
        newest[feed] = max(newest.get(feed, last), last)
    now = {
        feed: slot_at + timedelta(seconds=cadence) for feed, (slot_at, cadence) in newest.items()
    }
    of_month: dict[tuple[str, datetime], list[StationDay]] = {}
    for day in days:
        month = day.local_date.replace(day=1)
        of_month.setdefault((day.feed, month), []).append(day)
    made: dict[tuple[str, str, datetime], OperatorMonth] = {}
    most_evses: dict[tuple[str, str, datetime], dict[int, int]] = {}
    dates: dict[tuple[str, str, datetime], set[datetime]] = {}
    for (feed, month), rows in of_month.items():
        next_month = (month + timedelta(days=31)).replace(day=1)
        zone = max(local.zone_of_day[feed, row.local_date.date()] for row in rows)
        month_from = local.start_of(feed, month.date(), zone)
        month_to = min(local.start_of(feed, next_month.date(), zone), now[feed])
        missing_s = _missing_s(rows, month_from, month_to)
        for row in rows:
            operator = row.operator_name if row.operator_name is not None else NO_OPERATOR
            key = feed, operator, month
            if key not in made:
                made[key] = OperatorMonth(
                    slot_at=month_from,
                    ends_at=month_to,
                    local_month=month,
                    feed=feed,
                    operator_name=operator,
                )
            total = made[key]
            total.add(row)
            # The running day counts up to now.
            ahead_s = max(0, int((row.ends_at - now[feed]).total_seconds()))
            window_s = max(row.window_s - row.evse_count * ahead_s, row.observed_s)
            if not ahead_s:
                window_s = row.window_s
            total.window_s += window_s + row.evse_count * missing_s[row.place, row.local_date]
            total.session_count += row.session_count
            total.ended_session_count += row.ended_session_count
            total.dwell_s += row.dwell_s
            most = most_evses.setdefault(key, {})
            most[row.station_key] = max(most.get(row.station_key, 0), row.evse_count)
            dates.setdefault(key, set()).add(row.local_date)
    for key, total in made.items():
        total.station_count = len(most_evses[key])
        total.evse_count = sum(most_evses[key].values())
        total.day_count = len(dates[key])
    return list(made.values())


def _missing_s(
    rows: list[StationDay], period_from: datetime, period_to: datetime
) -> dict[tuple[str, datetime], int]:
    """For each place and observed day, the time without an observed day that counts with it: after
    it until the place's next observed day, and before the place's first one."""
    observed: dict[str, dict[datetime, StationDay]] = {}
    for row in rows:
        observed.setdefault(row.place, {})[row.local_date] = row
    missing: dict[tuple[str, datetime], int] = {}
    for place, days in observed.items():
        in_order = [days[day] for day in sorted(days)]
        for number, day in enumerate(in_order):
            until = in_order[number + 1].slot_at if number + 1 < len(in_order) else period_to
            seconds = max(0.0, (min(until, period_to) - day.ends_at).total_seconds())
            if number == 0:
                seconds += max(0.0, (day.slot_at - period_from).total_seconds())
            missing[place, day.local_date] = int(seconds)
    return missing
