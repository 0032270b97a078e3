"""Contents: what many records share is cleaned once.

Belongs here: remembering clean values by what was published. Does not belong here: cleaning itself
(`records`), or what a record is.

A record has its *own* fields (ids, status), which differ from record to record and from poll to
poll, and a *content*, all the rest: most connectors are the same 22 kW socket, and an EVSE is today
what it was an hour ago. What is remembered changes speed alone, never a value.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from charging_assets.kinds import RecordMap
from charging_assets.preprocessing.caches import LARGEST_BYTES, Cache
from charging_assets.preprocessing.clean import BadValue, cleaner
from charging_assets.preprocessing.records import RecordReader, Shape
from charging_assets.schemas.table import Column

Problem = tuple[str, str, Any]

_ABSENT = object()


class Content(NamedTuple):
    """The clean values of a content, in the order of the columns; own columns are None in it.

    `published` is the content as JSON, by which it is known. None cannot be known again: it is no
    JSON, or too large to remember.
    """

    values: tuple[Any, ...]
    extra: str | None
    shape: Shape
    problems: tuple[Problem, ...]
    published: bytes | None


class Reading(NamedTuple):
    """One record, read: its values, its content, the pointers of its fields, what was bad."""

    values: list[Any]
    content: Content
    pointers: tuple[frozenset[str], frozenset[str]]
    problems: tuple[Problem, ...]


class ContentReader:
    """Reads records of one entity; `own` are the names of the columns that are a record's own."""

    def __init__(
        self, record_map: RecordMap, columns: Sequence[Column], level: str, own: Collection[str]
    ) -> None:
        paths, units = record_map.paths, record_map.units
        self._reader = RecordReader(record_map, columns, level)
        self._own = tuple(
            (place, paths[column.name], cleaner(column, units.get(column.name)))
            for place, column in enumerate(columns)
            if column.name in own and column.name in paths and "." not in paths[column.name]
        )
        children = (record_map.children,) if record_map.children else ()
        self._apart = (*(name for _, name, _ in self._own), *children)
        self._contents = Cache()
        self._pointers: dict[tuple[str, ...], frozenset[str]] = {}

    def read(self, record: dict[str, Any]) -> Reading:
        """The record's values; a bad one is None and among the problems."""
        rest = record.copy()
        present = tuple([name for name in self._apart if rest.pop(name, _ABSENT) is not _ABSENT])
        content = self._content(rest)
        values, problems = list(content.values), content.problems
        for place, name, clean in self._own:
            value = record.get(name)
            if value is not None:
                try:
                    values[place] = clean(value)
                except BadValue as bad:
                    problems = (*problems, (f"/{name}", bad.code, value))
        return Reading(values, content, (content.shape.pointers, self._named(present)), problems)

    def _content(self, rest: dict[str, Any]) -> Content:
        try:
            published = msgspec.json.encode(rest)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return self._cleaned(rest, None)
        found: Content | None = self._contents.entries.get(published)
        if found is None:
            weight = 1000 + 3 * len(published)
            if weight > LARGEST_BYTES:
                return self._cleaned(rest, None)
            found = self._cleaned(rest, published)
            self._contents.add(published, found, weight)
        return found

    def _cleaned(self, rest: dict[str, Any], published: bytes | None) -> Content:
        problems: list[Problem] = []

        def report(pointer: str, code: str, value: Any) -> None:
            problems.append((pointer, code, value))

        values = self._reader.read(rest, report)
        shape = self._reader.shape(rest)
        extra = self._reader.extra(rest, shape, report) if shape.unknown else None  # noqa: S610
        return Content(tuple(values), extra, shape, tuple(problems), published)

    def _named(self, present: tuple[str, ...]) -> frozenset[str]:
        found = self._pointers.get(present)
        if found is None:
            shape = self._reader.shape(dict.fromkeys(present))
            found = self._pointers[present] = shape.pointers
        return found
