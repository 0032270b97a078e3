"""Plan an import: decide the place and time of every file before anything is archived.

Raw objects are never moved, so nothing is guessed. An ambiguity that an option must resolve (is the
place the folder or the file's name, which zone are the names in) is a doubt and refuses the whole
import. A damaged file, or one of unknown form, is a problem of that file; the others are imported.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from charging_assets import names
from charging_assets.acquisition.import_contents import (
    Doubt,
    ImportRefused,
    MemberChoice,
    choose_places,
    read_contents,
)
from charging_assets.acquisition.import_paths import NotATime, read_path
from charging_assets.acquisition.import_places import PlaceFrom, chosen_place, decide_places
from charging_assets.acquisition.import_times import TimesFrom, decide_times
from charging_assets.acquisition.planned_file import PlannedFile
from charging_assets.acquisition.source_files import MAX_FILE_BYTES, SourceFile, read_source_files
from charging_assets.sources.feeds import Feed
from charging_assets.text import printable


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
            chosen_place(file.reading, source, self.feed)
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
    decide_times(files, feed, names_in, times_from)
    decide_places(files, feed, place_from)


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
