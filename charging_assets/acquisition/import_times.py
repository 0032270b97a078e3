"""Decide the times of the files of an import, by their paths and by their answers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from charging_assets import clock
from charging_assets.acquisition.import_contents import Doubt, ImportRefused, instants_of
from charging_assets.acquisition.import_paths import NamedTime, PathReading
from charging_assets.acquisition.planned_file import PlannedFile
from charging_assets.hours import FIRST_HOUR, Hour
from charging_assets.sources.feeds import Feed

TimesFrom = Literal["answers", "names"]

# The same tolerance as in the check `flat_polls__clock_agrees`.
_NEAR = timedelta(minutes=15)
# The two instants of an ambiguous local time (end of summer time) are an hour apart.
_DECISIVE = timedelta(minutes=30)
_DAYS_APART = timedelta(days=2)
# The differences that a time zone can explain: whole quarter hours, plus clock drift.
_QUARTER, _MAX_OFFSET, _DRIFT = timedelta(minutes=15), timedelta(hours=14), timedelta(minutes=5)


def decide_times(
    files: Sequence[PlannedFile], feed: Feed, names_in: str | None, times_from: TimesFrom | None
) -> None:
    orders = {order for file in files for order in _certain_orders(file)}
    order = next(iter(orders)) if len(orders) == 1 else None
    doubts = {} if times_from else _number_doubts(files, feed, names_in)
    for file in files:
        if file.contents is None or file.reading is None or file.problem:
            continue
        published = file.contents.published
        try:
            if file.reading.time is None or times_from == "answers":
                slot_at = _time_of_answers(file.reading, published, times_from)
            elif times_from == "names":
                slot_at = _time_of_path(file.reading.time, published, feed, names_in, order)
            else:
                slot_at = _confirmed_time(
                    file.reading.time, published, feed, names_in, order, doubts.get(file.path)
                )
            file.slot_at = _check_time(slot_at)
        except Doubt as doubt:
            file.doubt = file.doubt or str(doubt)
        except ImportRefused as error:
            file.problem, file.doubt = str(error), None


def _number_doubts(
    files: Sequence[PlannedFile], feed: Feed, names_in: str | None
) -> dict[str, str]:
    """Why numbers of four or six digits may not be times, by the path of the file.

    They may be counters if they are consecutive, and postcodes if they are not adjacent to the
    date. The numbers of one shape are times if all answers with a time agree with them.
    """
    shapes: dict[str, list[tuple[PlannedFile, NamedTime]]] = defaultdict(list)
    for file in files:
        if file.contents and file.reading and file.reading.time and file.reading.time.number:
            shapes[file.reading.time.shape].append((file, file.reading.time))
    doubts: dict[str, str] = {}
    unproven = []
    for group in shapes.values():
        agreements = {
            _agrees(named, file.contents.published, feed, names_in)
            for file, named in group
            if file.contents
        }
        if True in agreements and False not in agreements:
            continue
        unproven += group
        consecutive = _consecutive([named for _, named in group])
        for file, named in group:
            if named.is_apart:
                doubts[file.path] = (
                    f"{named.number} may be a time or another number, such as a postcode: it is "
                    "not adjacent to the date"
                )
            elif named.number in consecutive:
                doubts[file.path] = _COUNTER.format(number=named.number)
    values = sorted({int(named.number or 0) for _, named in unproven})
    if values and values[0] <= 1 <= values[-1] and values[-1] - values[0] == len(values) - 1:
        for file, named in unproven:
            doubts.setdefault(file.path, _COUNTER.format(number=named.number))
    return doubts


_COUNTER = (
    "{number} may be a time or a counter: the import's numbers are consecutive, and no answer's "
    "time agrees"
)


def _consecutive(times: Sequence[NamedTime]) -> set[str]:
    """Numbers adjacent to another one of the same day, or of all days if they never decrease."""
    days: dict[date, set[int]] = defaultdict(set)
    for named in times:
        days[named.readings[0].date()].add(int(named.number or 0))
    runs = list(days.values())
    ordered = [sorted(days[day]) for day in sorted(days)]
    if all(before[-1] < after[0] for before, after in pairwise(ordered)):
        runs.append({value for run in runs for value in run})
    return {
        named.number
        for named in times
        if named.number
        for run in runs
        if int(named.number) in run and {int(named.number) - 1, int(named.number) + 1} & run
    }


def _agrees(
    named: NamedTime, published: Sequence[datetime], feed: Feed, names_in: str | None
) -> bool | None:
    """Whether one reading of a path's time is near the answers' time; None without answers."""
    if not published:
        return None
    answered, zone = _middle(published), _zone(named, feed, names_in)
    try:
        return any(
            abs(instant - answered) <= _NEAR
            for local in named.readings
            for instant in instants_of(local, zone)
        )
    except OverflowError:
        return False


def _zone(named: NamedTime, feed: Feed, names_in: str | None) -> str:
    return "UTC" if named.is_utc else names_in or feed.time_zone


def _certain_orders(file: PlannedFile) -> set[str]:
    """The order of day and month in a path, if the date or the answers leave only one."""
    if file.contents is None or file.reading is None or file.reading.time is None:
        return set()
    readings = _by_answers(file.reading.time, file.contents.published)
    return {order for _, order in readings if order} if len(readings) == 1 else set()


def _by_answers(
    named: NamedTime, published: Sequence[datetime]
) -> list[tuple[datetime, str | None]]:
    """The readings of a path's time, or only the one near the answers if there is just one."""
    readings = list(zip(named.readings, named.orders, strict=True))
    if len(readings) < 2 or not published:
        return readings
    answered = _middle(published).replace(tzinfo=None)
    near = [reading for reading in readings if abs(reading[0] - answered) <= _DAYS_APART]
    return near if len(near) == 1 else readings


def _check_time(slot_at: datetime) -> datetime:
    """Return the time of a file; ImportRefused if there is no partition for it."""
    now = clock.utc_now()
    if slot_at < FIRST_HOUR:
        raise ImportRefused(f"its time is {slot_at}; there are no partitions before {FIRST_HOUR}")
    if Hour.of(slot_at) > Hour.of(now) or slot_at > now + _NEAR:
        raise ImportRefused(
            f"its time is {slot_at}, which is in the future: this machine's clock shows "
            f"{now:%Y-%m-%d %H:%M} UTC"
        )
    return slot_at


def _time_of_answers(
    reading: PathReading, published: Sequence[datetime], times_from: TimesFrom | None
) -> datetime:
    """The time of the earliest answer; times that are far from the others are ignored."""
    if not published:
        raise ImportRefused(
            "no answer in it has a time, and --times-from answers ignores its path's"
            if times_from == "answers"
            else "neither the file's name nor any answer in it has a time"
        )
    usual = _middle(published)
    slot_at = min(instant for instant in published if abs(instant - usual) <= _NEAR)
    day = reading.day if times_from != "answers" else None
    if day is not None and abs((slot_at.date() - day).days) > 1:
        raise ImportRefused(
            f"its name has the date {day}, its answers have {slot_at:%Y-%m-%d}; if the answers are "
            "right, use --times-from answers or rename it"
        )
    return slot_at


def _confirmed_time(
    named: NamedTime,
    published: Sequence[datetime],
    feed: Feed,
    names_in: str | None,
    order: str | None,
    doubt: str | None,
) -> datetime:
    """The time of a path, if its answers do not contradict it.

    Args:
        doubt: why it may not be a time; only answers with the same time resolve it.
    """
    slot_at = _time_of_path(named, published, feed, names_in, order)
    answered = _middle(published) if published else None
    if answered is not None and abs(slot_at - answered) <= _NEAR:
        return slot_at
    if doubt is None and not _begins_with_place(named.letters, feed):
        doubt = named.doubt
    if answered is None:
        if doubt is None:
            return slot_at
        raise Doubt(
            f"{doubt}. Use --times-from names if {named.text} is {slot_at:%Y-%m-%d %H:%M} UTC, or "
            "rename the file"
        )
    local = _single_reading(named, published, order)
    utc = local.replace(tzinfo=UTC)
    if names_in is None and doubt is None and abs(utc - answered) <= _NEAR:
        raise Doubt(
            f"{named.text} in the file's name is not local time: its answers are of that time "
            f"in UTC. Use --names-in UTC, or --names-in {feed.time_zone} if they are wrong"
        )
    zone = _zone(named, feed, names_in)
    if doubt is None and (
        _is_excused(slot_at, answered, zone, is_named=names_in is not None and not named.is_utc)
        # Names in the form of the original project are known to be times; others may be numbers.
        or (named.is_original and slot_at in instants_of(local, _zone(named, feed, None)))
        or slot_at < FIRST_HOUR
    ):
        return slot_at
    is_zone_possible = doubt is None and not named.is_utc and _is_of_quarters(utc - answered)
    raise Doubt(
        f"{named.text} in the file's path is {slot_at:%Y-%m-%d %H:%M} UTC, but its answers "
        f"are of {answered:%Y-%m-%d %H:%M} UTC{f' ({doubt})' if doubt else ''}. Use "
        f"{'--names-in with the zone of the names, ' if is_zone_possible else ''}"
        "--times-from answers, or --times-from names if the answers are wrong"
    )


def _is_excused(slot_at: datetime, answered: datetime, zone: str, *, is_named: bool) -> bool:
    """Whether the difference to the answers is the offset of the zone that the user named.

    That is the case for sources that publish local times as UTC, or UTC as local times.
    """
    offset = slot_at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    difference = abs(slot_at - answered)
    return is_named and _is_of_quarters(difference) and abs(difference - abs(offset)) <= _DRIFT


def _is_of_quarters(difference: timedelta) -> bool:
    """Whether a difference is a multiple of a quarter hour, as UTC offsets are."""
    rest = abs(difference) % _QUARTER
    return abs(difference) <= _MAX_OFFSET + _DRIFT and min(rest, _QUARTER - rest) <= _DRIFT


def _begins_with_place(letters: str, feed: Feed) -> bool:
    return any(re.match(rf"{re.escape(place)}(?![^\W_])", letters) for place in feed.places)


def _time_of_path(
    named: NamedTime,
    published: Sequence[datetime],
    feed: Feed,
    names_in: str | None,
    order: str | None,
) -> datetime:
    """The time of a path in UTC; an ambiguous local time is resolved by the answers."""
    zone = _zone(named, feed, names_in)
    local = _single_reading(named, published, order)
    try:
        instants = instants_of(local, zone)
    except OverflowError:
        raise ImportRefused(
            f"{named.text} is out of range; there are no partitions before {FIRST_HOUR}"
        ) from None
    if not instants:
        raise Doubt(
            f"{named.text} does not exist in {zone}, where the clocks went forward: the times in "
            "names are of another zone. Use --names-in UTC, or their zone"
        )
    if len(instants) == 1:
        return instants[0]
    if published:
        answered = _middle(published)
        nearest = min(instants, key=lambda instant: abs(instant - answered))
        if abs(nearest - answered) < _DECISIVE:
            return nearest
    raise ImportRefused(
        f"{named.text} in the file's name is ambiguous (the clocks changed), and no answer in "
        "it has a time that resolves it"
    )


def _single_reading(named: NamedTime, published: Sequence[datetime], order: str | None) -> datetime:
    readings = _by_answers(named, published)
    if len(readings) > 1:
        readings = [reading for reading in readings if reading[1] == order] or readings
    if len(readings) > 1:
        days = " or ".join(f"{local:%Y-%m-%d}" for local, _ in readings)
        raise Doubt(
            f"{named.text} may be {days}: nothing in the import shows whether the day or the month "
            "comes first. Name files by year, month and day"
        )
    return readings[0][0]


def _middle(instants: Sequence[datetime]) -> datetime:
    return sorted(instants)[len(instants) // 2]
