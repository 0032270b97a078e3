"""Import archives of other collectors, as the original project's, as raw objects.

Files are read twice: for a plan (`import_plan`), which decides the place and time of each, and for
archiving what was planned. No body is kept in memory in between. Bodies are archived byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from charging_assets.acquisition.archive import archive
from charging_assets.acquisition.feeds import Feed
from charging_assets.acquisition.file_contents import CannotImport, MemberChoice, bodies_of
from charging_assets.acquisition.import_plan import (
    ImportPlan,
    PlaceFrom,
    PlannedFile,
    TimesFrom,
    decide,
    files_of,
    plan_import,
    read_one,
)
from charging_assets.acquisition.raw_objects import Place, Poll
from charging_assets.storage.lake import Lake

__all__ = [
    "CannotImport",
    "ImportReport",
    "PlaceSpan",
    "execute_import",
    "import_paths",
    "read_file",
    "report_of",
]


@dataclass
class PlaceSpan:
    """A place that an import makes: its polls, and the first and last of them (UTC)."""

    polls: int
    first: datetime
    last: datetime
    is_configured: bool


@dataclass
class ImportReport:
    """What an import did: new objects by file, files that were there already, and problems.

    `passed_over` are other files, of forms that are not read. `fields` are members of
    files that are no places' answers, and were left out. `refused` states by file why nothing was
    imported. `places` are those of all files that are imported or were there already.
    """

    imported: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    places: dict[str, PlaceSpan] = field(default_factory=dict)


def import_paths(
    lake: Lake,
    feed: Feed,
    paths: Iterable[Path],
    names_in: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
    *,
    place_from: PlaceFrom | None = None,
    members: Mapping[str, MemberChoice] | None = None,
    times_from: TimesFrom | None = None,
) -> ImportReport:
    """Import files, folders of files and zips. Importing the same again changes nothing.

    Where anything would have to be guessed nothing is archived: `refused` of the report states why.
    """
    plan = plan_import(feed, paths, names_in, place_from, members=members, times_from=times_from)
    return execute_import(lake, plan, progress)


def execute_import(
    lake: Lake, plan: ImportPlan, progress: Callable[[str], None] = lambda _: None
) -> ImportReport:
    """Archive what was planned, if nothing is in doubt; the files are read again."""
    report = report_of(plan)
    if report.refused:
        return report
    for file, (_, found) in zip(plan.files, files_of(plan), strict=False):
        if not file.is_importable:
            continue
        progress(file.name)
        content = found.content or b""
        if hashlib.sha256(content).digest() != file.digest:
            report.problems[file.path] = "it changed during the import; import it again"
            continue
        key, is_new = archive(lake, *_poll(plan.feed, file, content))
        (report.imported if is_new else report.known)[file.path] = key
    done = {**report.imported, **report.known}
    for file in plan.files:
        if file.is_importable and file.path not in done and file.path not in report.problems:
            report.problems[file.path] = "it was gone during the import; import it again"
    return report


def report_of(plan: ImportPlan) -> ImportReport:
    """What a plan would do, with nothing archived."""
    report = ImportReport(refused=plan.doubts)
    for file in plan.files:
        if file.problem is not None:
            report.problems[file.path] = file.problem
        elif file.is_passed_over:
            report.passed_over.append(file.path)
        elif file.is_importable:
            _count_places(report, file, plan.feed)
            if file.contents and file.contents.fields:
                report.fields[file.path] = file.contents.fields
    report.places = dict(sorted(report.places.items()))
    return report


def read_file(
    feed: Feed, name: str, content: bytes, names_in: str | None = None
) -> tuple[Poll, list[Place]]:
    """A file by itself as a poll at its own time; CannotImport if it is of no form that is read.

    `names_in` is the time zone of times in names, by default the feed's.
    """
    file = read_one(feed, name, name, content, ())
    decide([file], feed, names_in, None)
    if reason := file.problem or file.doubt:
        raise CannotImport(reason)
    return _poll(feed, file, content)


def _poll(feed: Feed, file: PlannedFile, content: bytes) -> tuple[Poll, list[Place]]:
    assert file.slot_at is not None
    assert file.contents is not None
    bodies = bodies_of(content, file.contents.slugs, file.place)
    poll = Poll(
        feed=feed.name,
        kind=feed.kind,
        slot_at=file.slot_at,
        cadence_s=int(feed.cadence.total_seconds()),
        time_zone=feed.time_zone,
        asked=tuple(bodies),
        started_at=file.slot_at,
        ended_at=file.slot_at,
        # Without a version: importing the same file by a later release must change nothing.
        program="charging_assets import",
        is_imported=True,
        origin=file.name,
    )
    return poll, [Place(slug=slug, outcome="ok", body=body) for slug, body in bodies.items()]


def _count_places(report: ImportReport, file: PlannedFile, feed: Feed) -> None:
    assert file.slot_at is not None
    for slug in file.slugs:
        place = report.places.get(slug)
        if place is None:
            report.places[slug] = PlaceSpan(1, file.slot_at, file.slot_at, slug in feed.places)
        else:
            place.polls += 1
            place.first = min(place.first, file.slot_at)
            place.last = max(place.last, file.slot_at)
