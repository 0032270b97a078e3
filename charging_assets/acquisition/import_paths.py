"""Parse the time and the candidate places in the path of an archived file.

`import_places` and `import_times` decide over all files of an import which candidate is the place,
and which time zone the times are in.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from charging_assets import clock
from charging_assets.hours import FIRST_HOUR

# Words that name the kind of a file, never a place. A name of only such words is not a place: every
# folder of an archive may contain a `status.json`.
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
# No digit may follow, except a time without a separator.
_DATE_END = r"(?=\d{4}(?:\d{2}(?:\d{3})?)?(?!\d)|(?!\d))"
_DATE = re.compile(rf"(?<!\d)(?:{_YMD}|{_DMY}|{_DMY_COMPACT}){_DATE_END}")
_CLOCK = (
    r"(?P<h>\d{2})(?P<t>[-_:.h/]?)(?P<n>\d{2})(?:(?:(?P=t)|m)(?P<c>\d{2})(?:[.,]?\d{3,9}(?!\d))?)?"
)
_CLOCK_12 = (
    r"(?P<h>\d{1,2})(?:(?P<t>[-_:.h]?)(?P<n>\d{2})(?:(?P=t)(?P<c>\d{2}))?)?"
    r"(?P<half>[\s_.-]?(?i:[ap]\.?m\.?))(?![^\W\d_])"
)
# Offsets in use: -0001 after a time is a counter. CET is winter time also in July.
_OFFSET = (
    r"(?:[+\u2212](?:0\d|1[0-4]):?(?:00|15|30|45)|[-\u2212](?:00:?00|(?:0[1-9]|1[0-2]):?[03]0)"
    r"|\+(?:0\d|1[0-4]))(?![0-9A-Za-z:])"
)
_ZONE = (
    r"(?:(?P<z>(?i:Z)(?![^\W\d_]))"
    rf"|\s*(?P<o>{_OFFSET})"
    rf"|[\s_-]*(?P<w>(?i:UTC|GMT)[\s_]?(?:{_OFFSET}|[-+\u2212]\d{{1,2}}(?![\d:]))"
    r"|(?i:UTC|GMT|CET|CEST|MEZ|MESZ)(?![^\W\d_])))?"
)
_WORD_OFFSETS = {"CET": "+1", "MEZ": "+1", "CEST": "+2", "MESZ": "+2"}
_LEAD = r"(?i:[T_\-./, ]|_-_|\s-\s|at|um){0,2}"
_BEFORE_START, _BEFORE_END = r"(?<![0-9A-Za-z])", r"[_\-./, ]{1,3}$"
_AFTER, _AFTER_12 = (re.compile(rf"{_LEAD}{form}{_ZONE}(?!\d)") for form in (_CLOCK, _CLOCK_12))
_BEFORE, _BEFORE_12 = (
    re.compile(rf"{_BEFORE_START}{form}{_ZONE}{_BEFORE_END}") for form in (_CLOCK, _CLOCK_12)
)
_ALONE, _ALONE_12 = (
    re.compile(rf"(?<![0-9A-Za-z]){form}{_ZONE}(?![0-9A-Za-z])") for form in (_CLOCK, _CLOCK_12)
)
# Letters after a time that may be a zone: any letters if adjacent, else known names of zones.
_LETTERS = re.compile(r"(?!(?i:h|hrs|hours|uhr|s|sec)(?![^\W\d_]))[^\W\d_]+")
_OTHER_ZONE = re.compile(
    r"[\s_-]*(?:A[CEKW]?[SD]T|[CEMP][SD]?T|HST|MSK|WES?T|EES?T|NZ[SD]T|[BIJKS]ST)(?![^\W\d_])"
)
_TWO_DIGITS = re.compile(r"-(?:0\d|1[0-2])(?![0-9A-Za-z])")
_NO_TIME = re.compile(r"(?<!\d)\d{8}[T_-]?\d{4}(?:\d{2})?(?!\d)")
_EPOCH = re.compile(r"(?<![0-9A-Za-z])(1\d{9})(\d{3})?(?![0-9A-Za-z])")
# How file names of the original project begin; such a name is used whatever the answers' times.
_ORIGINAL = re.compile(r"^\d{8}_\d{6}(?!\d)")


class NotATime(ValueError):
    """A path contains text in the form of a time that is not a valid time; the message quotes it.

    `rest` is the path without that text.
    """

    def __init__(self, message: str, rest: str):
        super().__init__(message)
        self.rest = rest


@dataclass(frozen=True)
class NamedTime:
    """The time in a path: one reading, or two where the order of day and month is ambiguous.

    Readings are naive local times in the zone of the names, or UTC with `is_utc`. `orders` are the
    readings' orders: `dmy` or `mdy`, None if the year comes first.

    `doubt` states why the text may be another time or no time; only answers of the same time
    confirm it. `letters` directly follow the time and are a doubt unless they begin the name of a
    place. `number` are its digits if it is written as a number of four or six digits (`0620`),
    which may be a counter, or, if it is not adjacent to the date (`is_apart`), a postcode; `shape`
    is the path without date and time.
    """

    text: str
    readings: tuple[datetime, ...]
    orders: tuple[str | None, ...]
    is_utc: bool = False
    is_original: bool = False
    doubt: str | None = None
    letters: str = ""
    number: str | None = None
    shape: str = ""
    is_apart: bool = False


@dataclass(frozen=True)
class NamedPlaces:
    """The candidate places in a path: in the file's name and in its folders, nearest first.

    `outer` is the imported folder (or the folder of a file that is imported by name), if it may be
    a place; `above` are the folders above it, which are never used as evidence: they may be a home
    directory or a disk. `doubtful` is a file name that may be a place with a counter. `labelled` is
    an explicit place (`place=koeln`).
    """

    name: tuple[str, ...]
    folders: tuple[str, ...]
    outer: tuple[str, ...]
    above: tuple[str, ...] = ()
    doubtful: str | None = None
    labelled: str | None = None


@dataclass(frozen=True)
class PathReading:
    """Time and candidate places in a path. `day` is a date in the file's name without a time."""

    time: NamedTime | None
    day: date | None
    places: NamedPlaces


def read_path(inside: str, outer: Sequence[str] = (), *, is_time_read: bool = True) -> PathReading:
    """Parse the time and the candidate places in the path of a file.

    Args:
        inside: the path below the folder or zip that is imported, with the file's name.
        outer: names of the folders above it, outermost first.
        is_time_read: if false, text in the form of an invalid time is skipped.

    Raises:
        NotATime: the path contains text in the form of a time that is not a valid time.
    """
    path = unicodedata.normalize("NFC", inside)
    *folders, name = [part for part in path.split("/") if part not in ("", ".", "..")] or [""]
    folders = [re.sub(r"\.zip$", "", folder, flags=re.IGNORECASE) for folder in folders]
    labels = [_label(folder) for folder in folders]
    plain = [value if label in _TIME_LABELS else folder
             for folder, (label, value) in zip(folders, labels, strict=True)]  # fmt: skip
    stem = _FORMS.sub("", name)
    whole = "/".join([*plain, stem])
    is_labelled = [label in _TIME_LABELS for label, _ in labels]
    try:
        named, day, rest = _read_time(whole, len(whole) - len(stem), is_labelled)
    except NotATime as error:
        if is_time_read:
            raise
        named, day, rest = None, None, error.rest
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
    """A folder in Hive notation: `hour=06` is ("hour", "06")."""
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
    except NotATime as error:
        return error.rest


def _candidates(text: str) -> tuple[list[str], str | None]:
    """Candidate places in a name without times, and one that begins or ends with a number.

    Words such as `status` and `data` at either end are not part of a place.
    """
    names, doubtful = [], None
    for piece in text.split(_BLANK):
        name = _trim(piece)
        if not name or name.isdecimal() or _HASH.fullmatch(name):
            continue
        first, last = _FIRST_WORD.search(name), _LAST_WORD.search(name)
        is_numbered = any(word and word[0].isdecimal() for word in (first, last))
        if is_numbered:
            doubtful = name
        elif name not in names:
            names.append(name)
    return names, doubtful


def _trim(piece: str) -> str:
    """Remove separators and kinds of file at both ends; empty if no word can name a place.

    Other generic words are kept: they may be part of the place (`new-town`).
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


def _read_time(
    whole: str, stem_at: int, is_labelled: Sequence[bool] = ()
) -> tuple[NamedTime | None, date | None, str]:
    """The time in a path, the day of its stem if there is no time, and the path without both.

    `is_labelled` states for each folder whether it is labelled as a time (`time=0620`).
    """
    dates = list(_dates(whole))
    rest = whole
    for start, end, _, _ in dates:
        rest = _blank(rest, start, end)
    if not dates:
        return _read_epoch(whole, stem_at)
    start, end, days, orders = dates[-1]
    match = _find_clock(whole, rest, start, end, stem_at)
    if match is None:
        return None, days[0] if start >= stem_at and len(days) == 1 else None, rest
    offset = _time_of_day(match)
    if offset is None and match.re is _ALONE:  # a number that is not adjacent to the date
        return None, None, rest
    first, last = min(start, match.start()), max(end, match.end())
    text = whole[first:last] if last - first < 40 else f"{whole[start:end]} {match[0]}"
    text = text.strip(_ENDS)
    rest = _blank(rest, match.start(), match.end())
    if offset is None:
        raise NotATime(f"{text} in the file's path is not a time", rest)
    zone = match["z"] or match["o"] or match["w"] or ""
    try:
        readings = [datetime.combine(day, time()) + offset - _utc_offset(zone) for day in days]
    except OverflowError:
        raise NotATime(f"{text} in the file's path is out of range", rest) from None
    doubt, letters, rest = _doubt_after(whole, rest, match, text)
    hour_at = match.start("h")
    is_marked = "T" in match[0][: hour_at - match.start()].upper()
    is_number = match["t"] == "" and "half" not in match.groupdict() and not is_marked
    folder = whole.count("/", 0, hour_at)
    is_apart = is_number and (
        match.re is _ALONE
        or (
            hour_at < stem_at
            and "/" in whole[min(end, match.end("n")) : max(start, hour_at)]
            and not (folder < len(is_labelled) and is_labelled[folder])
        )
    )
    if match["o"] and match["o"][0] in "-\u2212" and match["c"] is None and not is_marked:
        doubt = doubt or f"{match['o']} in {text} may be an offset or the end of a time span"
    return (
        NamedTime(
            text,
            tuple(readings),
            orders,
            is_utc=bool(zone),
            is_original=bool(_ORIGINAL.match(whole[stem_at:])) and start == stem_at,
            doubt=doubt,
            letters=letters,
            number=f"{match['h']}{match['n']}{match['c'] or ''}" if is_number else None,
            shape=re.sub(f"{_BLANK}+", "#", rest),
            is_apart=is_apart,
        ),
        None,
        rest,
    )


def _find_clock(whole: str, rest: str, start: int, end: int, stem_at: int) -> re.Match[str] | None:
    """The time of day after the date, before it, or alone in the stem."""
    for after, before, alone in (
        (_AFTER_12, _BEFORE_12, _ALONE_12),
        (_AFTER, _BEFORE, _ALONE),
    ):
        match = after.match(whole, end) or next(before.finditer(rest[:start]), None)
        if match is None:
            matches = [match for match in alone.finditer(rest, stem_at) if match["t"] != "/"]
            match = matches[0] if len(matches) == 1 else None
        # In `1330_am_markt`, `am` is a German word.
        if match is not None and not (
            after is _AFTER_12 and _is_word(match["half"]) and _time_of_day(match) is None
        ):
            return match
    return None


def _is_word(half: str) -> bool:
    """Whether `am` may be the German word: separated from the time and in lower case."""
    return half[0] in " _.-" and half[1:] == "am"


def _doubt_after(
    whole: str, rest: str, match: re.Match[str], text: str
) -> tuple[str | None, str, str]:
    """Why the text after a time makes it ambiguous, letters directly after it, and the rest."""
    half = match.groupdict().get("half")
    if half and _is_word(half):
        return f"{half.strip(_ENDS)!r} behind {text} may be a half of the day or a word", "", rest
    if match.re in (_BEFORE, _BEFORE_12) or match["z"] or match["o"] or match["w"]:
        return None, "", rest
    if zone := _OTHER_ZONE.match(whole, match.end()):
        rest = _blank(rest, zone.start(), zone.end())
        return f"{zone[0].strip(_ENDS)!r} behind {text} may be a time zone", "", rest
    if letters := _LETTERS.match(whole, match.end()):
        following = re.split(r"[/\s.]", whole[match.end() :])[0]
        return f"{letters[0]!r} directly behind {text} may be a time zone", following, rest
    if match["c"] and (two_digits := _TWO_DIGITS.match(whole, match.end())):
        return f"{two_digits[0]!r} behind {text} may be an offset or a number", "", rest
    return None, "", rest


def _dates(whole: str) -> Iterator[tuple[int, int, tuple[date, ...], tuple[str | None, ...]]]:
    position = 0
    while match := _DATE.search(whole, position):
        days = _days(match)
        if days:
            yield match.start(), match.end(), tuple(days.values()), tuple(days)
            position = match.end()
            # 190001-12 after a date is a time and an offset, not January 1900.
            after = _AFTER.match(whole, position)
            if after and after["c"] and after["t"] == "" and _time_of_day(after) is not None:
                position = after.end("c")
        else:
            position = match.start() + 1


def _days(match: re.Match[str]) -> dict[str | None, date]:
    """The possible days of a date, by the order of its parts."""
    year, month, day = (
        match["y"] or match["y2"],
        match["m"] or match["m2"],
        match["d"] or match["d2"],
    )
    if year is not None:
        iso_day = _day(year, month, day)
        return {None: iso_day} if iso_day else {}
    first, second, year = (match["a"] or match["a4"], match["b"] or match["b4"],
                           match["y3"] or match["y4"])  # fmt: skip
    dmy, mdy = _day(year, second, first), _day(year, first, second)
    if dmy and dmy == mdy:
        return {None: dmy}
    return {order: day for order, day in (("dmy", dmy), ("mdy", mdy)) if day}


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _time_of_day(match: re.Match[str]) -> timedelta | None:
    """Time since midnight; 24:00 is 0:00 of the next day, a leap second the next minute."""
    hour, minute, second = int(match["h"]), int(match["n"] or 0), int(match["c"] or 0)
    if half := match.groupdict().get("half"):
        is_afternoon = "p" in half.lower()
        if hour > 23 or (hour > 12 and not is_afternoon) or (hour == 0 and is_afternoon):
            return None
        if hour <= 12:
            hour = hour % 12 + 12 * is_afternoon
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and minute + second > 0):
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _utc_offset(zone: str) -> timedelta:
    """The offset of `Z`, `+01:00`, `-0500`, `UTC+1`, `CET`."""
    zone = zone.upper().replace("\u2212", "-")
    match = re.search(r"([-+])(\d{1,2}):?(\d{2})?$", _WORD_OFFSETS.get(zone, zone))
    if match is None:
        return timedelta()
    offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return -offset if match[1] == "-" else offset


def _read_epoch(whole: str, stem_at: int) -> tuple[NamedTime | None, None, str]:
    """A Unix time in seconds or milliseconds in a file's name, from the first hour until now."""
    for match in _EPOCH.finditer(whole, stem_at):
        instant = datetime.fromtimestamp(int(match[1]), UTC)
        if FIRST_HOUR <= instant <= clock.utc_now() + timedelta(days=1):
            named = NamedTime(match[0], (instant.replace(tzinfo=None),), (None,), is_utc=True)
            return named, None, _blank(whole, match.start(), match.end())
    bad = _NO_TIME.search(whole, stem_at)
    if bad:
        rest = _blank(whole, bad.start(), bad.end())
        raise NotATime(f"{bad[0]} in the file's name is not a time", rest)
    return None, None, whole


def _blank(text: str, start: int, end: int) -> str:
    """The text with a part replaced by blanks; slashes are kept."""
    return text[:start] + re.sub("[^/]", _BLANK, text[start:end]) + text[end:]
