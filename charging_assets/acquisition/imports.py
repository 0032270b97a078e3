"""Archives of before: files of the original project, and single answers, as raw objects.

Belongs here: finding the answers in a file, and the time of each. Does not belong here: finding
files (`import_files`), what an answer means (`kinds`), how raw objects are written (`archive`).

Two forms are read: a file of all places (slug → answer), whose name says the local time
(`20220111_215824_cp_data_cities.json`), and one place's answer, whose name is the place
(`SW-Stuttgart.json`) and whose own timestamp is the time, unless the name begins with one
(`20220111_215824_SW-Stuttgart.json`). Bodies are kept byte for byte.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from charging_assets import clock
from charging_assets.acquisition.archive import archive
from charging_assets.acquisition.feeds import Feed
from charging_assets.acquisition.import_files import found_in
from charging_assets.acquisition.raw_objects import Place, Poll
from charging_assets.kinds import BadBody, kind, tolerant
from charging_assets.partitions import FIRST_HOUR, Hour
from charging_assets.storage.lake import Lake

_NAMED_TIME = re.compile(r"^(\d{8}_\d{6})[_-]?")
_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}")
# As long as the tables take; one that no table took would keep its hour from ever being loaded.
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"\s*")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Clocks are that near each other; the check `flat_polls__clock_agrees` says so too.
_NEAR = timedelta(minutes=15)


class CannotImport(Exception):
    """A file is not an archive that can be read; the message names it and says why."""


@dataclass
class ImportReport:
    """What an import did: new objects by file, files that were there already, and problems.

    `passed_over` are files beside them that are of no form that is read.
    """

    imported: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)


def import_paths(
    lake: Lake,
    feed: Feed,
    paths: Iterable[Path],
    names_in: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> ImportReport:
    """Import files, folders of files and zips. Importing the same again changes nothing."""
    report = ImportReport()
    for found in (found for path in paths for found in found_in(path)):
        progress(found.name)
        if found.problem is not None:
            report.problems[found.path] = found.problem
        elif found.content is None:
            report.passed_over.append(found.path)
        else:
            try:
                poll, places = read_file(feed, found.name, found.content, names_in)
            except CannotImport as error:
                report.problems[found.path] = str(error)
                continue
            key, is_new = archive(lake, poll, places)
            (report.imported if is_new else report.known)[found.path] = key
    return report


def read_file(
    feed: Feed, name: str, content: bytes, names_in: str | None = None
) -> tuple[Poll, list[Place]]:
    """A file as a poll at its own time; CannotImport if it is neither of the two forms.

    `names_in` is the time zone of times in names, by default the feed's own.
    """
    bodies = _bodies(name, content)
    published = [found for body in bodies.values() if (found := _published_at(feed, body))]
    slot_at = _slot_of(feed, name, published, names_in)
    if slot_at < FIRST_HOUR:
        raise CannotImport(f"its time is {slot_at}; there are no partitions before {FIRST_HOUR}")
    if Hour.of(slot_at) > Hour.of(clock.utc_now()):
        raise CannotImport(f"its time is {slot_at}, which is yet to come")
    poll = Poll(
        feed=feed.name,
        kind=feed.kind,
        slot_at=slot_at,
        cadence_s=int(feed.cadence.total_seconds()),
        time_zone=feed.time_zone,
        asked=tuple(bodies),
        started_at=slot_at,
        ended_at=slot_at,
        # Without a version: importing the same file by a later release must change nothing.
        program="charging_assets import",
        is_imported=True,
        origin=name,
    )
    return poll, [Place(slug=slug, outcome="ok", body=body) for slug, body in bodies.items()]


def _bodies(name: str, content: bytes) -> dict[str, bytes]:
    """The answers in a file by place, each verbatim."""
    try:
        members = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        raw = {slug: bytes(body) for slug, body in members.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raw = dict(_split(name, content))
    if "data" in raw:
        raw = {_place_of(name): content}
    elif not any(body.startswith(b"{") for body in raw.values()):
        raise CannotImport("the file holds no answer")
    strange = [slug for slug in raw if not _SLUG.fullmatch(slug)]
    if strange:
        raise CannotImport(
            f"{strange[:3]} cannot be places (up to 128 letters, digits, _ and -); a single answer "
            "is named after its place, such as SW-Stuttgart.json"
        )
    return raw


def _place_of(name: str) -> str:
    """The place of a single answer. Were a time taken for a part of it, each poll had its own."""
    place = _NAMED_TIME.sub("", Path(name).stem)
    if _DATE.search(place):
        raise CannotImport(
            f"{place!r} holds a date and cannot be a place; a single answer is named after its "
            "place, such as SW-Stuttgart.json or 20220111_215824_SW-Stuttgart.json"
        )
    return place


def _split(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The members of an object that is damaged inside; nothing of it is left out."""
    if content.startswith(_UTF_16):
        raise CannotImport("the file is not UTF-8 but UTF-16; convert it")
    text = content.decode("utf-8-sig", "surrogateescape")
    position = _skip(text, 0)
    if text[position : position + 1] != "{":
        raise CannotImport("the file is not a JSON object of places, nor a single answer")
    position = _skip(text, position + 1)
    while text[position : position + 1] == '"':
        try:
            slug, position = _DECODER.raw_decode(text, position)
        except ValueError:
            raise CannotImport("the file ends in the middle of a place's name") from None
        position = _skip(text, position)
        if text[position : position + 1] != ":":
            raise CannotImport(f"the file ends after the name of {slug!r}")
        start = _skip(text, position + 1)
        try:
            _, position = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield from _told_apart(slug, text[start:].encode("utf-8", "surrogateescape"))
            return
        yield slug, text[start:position].encode("utf-8", "surrogateescape")
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
    if text[position:].strip() not in ("", "}"):
        raise CannotImport(f"the file is damaged before {text[position : position + 20]!r}")


def _told_apart(slug: str, rest: bytes) -> Iterator[tuple[str, bytes]]:
    """A damaged answer and those behind it, where brackets tell them apart; else all as its own."""
    try:
        told = tolerant.fields(b'{"": ' + rest)
    except BadBody:
        told = {"": rest}
    yield slug, told.pop("")
    yield from told.items()


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _published_at(feed: Feed, body: bytes) -> datetime | None:
    """The answer's own time, if it is one: without an offset it may be two, or none."""
    try:
        instant = datetime.fromisoformat(kind(feed.kind).open(body).observed_at)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
        readings = _readings(instant, feed.time_zone)
        return readings[0] if len(readings) == 1 else None
    except (BadBody, OverflowError, TypeError, ValueError):
        return None


def _slot_of(feed: Feed, name: str, published: list[datetime], names_in: str | None) -> datetime:
    """The file's own time in UTC, unfloored: by its name, else by its earliest answer.

    A clock that is far from the others' says nothing.
    """
    named = _NAMED_TIME.match(name)
    if named is None:
        if not published:
            raise CannotImport("neither the file's name nor any answer in it says the time")
        usual = _middle(published)
        return min(instant for instant in published if abs(instant - usual) <= _NEAR)
    try:
        told = datetime.strptime(named[1], "%Y%m%d_%H%M%S")
    except ValueError:
        raise CannotImport(f"{named[1]} in the file's name is not a time") from None
    readings = _readings(told, names_in or feed.time_zone)
    if not published:
        if len(readings) == 1:
            return readings[0]
        raise CannotImport(
            f"{named[1]} in the file's name is ambiguous (the clocks changed), and no answer in "
            "it says the offset"
        )
    answered = _middle(published)
    nearest = min(readings, key=lambda reading: abs(reading - answered))
    if names_in is None and _is_rather_utc(told, nearest, answered):
        raise CannotImport(
            f"{named[1]} in the file's name is not local time: its answers are of that time in "
            f"UTC. Say --names-in UTC, or --names-in {feed.time_zone} if they are wrong"
        )
    return nearest


def _middle(instants: list[datetime]) -> datetime:
    return sorted(instants)[len(instants) // 2]


def _is_rather_utc(told: datetime, local: datetime, answered: datetime) -> bool:
    """Whether answers deny that a name tells local time, and agree that it tells UTC."""
    utc = told.replace(tzinfo=UTC)
    return abs(local - answered) > _NEAR and abs(utc - answered) <= _NEAR


def _readings(local: datetime, zone: str) -> list[datetime]:
    """The instants that a local time may be, in UTC: two of them where the clocks change."""
    at = local.replace(tzinfo=ZoneInfo(zone))
    return sorted({at.replace(fold=fold).astimezone(UTC) for fold in (0, 1)})
