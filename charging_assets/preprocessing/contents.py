"""Clean the fields that many records share only once.

A record has *volatile* fields (ids, status), which differ from record to record and from poll to
poll, and a *content*, which is everything else: most connectors are the same 22 kW socket, and most
EVSEs do not change within an hour. Clean contents are cached by their published JSON. The cache
changes speed only, never a value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from charging_assets.preprocessing.caches import MAX_ENTRY_BYTES, Cache
from charging_assets.preprocessing.clean import BadValue, cleaner
from charging_assets.preprocessing.records import RecordReader, Shape
from charging_assets.schemas.table import Column
from charging_assets.sources import RecordMap

Problem = tuple[str, str, Any]

_ABSENT = object()
# Columns in which line breaks and indentation are intended.
FREE_TEXT = frozenset({"directions", "comment"})
# Characters of a text with surplus white space that are kept: it may be as long as the response.
_MAX_UNTRIMMED_LENGTH = 200


def is_untrimmed(text: str) -> bool:
    """Whether a published text has leading, trailing or repeated white space."""
    return text != " ".join(text.split())


class Content(NamedTuple):
    """The clean values of a content in column order; volatile columns are None.

    `published` is the content as JSON, which is the cache key; None if the content is not valid
    JSON or too large to cache. `untrimmed` are its texts with surplus white
    space, as (column, text).
    """

    values: tuple[Any, ...]
    extra: str | None
    shape: Shape
    problems: tuple[Problem, ...]
    published: bytes | None
    untrimmed: tuple[tuple[str, str], ...] = ()


class Reading(NamedTuple):
    """One record as read: values, content, pointers of its fields, and problems."""

    values: list[Any]
    content: Content
    pointers: tuple[frozenset[str], frozenset[str]]
    problems: tuple[Problem, ...]


class ContentReader:
    """Reads records of one entity; `volatile` are the names of the volatile columns."""

    def __init__(
        self,
        record_map: RecordMap,
        columns: Sequence[Column],
        level: str,
        volatile: Collection[str],
    ) -> None:
        paths, units = record_map.paths, record_map.units
        self._reader = RecordReader(record_map, columns, level)
        self._volatile = tuple(
            (index, paths[column.name], cleaner(column, units.get(column.name)))
            for index, column in enumerate(columns)
            if column.name in volatile and column.name in paths and "." not in paths[column.name]
        )
        children = (record_map.children,) if record_map.children else ()
        self._excluded = (*(name for _, name, _ in self._volatile), *children)
        self._texts = [(name, path.split(".")) for name, path in paths.items()
                       if name not in FREE_TEXT]  # fmt: skip
        self._contents = Cache()
        self._pointers: dict[tuple[str, ...], frozenset[str]] = {}

    def read(self, record: dict[str, Any]) -> Reading:
        """Read a record; a bad value is None and listed in the problems."""
        rest = record.copy()
        present = tuple([name for name in self._excluded if rest.pop(name, _ABSENT) is not _ABSENT])
        content = self._content(rest)
        values, problems = list(content.values), content.problems
        for index, name, clean in self._volatile:
            value = record.get(name)
            if value is not None:
                try:
                    values[index] = clean(value)
                except BadValue as error:
                    problems = (*problems, (f"/{name}", error.code, value))
        return Reading(
            values, content, (content.shape.pointers, self._pointers_of(present)), problems
        )

    def _content(self, rest: dict[str, Any]) -> Content:
        try:
            published = msgspec.json.encode(rest)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return self._clean(rest, None)
        content: Content | None = self._contents.entries.get(published)
        if content is None:
            weight = 1000 + 3 * len(published)
            if weight > MAX_ENTRY_BYTES:
                return self._clean(rest, None)
            content = self._clean(rest, published)
            self._contents.add(published, content, weight)
        return content

    def _clean(self, rest: dict[str, Any], published: bytes | None) -> Content:
        problems: list[Problem] = []

        def report(pointer: str, code: str, value: Any) -> None:
            problems.append((pointer, code, value))

        values = self._reader.read(rest, report)
        shape = self._reader.shape(rest)
        extra = self._reader.extra(rest, shape, report) if shape.unknown else None  # noqa: S610
        untrimmed = tuple(self._find_untrimmed(rest))
        return Content(tuple(values), extra, shape, tuple(problems), published, untrimmed)

    def _find_untrimmed(self, rest: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for column, path in self._texts:
            value: Any = rest
            for name in path:
                value = value.get(name) if isinstance(value, dict) else None
            if isinstance(value, str) and is_untrimmed(value):
                yield column, value[:_MAX_UNTRIMMED_LENGTH]

    def _pointers_of(self, present: tuple[str, ...]) -> frozenset[str]:
        pointers = self._pointers.get(present)
        if pointers is None:
            shape = self._reader.shape(dict.fromkeys(present))
            pointers = self._pointers[present] = shape.pointers
        return pointers
