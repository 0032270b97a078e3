"""One published record to clean values, by the record map of its kind.

Belongs here: walking a record along its map, nested fields, unknown fields. Does not belong here:
which entity a record is, or how entities hang together (`stations`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from charging_assets.kinds import RecordMap
from charging_assets.kinds.tolerant import MAX_NAME, pointer_token
from charging_assets.preprocessing.caches import Cache
from charging_assets.preprocessing.clean import BadValue, Cleaner, canonical, cleaner, tidy_json
from charging_assets.schemas.table import Column

Report = Callable[[str, str, Any], None]
_Name = str | tuple[str, str]

# A record with more fields than this has too many for `extra`; those after them are no part of its
# shape. (In 64 KiB there is room for 9,000.)
MAX_FIELDS = 10_000


@dataclass(frozen=True)
class Shape:
    """What a record's field names say: pointers of all, and which are unknown.

    A name is a path: of one field, or of two where the second stands under a known group.
    """

    pointers: frozenset[str]
    unknown: tuple[_Name, ...]
    unknown_pointers: tuple[str, ...]


@dataclass(frozen=True)
class _Group:
    """The columns that stand under one field of the record."""

    parent: str
    fields: tuple[tuple[int, str, Cleaner], ...]
    known: frozenset[str]


class RecordReader:
    """Reads records of one entity: values in the order of `columns`, None where there is none.

    `level` is the entity's place in the answer (`/data/*`), for the pointers of its fields.
    """

    def __init__(self, record_map: RecordMap, columns: Sequence[Column], level: str = "") -> None:
        paths, units = record_map.paths, record_map.units
        fields = [
            (place, paths[column.name].split("."), cleaner(column, units.get(column.name)))
            for place, column in enumerate(columns)
            if column.name in paths
        ]
        self._level = level
        self._width = len(columns)
        self._top = tuple(
            (place, path[0], clean) for place, path, clean in fields if len(path) == 1
        )
        self._groups = _groups([field for field in fields if len(field[1]) == 2])
        children = {record_map.children} if record_map.children else set()
        mapped = {path.split(".")[0] for path in paths.values()}
        self._known = frozenset(mapped | record_map.ignored | children)
        self._shapes = Cache()

    def read(self, record: dict[str, Any], report: Report) -> list[Any]:
        """The clean values; a bad one is None and reported with pointer, code and value."""
        values: list[Any] = [None] * self._width
        get = record.get
        for place, name, clean in self._top:
            value = get(name)
            if value is not None:
                try:
                    values[place] = clean(value)
                except BadValue as bad:
                    report(f"/{name}", bad.code, value)
        for group in self._groups:
            inner = get(group.parent)
            if isinstance(inner, dict):
                _read_group(group, inner, values, report)
            elif inner is not None:
                report(f"/{group.parent}", "not_an_object", inner)
        return values

    def shape(self, record: dict[str, Any]) -> Shape:
        """The record's field names, looked up once for each set of names."""
        names: tuple[_Name, ...] = tuple(islice(record, MAX_FIELDS))
        for group in self._groups:
            inner = record.get(group.parent)
            if isinstance(inner, dict):
                names = (*names, *((group.parent, name) for name in islice(inner, MAX_FIELDS)))
        found: Shape | None = self._shapes.entries.get(names)
        if found is None:
            found = self._shape(names)
            characters = sum(len(name) if isinstance(name, str) else len(name[1]) for name in names)
            self._shapes.add(names, found, 1000 + 300 * len(names) + 2 * characters)
        return found

    def extra(self, record: dict[str, Any], shape: Shape, report: Report) -> str | None:
        """The unknown fields that hold something, as canonical JSON."""
        held: dict[str, Any] = {}
        inner = [record.get(group.parent) for group in self._groups]
        if any(isinstance(each, dict) and len(each) > MAX_FIELDS for each in (record, *inner)):
            report("", "extra_too_long", None)
            return None
        for name in shape.unknown:
            if isinstance(name, str):
                if record[name] is not None:
                    held[name] = record[name]
            elif record[name[0]][name[1]] is not None:
                held.setdefault(name[0], {})[name[1]] = record[name[0]][name[1]]
        if not held:
            return None
        try:
            return canonical(tidy_json(held))
        except BadValue as bad:
            report("", f"extra_{bad.code}", None)
            return None

    def _shape(self, names: tuple[_Name, ...]) -> Shape:
        inner_known = {(g.parent, name) for g in self._groups for name in g.known}
        known = self._known | inner_known
        unknown = tuple(name for name in names if name not in known)
        return Shape(
            frozenset(self._pointer(name) for name in names),
            unknown,
            tuple(self._pointer(name) for name in unknown),
        )

    def _pointer(self, name: _Name) -> str:
        path = (name,) if isinstance(name, str) else name
        return "/".join((self._level, *(pointer_token(part[:MAX_NAME]) for part in path)))


def _read_group(group: _Group, inner: dict[str, Any], values: list[Any], report: Report) -> None:
    for place, name, clean in group.fields:
        value = inner.get(name)
        if value is not None:
            try:
                values[place] = clean(value)
            except BadValue as bad:
                report(f"/{group.parent}/{name}", bad.code, value)


def _groups(fields: list[tuple[int, list[str], Cleaner]]) -> tuple[_Group, ...]:
    parents = sorted({path[0] for _, path, _ in fields})
    return tuple(
        _Group(
            parent,
            tuple((place, path[1], clean) for place, path, clean in fields if path[0] == parent),
            frozenset(path[1] for _, path, _ in fields if path[0] == parent),
        )
        for parent in parents
    )
