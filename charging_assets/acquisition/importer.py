"""Import the archives of other data collectors, such as the original project's, as raw objects.

Files are read twice: for the plan (`import_plan`), which decides the place and time of each, and to
archive them. Bodies are not kept in memory in between and are archived byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from charging_assets.acquisition.import_contents import ImportRefused, MemberChoice, bodies_of
from charging_assets.acquisition.import_places import PlaceFrom
from charging_assets.acquisition.import_plan import (
    ImportPlan,
    decide,
    plan_file,
    plan_import,
    read_files,
)
from charging_assets.acquisition.import_times import TimesFrom
from charging_assets.acquisition.planned_file import PlannedFile
from charging_assets.archive.raw_archive import archive
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.lake.store import Lake
from charging_assets.sources.feeds import Feed

__all__ = [
    "ImportRefused",
    "ImportReport",
    "PlaceSpan",
    "execute_import",
    "import_paths",
    "read_file",
    "report_of",
]


@dataclass
class PlaceSpan:
    """A place in an import: the number of its polls, and the first and last of them (UTC)."""

    polls: int
    first: datetime
    last: datetime
    is_configured: bool


@dataclass
class ImportReport:
    """Result of an import: raw objects by file, new (`imported`) and `existing`, problems.

    `passed_over` are files of other types, which are not read. `fields` are the members of files
    that are not places; they are not archived. `refused` states by file why nothing was imported.
    `places` are those of all new and existing files.
    """

    imported: dict[str, str] = field(default_factory=dict)
    existing: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
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
    """Import files, folders of files and zips. Importing the same files again changes nothing.

    If anything is ambiguous, nothing is archived: `refused` of the report states why.
    """
    plan = plan_import(feed, paths, names_in, place_from, members=members, times_from=times_from)
    return execute_import(lake, plan, progress)


def execute_import(
    lake: Lake, plan: ImportPlan, progress: Callable[[str], None] = lambda _: None
) -> ImportReport:
    """Archive the planned files, unless anything is ambiguous; the files are read again."""
    report = report_of(plan)
    if report.refused:
        return report
    for file, (_, source) in zip(plan.files, read_files(plan), strict=False):
        if not file.is_importable:
            continue
        progress(file.name)
        content = source.content or b""
        if hashlib.sha256(content).digest() != file.digest:
            report.problems[file.path] = "it changed during the import; import it again"
            continue
        key, is_new = archive(lake, *_poll(plan.feed, file, content, source.received_sha256))
        (report.imported if is_new else report.existing)[file.path] = key
    archived = {**report.imported, **report.existing}
    for file in plan.files:
        if file.is_importable and file.path not in archived and file.path not in report.problems:
            report.problems[file.path] = "it disappeared during the import; import it again"
    return report


def report_of(plan: ImportPlan) -> ImportReport:
    """The report of a plan before anything is archived."""
    report = ImportReport(refused=plan.doubts)
    for file in plan.files:
        if file.problem is not None:
            report.problems[file.path] = file.problem
        elif file.is_skipped:
            report.skipped.append(file.path)
        elif file.is_importable:
            _count_places(report, file, plan.feed)
            if file.contents and file.contents.fields:
                report.fields[file.path] = file.contents.fields
    report.places = dict(sorted(report.places.items()))
    return report


def read_file(
    feed: Feed, name: str, content: bytes, names_in: str | None = None
) -> tuple[Poll, list[PlaceResponse]]:
    """Read a single file as a poll; ImportRefused if its form is not supported.

    `names_in` is the time zone of times in names, by default the feed's.
    """
    file = plan_file(feed, name, name, content, ())
    decide([file], feed, names_in, None)
    if reason := file.problem or file.doubt:
        raise ImportRefused(reason)
    return _poll(feed, file, content)


def _poll(
    feed: Feed, file: PlannedFile, content: bytes, received_sha256: str | None = None
) -> tuple[Poll, list[PlaceResponse]]:
    assert file.slot_at is not None
    assert file.contents is not None
    bodies = bodies_of(content, file.contents.slugs, file.place)
    poll = Poll(
        feed=feed.name,
        kind=feed.kind,
        slot_at=file.slot_at,
        cadence_s=int(feed.cadence.total_seconds()),
        time_zone=feed.time_zone,
        place_slugs=tuple(bodies),
        started_at=file.slot_at,
        ended_at=file.slot_at,
        # Without a version: a later release must not archive the same file again.
        program="charging_assets import",
        is_imported=True,
        origin=file.name,
    )
    return poll, [
        PlaceResponse(slug=slug, outcome="ok", body=body, received_sha256=received_sha256)
        for slug, body in bodies.items()
    ]


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
