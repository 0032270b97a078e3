"""Archives of before: files of the original project, and single answers, as raw objects.

Belongs here: finding the answers in files, and the time of each. Does not belong here: what an
answer means (`kinds`), how raw objects are written (`archive`).

Two forms are read, plain or inside a .zip: a file of all places (slug → answer), whose name says
the local time (`20220111_215824_cp_data_cities.json`), and one place's answer, whose name is the
place (`SW-Stuttgart.json`) and whose own timestamp is the time. Bodies are kept byte for byte.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from charging_assets.acquisition.archive import Place, Poll, archive
from charging_assets.acquisition.feeds import Feed
from charging_assets.kinds import BadBody, kind
from charging_assets.partitions import FIRST_HOUR, Hour
from charging_assets.storage.lake import Lake

_NAMED_TIME = re.compile(r"^(\d{8}_\d{6})")
_SLUG = re.compile(r"[A-Za-z0-9_-]+")
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"\s*")


class CannotImport(Exception):
    """A file is not an archive that can be read; the message names it and says why."""


@dataclass
class ImportReport:
    """What an import did: new objects by file, files that were there already, and problems."""

    imported: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def import_paths(lake: Lake, feed: Feed, paths: Iterable[Path]) -> ImportReport:
    """Import files, folders of files and zips. Importing the same again changes nothing."""
    report = ImportReport()
    for path in paths:
        for name, read in _files(path, report):
            try:
                poll, places = read_file(feed, Path(name).name, read)
                key, is_new = archive(lake, poll, places)
            except CannotImport as error:
                report.problems[name] = str(error)
                continue
            (report.imported if is_new else report.known)[name] = key
    return report


def read_file(feed: Feed, name: str, content: bytes) -> tuple[Poll, list[Place]]:
    """A file as a poll at its own time; CannotImport if it is neither of the two forms."""
    bodies = _bodies(name, content)
    published = [found for body in bodies.values() if (found := _published_at(feed, body))]
    slot_at = _slot_of(feed, name, published)
    if slot_at < FIRST_HOUR:
        raise CannotImport(f"its time is {slot_at}; there are no partitions before {FIRST_HOUR}")
    if Hour.of(slot_at) > Hour.of(datetime.now(UTC)):
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


def _files(path: Path, report: ImportReport) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix in {".json", ".zip"})
        if not found:
            report.problems[str(path)] = "the folder has no .json and no .zip file"
        for file in found:
            yield from _files(file, report)
        return
    try:
        if path.suffix == ".zip":
            yield from _zipped(path, report)
        else:
            yield str(path), path.read_bytes()
    except (OSError, zipfile.BadZipFile) as error:
        report.problems[str(path)] = f"cannot be read: {error}"


def _zipped(path: Path, report: ImportReport) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive_file:
        members = [
            member
            for member in sorted(archive_file.namelist())
            if member.endswith(".json") and not member.startswith("__MACOSX")
        ]
        if not members:
            report.problems[str(path)] = "the zip has no .json file"
        for member in members:
            name = f"{path}/{member}"
            try:
                content = archive_file.read(member)
            except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
                report.problems[name] = f"cannot be read: {error}"
                continue
            yield name, content


def _bodies(name: str, content: bytes) -> dict[str, bytes]:
    """The answers in a file by place, each verbatim."""
    try:
        members = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        raw = {slug: bytes(body) for slug, body in members.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raw = dict(_split(name, content))
    if "data" in raw:
        raw = {Path(name).stem: content}
    elif not any(body.startswith(b"{") for body in raw.values()):
        raise CannotImport("the file holds no answer")
    strange = [slug for slug in raw if not _SLUG.fullmatch(slug)]
    if strange:
        raise CannotImport(
            f"{strange[:3]} cannot be places (letters, digits, _ and -); a single answer is named "
            "after its place, such as SW-Stuttgart.json"
        )
    return raw


def _split(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The members of an object that is damaged inside; what follows the damage is kept whole."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotImport(f"the file is not UTF-8: {error}") from None
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
            yield slug, text[start:].encode()
            return
        yield slug, text[start:position].encode()
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
    if text[position:].strip() not in ("", "}"):
        raise CannotImport(f"the file is damaged before {text[position : position + 20]!r}")


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _published_at(feed: Feed, body: bytes) -> datetime | None:
    try:
        instant = datetime.fromisoformat(kind(feed.kind).open(body).observed_at)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=ZoneInfo(feed.time_zone))
        return instant.astimezone(UTC)
    except (BadBody, OverflowError, TypeError, ValueError):
        return None


def _slot_of(feed: Feed, name: str, published: list[datetime]) -> datetime:
    """The file's own time in UTC, unfloored: by its name, else by its earliest answer."""
    named = _NAMED_TIME.match(name)
    if named is None:
        if not published:
            raise CannotImport("neither the file's name nor any answer in it says the time")
        return min(published)
    try:
        naive = datetime.strptime(named[1], "%Y%m%d_%H%M%S")
    except ValueError:
        raise CannotImport(f"{named[1]} in the file's name is not a time") from None
    local = naive.replace(tzinfo=ZoneInfo(feed.time_zone))
    readings = sorted({local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)})
    if len(readings) == 1:
        return readings[0]
    if not published:
        raise CannotImport(
            f"{named[1]} in the file's name is ambiguous (the clocks changed), and no answer in "
            "it says the offset"
        )
    told = sorted(published)[len(published) // 2]
    return min(readings, key=lambda reading: abs(reading - told))
