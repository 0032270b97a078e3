"""Plan an import: decide the place and time of every file before anything is archived.

Raw objects are never moved, so nothing is guessed. An ambiguity that an option must resolve (is the
place the folder or the file's name, which zone are the names in) is a doubt and refuses the whole
import. A damaged file, or one of unknown form, is a problem of that file; the others are imported.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from charging_assets import clock, names
from charging_assets.acquisition.import_contents import (
    Contents,
    Doubt,
    ImportRefused,
    MemberChoice,
    choose_places,
    instants_of,
    read_contents,
)
from charging_assets.acquisition.import_paths import (
    GENERIC_WORDS,
    NamedTime,
    NotATime,
    PathReading,
    read_path,
)
from charging_assets.acquisition.source_files import MAX_FILE_BYTES, SourceFile, read_source_files
from charging_assets.hours import FIRST_HOUR, Hour
from charging_assets.sources.feeds import Feed
from charging_assets.text import printable

PlaceFrom = Literal["folder", "name"]
TimesFrom = Literal["answers", "names"]

# The same tolerance as in the check `flat_polls__clock_agrees`.
_NEAR = timedelta(minutes=15)
# The two instants of an ambiguous local time (end of summer time) are an hour apart.
_DECISIVE = timedelta(minutes=30)
_DAYS_APART = timedelta(days=2)
# The differences that a time zone can explain: whole quarter hours, plus clock drift.
_QUARTER, _MAX_OFFSET, _DRIFT = timedelta(minutes=15), timedelta(hours=14), timedelta(minutes=5)


@dataclass
class PlannedFile:
    """A file of an import: its place and time, or why it cannot be archived.

    `place` is set for single answers only. `problem` concerns the file, `doubt` the whole import.
    """

    path: str
    name: str
    digest: bytes = b""
    contents: Contents | None = None
    reading: PathReading | None = None
    slot_at: datetime | None = None
    place: str | None = None
    problem: str | None = None
    doubt: str | None = None
    is_skipped: bool = False

    @property
    def is_importable(self) -> bool:
        return self.slot_at is not None and not self.problem and not self.doubt

    @property
    def slugs(self) -> tuple[str, ...]:
        if self.contents is None:
            return ()
        return (str(self.place),) if self.contents.slugs is None else self.contents.slugs

    @property
    def is_single(self) -> bool:
        return self.contents is not None and self.contents.slugs is None and not self.problem


@dataclass(frozen=True)
class ImportPlan:
    """All files of an import, in the order in which they are read."""

    feed: Feed
    paths: tuple[Path, ...]
    files: list[PlannedFile] = field(default_factory=list)

    @property
    def doubts(self) -> dict[str, str]:
        """Why the import is refused, by file; empty if nothing is ambiguous."""
        return {file.path: file.doubt for file in self.files if file.doubt}

    def places_from(self, source: PlaceFrom) -> list[str]:
        """The places that `--place-from` would give the ambiguous files."""
        places = {
            _chosen_place(file.reading, source, self.feed)
            for file in self.files
            if file.doubt and file.is_single and file.reading
        }
        return sorted(place for place in places if place and names.PLACE.is_valid(place))


def plan_import(
    feed: Feed,
    paths: Iterable[Path],
    names_in: str | None = None,
    place_from: PlaceFrom | None = None,
    progress: Callable[[str], None] = lambda _: None,
    *,
    members: Mapping[str, MemberChoice] | None = None,
    times_from: TimesFrom | None = None,
) -> ImportPlan:
    """Read all files once and decide the place and time of each; bodies are not kept.

    Args:
        names_in: time zone of the times in names, by default the feed's.
        place_from: source of the place of a single answer; by default it must be unambiguous.
        members: whether ambiguous members of a file of all places are places or fields.
        times_from: `answers` takes the time of every file from its answers, `names` from its path
            without comparing it with the answers; by default both must agree.
    """
    plan = ImportPlan(feed, tuple(paths))
    for root, source in read_files(plan):
        progress(printable(source.name))
        plan.files.append(_read(feed, root, source, times_from))
    decide(plan.files, feed, names_in, place_from, members=members, times_from=times_from)
    return plan


def read_files(plan: ImportPlan) -> Iterator[tuple[Path, SourceFile]]:
    """Read the files of an import, always in the same order."""
    limit = max(MAX_FILE_BYTES, plan.feed.max_body_bytes)
    for path in plan.paths:
        for source in read_source_files(path, limit):
            yield path, source


def decide(
    files: Sequence[PlannedFile],
    feed: Feed,
    names_in: str | None,
    place_from: PlaceFrom | None,
    *,
    members: Mapping[str, MemberChoice] | None = None,
    times_from: TimesFrom | None = None,
) -> None:
    """Set the places and times of planned files, or their problems and doubts."""
    _decide_members(files, feed, members or {})
    _decide_times(files, feed, names_in, times_from)
    _decide_places(files, feed, place_from)


def plan_file(
    feed: Feed,
    path: str,
    name: str,
    content: bytes,
    outer: Sequence[str],
    times_from: TimesFrom | None = None,
) -> PlannedFile:
    """Plan one file from its content and its path, relative to the imported folder or zip."""
    printable_name = unicodedata.normalize("NFC", printable(name))
    file = PlannedFile(path, printable_name, hashlib.sha256(content).digest())
    try:
        file.contents = read_contents(feed, content)
        # Replace Windows separators first: escaped bytes contain backslashes too.
        file.reading = read_path(
            printable(path.replace("\\", "/")), outer, is_time_read=times_from != "answers"
        )
    except (ImportRefused, NotATime) as error:
        file.problem = str(error)
    return file


def _read(feed: Feed, root: Path, source: SourceFile, times_from: TimesFrom | None) -> PlannedFile:
    path = printable(source.path)
    if source.problem is not None:
        return PlannedFile(path, source.name, problem=printable(source.problem))
    if source.content is None:
        return PlannedFile(path, source.name, is_skipped=True)
    inside, outer = _split_path(root, source.path)
    file = plan_file(feed, inside, source.name, source.content, outer, times_from)
    file.path = path
    return file


def _split_path(root: Path, path: str) -> tuple[str, list[str]]:
    """A file's path below the imported path, and the names of the folders above."""
    above = Path.cwd() if root == Path() else root
    # For a file that is imported by name: the folders in the given path.
    if path == str(root):
        return root.name, [
            printable(part) for part in root.parts[:-1] if part not in (".", "..", "/")
        ]
    outer = [printable(part) for part in above.parts if part not in (".", "..", "/")]
    if outer and outer[-1].lower().endswith(".zip"):
        outer[-1] = outer[-1][: -len(".zip")]
    return path[len(str(root)) + 1 :], outer


# Members of files of all places


def _decide_members(
    files: Sequence[PlannedFile], feed: Feed, members: Mapping[str, MemberChoice]
) -> None:
    """Decide over all files: a member that is a place in one of them is a place in all."""
    answered = {
        name
        for file in files
        if file.contents is not None and not file.problem
        for name in file.contents.answered
    }
    for file in files:
        if file.contents is None or file.contents.slugs is None or file.problem:
            continue
        try:
            file.contents = choose_places(file.contents, feed, answered, members)
        except Doubt as doubt:
            file.doubt = str(doubt)
        except ImportRefused as error:
            file.problem = str(error)


# Times


def _decide_times(
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


# Places


def _decide_places(files: Sequence[PlannedFile], feed: Feed, place_from: PlaceFrom | None) -> None:
    single = [file for file in files if file.is_single]
    for file in single:
        assert file.reading is not None
        try:
            file.place = _place_of(file, file.reading, feed, place_from)
        except Doubt as doubt:
            file.doubt = file.doubt or str(doubt)
        except ImportRefused as error:
            file.problem, file.doubt = str(error), None
    decided = [file for file in single if file.place is not None]
    if place_from != "name":
        _doubt_one_name_of_several_folders(decided, feed)
    _doubt_places_that_differ_in_case(files, decided, feed)


def _place_of(
    file: PlannedFile, reading: PathReading, feed: Feed, place_from: PlaceFrom | None
) -> str:
    if place_from is None:
        place = _certain_place(file.name, reading, feed)
    else:
        chosen = _chosen_place(reading, place_from, feed)
        if chosen is None:
            raise ImportRefused(
                "no folder in its path can be a place"
                if place_from == "folder"
                else "its name contains no place"
            )
        place = chosen
    if problem := names.PLACE.problem(place):
        raise ImportRefused(
            f"{place[:200]!r} cannot be a place: {problem}. A single answer is named after its "
            "place, such as SW-Stuttgart.json, or lies in a folder of that name; rename it"
        )
    return place


def _certain_place(name: str, reading: PathReading, feed: Feed) -> str:
    """The only place in a path, or the only one that is configured; Doubt otherwise."""
    places = reading.places
    if places.labelled:
        return places.labelled
    candidates = list(dict.fromkeys([*places.name, *places.folders]))
    configured = [place for place in candidates if place in feed.places]
    imported_folder = next(iter(places.outer), None)
    if not configured and imported_folder in feed.places:
        if not candidates:
            return str(imported_folder)
        candidates.append(str(imported_folder))
    if len(configured or candidates) == 1:
        place = (configured or candidates)[0]
        _doubt_variant_of_configured_place(place, feed)
        return place
    if candidates:
        raise Doubt(f"the place may be {' or '.join(configured or candidates)}")
    if places.doubtful in feed.places:
        return str(places.doubtful)
    if places.doubtful:
        raise Doubt(f"{places.doubtful!r} may be a place, or a place and a number")
    above = next((folder for folder in places.above if folder in feed.places), None)
    remedy = (
        f". The folder {above!r} is above the imported one and is not used: import that folder "
        "if it is the place"
        if above
        else ""
    )
    raise Doubt(
        f"neither {name!r} nor a folder names a place: a single answer is named after its place, "
        f"such as SW-Stuttgart.json, or lies in a folder of that name{remedy}"
    )


def _doubt_variant_of_configured_place(place: str, feed: Feed) -> None:
    """Refuse `koeln_test` and `stations_koeln` where `koeln` is configured.

    Such a name may be that place or another one. Whole words are compared, ignoring case, trailing
    digits and generic words (`stations`).
    """
    if place in feed.places:
        return
    for configured in feed.places:
        if configured.casefold() == place.casefold():
            continue  # `_doubt_places_that_differ_in_case` reports it
        if _contains(_words(place), _words(configured)) or _contains(
            _words(place, is_generic=False), _words(configured, is_generic=False)
        ):
            raise Doubt(
                f"{place!r} may be the configured place {configured!r} or another place: rename "
                f"it to {configured}, or use --place-from if {place!r} is a place"
            )


def _words(name: str, *, is_generic: bool = True) -> list[str]:
    """The words of a name; without generic ones unless `is_generic`."""
    words = [word.casefold().rstrip("0123456789") for word in re.split(r"[\W_]+", name)]
    return [word for word in words if word and (is_generic or word not in GENERIC_WORDS)]


def _contains(words: list[str], part: list[str]) -> bool:
    """Whether `part` is not empty and occurs in `words` in sequence."""
    starts = range(len(words) - len(part) + 1)
    return bool(part) and any(words[at : at + len(part)] == part for at in starts)


def _chosen_place(reading: PathReading, place_from: PlaceFrom, feed: Feed) -> str | None:
    """The place by `--place-from`: of several in a name, the configured one."""
    places = reading.places
    if place_from == "folder":
        return next(iter([places.labelled] if places.labelled else
                         [*places.folders, *places.outer]), None)  # fmt: skip
    configured = [name for name in places.name if name in feed.places]
    if len(configured or places.name) == 1:
        return (configured or places.name)[0]
    return places.doubtful if not places.name else None


def _doubt_one_name_of_several_folders(files: Sequence[PlannedFile], feed: Feed) -> None:
    folders: dict[str, set[str]] = defaultdict(set)
    for file in files:
        folders[str(file.place)].add(_folder_around(file))
    for file in files:
        place, around = str(file.place), folders[str(file.place)]
        if len(around) > 1 and (place not in feed.places or around & set(feed.places)):
            parents = ", ".join(sorted(around)[:5]) or "the top"
            file.doubt = file.doubt or (
                f"{place!r} comes from several folders ({parents}): it may be one place or several"
            )


def _folder_around(file: PlannedFile) -> str:
    """The nearest folder around a file's place that may be a place itself."""
    assert file.reading is not None
    places = file.reading.places
    chain = [*places.name[-1:], *places.folders, *places.outer, *places.above]
    if places.labelled:
        return ""
    at = chain.index(file.place) if file.place in chain else -1
    return next((name for name in chain[at + 1 :] if name.casefold() != str(file.place).casefold()),
                "")  # fmt: skip


def _doubt_places_that_differ_in_case(
    files: Sequence[PlannedFile], decided: Sequence[PlannedFile], feed: Feed
) -> None:
    """For names from paths: file systems of Windows and macOS ignore case."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for place in {*feed.places, *(slug for file in files if not file.doubt for slug in file.slugs)}:
        spellings[place.casefold()].add(place)
    for file in decided:
        place = str(file.place)
        others = spellings[place.casefold()] - {place}
        if others and place not in feed.places:
            file.doubt = file.doubt or (
                f"{place!r} differs from {sorted(others)[0]!r} only in upper and lower case; "
                "rename the file or folder"
            )
