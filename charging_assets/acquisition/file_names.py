"""What the path of an archived file says: when it was polled, and which place it may be of.

Only names are read here. Which of several candidates is the place, and in which zone a time is, is
decided over all files of an import (`import_plan`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from charging_assets import clock
from charging_assets.partitions import FIRST_HOUR

# Words that name what a file is or when it was made, never where. A name of nothing else is no
# place: every folder of an archive may hold a `status.json`.
_KINDS_OF_FILE = frozenset(
    """
    answer answers antwort antworten api backup body chargecloud copy data daten dump export json
    kopie poll polls raw response responses result results snapshot snapshots status statuses
    """.split()  # noqa: SIM905
)
GENERIC_WORDS = _KINDS_OF_FILE | frozenset(
    """
    all archiv archive archives archived backups charging cities city cp current date day dumps evse
    evses exports file files history hour import in index input jan january januar feb february
    februar mar march maerz märz apr april may mai jun june juni jul july juli aug august sep sept
    september oct october okt oktober nov november dec december dez dezember mon tue wed thu fri sat
    sun latest local log logs month neu new old out output place places stadt staedte station
    stations temp tmp today utc download downloads year
    """.split()  # noqa: SIM905
)
_PLACE_LABELS = frozenset({"place", "city", "slug", "stadt"})
_TIME_LABELS = frozenset({"date", "day", "hour", "month", "year", "minute", "time", "dt", "h"})
_FORMS = re.compile(r"(\.json)?(\.gz)?$", re.IGNORECASE)
_LABEL = re.compile(r"^([A-Za-z_]+)=(.*)$")
_HASH = re.compile(r"(?=.*\d)[0-9a-f]{8,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ENDS = " _-.+=,;()[]{}~#@'\""
_WORD = re.compile(r"[^\s_.,()+-]+")
_FIRST_WORD = re.compile(r"^[^\s_.,()+-]+")
_LAST_WORD = re.compile(r"[^\s_.,()+-]+$")
_BLANK = "\0"

# Separators within a date or a time; a date may stand in folders (2022/01/12).
_S = r"[-_./ ]"
_YMD = (
    r"(?P<y>\d{4})(?P<s>[-_./ ]?)(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12]\d|3[01])"
    rf"|(?P<y2>(?:19|20)\d\d){_S}?(?P<m2>0[1-9]|1[0-2]){_S}?(?P<d2>0[1-9]|[12]\d|3[01])"
)
_DMY = r"(?P<a>\d{1,2})(?P<s3>[-_./ ])(?P<b>\d{1,2})(?P=s3)(?P<y3>(?:19|20)\d\d)"
_DMY_COMPACT = r"(?P<a4>\d{2})(?P<b4>\d{2})(?P<y4>(?:19|20)\d\d)"
# Behind it neither a digit, unless it is a time that is written without a separator.
_DATE_END = r"(?=\d{4}(?:\d{2}(?:\d{3})?)?(?!\d)|(?!\d))"
_DATE = re.compile(rf"(?<!\d)(?:{_YMD}|{_DMY}|{_DMY_COMPACT}){_DATE_END}")
_CLOCK = r"(?P<h>\d{2})(?P<t>[-_:.h/]?)(?P<n>\d{2})(?:(?P=t)(?P<c>\d{2})(?:[.,]?\d{3,9}(?!\d))?)?"
_ZONE = r"(?:\s*(?P<z>(?:Z|UTC|GMT)(?![A-Za-z])|\+\d{2}:?\d{2}(?!\d)))?"
_AFTER = re.compile(rf"(?:[T_\-./, ]|_-_|\s-\s|at|um){{0,2}}{_CLOCK}{_ZONE}(?!\d)", re.IGNORECASE)
_BEFORE = re.compile(rf"(?<![0-9A-Za-z]){_CLOCK}{_ZONE}[_\-./, ]{{1,3}}$")
_ALONE = re.compile(rf"(?<![0-9A-Za-z]){_CLOCK}{_ZONE}(?![0-9A-Za-z])")
_NO_TIME = re.compile(r"(?<!\d)\d{8}[T_-]?\d{4}(?:\d{2})?(?!\d)")
_EPOCH = re.compile(r"(?<![0-9A-Za-z])(1\d{9})(\d{3})?(?![0-9A-Za-z])")
# How the original project's files begin; such a name holds whatever its answers' clocks say.
_ORIGINAL = re.compile(r"^\d{8}_\d{6}(?!\d)")


class NotATime(ValueError):
    """A path holds what is written like a time and is none; the message quotes it."""


@dataclass(frozen=True)
class NamedTime:
    """The time that a path says: one reading, or two where day and month may be either.

    Readings are naive and local to whatever zone the names are in, unless `is_utc`.
    `order` of a reading: `dmy` or `mdy`, None where the year comes first.
    """

    text: str
    readings: tuple[datetime, ...]
    orders: tuple[str | None, ...]
    is_utc: bool = False
    is_original: bool = False


@dataclass(frozen=True)
class NamedPlaces:
    """The places that a path may name: by the file's own name, and by its folders, nearest first.

    `outer` is the imported folder itself (of a file that is imported by name, the folder it is
    in), if it may be a place; `above` are the folders above it, which are never evidence: they
    are a home directory or a disk. `doubtful` is a file's name that may be a place and a counter.
    `labelled` is explicit (`place=koeln`).
    """

    name: tuple[str, ...]
    folders: tuple[str, ...]
    outer: tuple[str, ...]
    above: tuple[str, ...] = ()
    doubtful: str | None = None
    labelled: str | None = None


@dataclass(frozen=True)
class PathReading:
    """What a path says. `day` is a date in the file's own name that comes without a time."""

    time: NamedTime | None
    day: date | None
    places: NamedPlaces


def read_path(inside: str, outer: Sequence[str] = ()) -> PathReading:
    """What the path of a file says.

    Args:
        inside: the path below the folder or zip that is imported, with the file's name.
        outer: names of the folders above it, outermost first.

    Raises:
        NotATime: it holds what is written like a time and is none.
    """
    path = unicodedata.normalize("NFC", inside)
    *folders, name = [part for part in path.split("/") if part not in ("", ".", "..")] or [""]
    folders = [re.sub(r"\.zip$", "", folder, flags=re.IGNORECASE) for folder in folders]
    labels = [_label(folder) for folder in folders]
    plain = [value if label in _TIME_LABELS else folder
             for folder, (label, value) in zip(folders, labels, strict=True)]  # fmt: skip
    stem = _FORMS.sub("", name)
    whole = "/".join([*plain, stem])
    named, day, rest = _read_time(whole, len(whole) - len(stem))
    *rest_folders, rest_stem = rest.split("/")
    candidates, doubtful = _candidates(rest_stem)
    labelled = [value for label, value in labels if label in _PLACE_LABELS]
    return PathReading(
        named,
        day,
        NamedPlaces(
            name=tuple(candidates),
            folders=tuple(_folders(rest_folders)),
            outer=tuple(_folders([_without_times(part) for part in outer[-1:]])),
            above=tuple(_folders([_without_times(part) for part in outer[:-1]])),
            doubtful=doubtful,
            labelled=labelled[-1] if labelled else None,
        ),
    )


def _label(folder: str) -> tuple[str | None, str]:
    """A folder as Hive names it: `hour=06` is ("hour", "06")."""
    match = _LABEL.match(folder)
    return (match[1].lower(), match[2]) if match else (None, folder)


def _folders(parts: Sequence[str]) -> Iterator[str]:
    """Folders that may be places, nearest first."""
    for part in reversed(parts):
        label, value = _label(part)
        if label is None or label in _PLACE_LABELS:
            candidates, doubtful = _candidates(value)
            yield from candidates[-1:] or ([doubtful] if doubtful else [])


def _without_times(part: str) -> str:
    try:
        return _read_time(unicodedata.normalize("NFC", part), 0)[2]
    except NotATime:
        return part


def _candidates(text: str) -> tuple[list[str], str | None]:
    """What is left of a name, without times: names of places, and one that a number ends or begins.

    Words such as `status` and `data` at its ends belong to no place.
    """
    found, doubtful = [], None
    for piece in text.split(_BLANK):
        name = _trimmed(piece)
        if not name or name.isdecimal() or _HASH.fullmatch(name):
            continue
        first, last = _FIRST_WORD.search(name), _LAST_WORD.search(name)
        is_numbered = any(word and word[0].isdecimal() for word in (first, last))
        if is_numbered:
            doubtful = name
        elif name not in found:
            found.append(name)
    return found, doubtful


def _trimmed(piece: str) -> str:
    """A name without separators and kinds of file at its ends; empty if no word of it can name a
    place. Other words stay, for they may be a part of it (`new-town`).
    """
    name = piece.strip(_ENDS)
    if all(
        word.lower().rstrip("0123456789") in {*GENERIC_WORDS, ""} for word in _WORD.findall(name)
    ):
        return ""
    while True:
        for word in (_FIRST_WORD.search(name), _LAST_WORD.search(name)):
            if word and word[0].lower().rstrip("0123456789") in _KINDS_OF_FILE:
                name = (name[: word.start()] + name[word.end() :]).strip(_ENDS)
                break
        else:
            return name


def _read_time(whole: str, stem_at: int) -> tuple[NamedTime | None, date | None, str]:
    """The time of a path, the day of its stem if it has no time, and the path without both."""
    dates = list(_dates(whole))
    rest = whole
    for start, end, _, _ in dates:
        rest = _blank(rest, start, end)
    if not dates:
        return _read_epoch(whole, stem_at)
    start, end, days, orders = dates[-1]
    clock_match = _AFTER.match(whole, end)
    if clock_match is None:
        clock_match = next((m for m in _BEFORE.finditer(rest[:start])), None)
    if clock_match is None:
        alone = [match for match in _ALONE.finditer(rest, stem_at) if match["t"] != "/"]
        clock_match = alone[0] if len(alone) == 1 else None
    if clock_match is None:
        return None, days[0] if start >= stem_at and len(days) == 1 else None, rest
    offset = _time_of_day(clock_match)
    if offset is None and clock_match.re is _ALONE:  # a number that is not next to the date
        return None, None, rest
    first, last = min(start, clock_match.start()), max(end, clock_match.end())
    text = whole[first:last] if last - first < 40 else f"{whole[start:end]} {clock_match[0]}"
    if offset is None:
        raise NotATime(f"{text.strip(_ENDS)} in the file's path is not a time")
    rest = _blank(rest, clock_match.start(), clock_match.end())
    zone = clock_match["z"] or ""
    try:
        readings = [datetime.combine(day, time()) + offset - _utc_offset(zone) for day in days]
    except OverflowError:
        raise NotATime(f"{text.strip(_ENDS)} in the file's path is out of range") from None
    return (
        NamedTime(
            text.strip(_ENDS),
            tuple(readings),
            orders,
            is_utc=bool(zone),
            is_original=bool(_ORIGINAL.match(whole[stem_at:])) and start == stem_at,
        ),
        None,
        rest,
    )


def _dates(whole: str) -> Iterator[tuple[int, int, tuple[date, ...], tuple[str | None, ...]]]:
    position = 0
    while match := _DATE.search(whole, position):
        days = _days(match)
        if days:
            yield match.start(), match.end(), tuple(days.values()), tuple(days)
            position = match.end()
        else:
            position = match.start() + 1


def _days(match: re.Match[str]) -> dict[str | None, date]:
    """The days that a date may be, by the order of its parts."""
    year, month, day = (
        match["y"] or match["y2"],
        match["m"] or match["m2"],
        match["d"] or match["d2"],
    )
    if year is not None:
        found = _day(year, month, day)
        return {None: found} if found else {}
    first, second, year = (match["a"] or match["a4"], match["b"] or match["b4"],
                           match["y3"] or match["y4"])  # fmt: skip
    read = {"dmy": _day(year, second, first), "mdy": _day(year, first, second)}
    days: dict[str | None, date] = {order: day for order, day in read.items() if day}
    return {None: read["dmy"]} if read["dmy"] and read["dmy"] == read["mdy"] else days


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _time_of_day(match: re.Match[str]) -> timedelta | None:
    """Time since midnight; 24:00 is the next day's, a leap second the next minute's."""
    hour, minute, second = int(match["h"]), int(match["n"]), int(match["c"] or 0)
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and minute + second > 0):
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _utc_offset(zone: str) -> timedelta:
    if not zone.startswith("+"):
        return timedelta()
    return timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))


def _read_epoch(whole: str, stem_at: int) -> tuple[NamedTime | None, None, str]:
    """Seconds or milliseconds since 1970 in a file's name, where they are of a time with polls."""
    for match in _EPOCH.finditer(whole, stem_at):
        instant = datetime.fromtimestamp(int(match[1]), UTC)
        if FIRST_HOUR <= instant <= clock.utc_now() + timedelta(days=1):
            named = NamedTime(match[0], (instant.replace(tzinfo=None),), (None,), is_utc=True)
            return named, None, _blank(whole, match.start(), match.end())
    bad = _NO_TIME.search(whole, stem_at)
    if bad:
        raise NotATime(f"{bad[0]} in the file's name is not a time")
    return None, None, whole


def _blank(text: str, start: int, end: int) -> str:
    """The text with blanks in place of a part of it; folders stay apart."""
    return text[:start] + re.sub("[^/]", _BLANK, text[start:end]) + text[end:]
