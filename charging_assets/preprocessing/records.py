"""Read one published record into clean values, following the record map of its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from charging_assets.preprocessing.caches import Cache
from charging_assets.preprocessing.clean import (
    BadValue,
    Cleaner,
    canonical,
    cleaner,
    strip_control_json,
)
from charging_assets.schemas.flat import EXTRA
from charging_assets.schemas.table import Column
from charging_assets.sources import RecordMap
from charging_assets.sources.tolerant import MAX_NAME, pointer_token

Report = Callable[[str, str, Any], None]
_Name = str | tuple[str, str]

# A record with more fields has no `extra`, and further fields are not part of its shape. (64 KiB
# have room for 9,000 fields.)
MAX_FIELDS = 10_000


@dataclass(frozen=True)
class Shape:
    """The pointers of a record's fields, and which fields are unknown.

    A name is a path of one field, or of two where the second is inside a known group.
    """

    pointers: frozenset[str]
    unknown: tuple[_Name, ...]
    unknown_pointers: tuple[str, ...]


@dataclass(frozen=True)
class _Group:
    """The columns that are inside one field of the record."""

    parent: str
    fields: tuple[tuple[int, str, Cleaner], ...]
    mapped: frozenset[str]


class RecordReader:
    """Reads records of one entity: values in the order of `columns`, None for a missing value.

    `level` is the entity's position in the answer (`/data/*`), for the pointers of its fields.
    """

    def __init__(self, record_map: RecordMap, columns: Sequence[Column], level: str = "") -> None:
        paths, units = record_map.paths, record_map.units
        fields = [
            (index, paths[column.name].split("."), cleaner(column, units.get(column.name)))
            for index, column in enumerate(columns)
            if column.name in paths
        ]
        self._level = level
        self._width = len(columns)
        self._top = tuple(
            (index, path[0], clean) for index, path, clean in fields if len(path) == 1
        )
        self._groups = _groups([field for field in fields if len(field[1]) == 2])
        children = {record_map.children} if record_map.children else set()
        mapped_names = {path.split(".")[0] for path in paths.values()}
        self._mapped_names = frozenset(mapped_names | record_map.ignored | children)
        self._shapes = Cache()

    def read(self, record: dict[str, Any], report: Report) -> list[Any]:
        """Read the clean values; a bad value is None and reported with pointer, code and value."""
        values: list[Any] = [None] * self._width
        get = record.get
        for index, name, clean in self._top:
            value = get(name)
            if value is not None:
                try:
                    values[index] = clean(value)
                except BadValue as error:
                    report(f"/{name}", error.code, value)
        for group in self._groups:
            inner = get(group.parent)
            if isinstance(inner, dict):
                _read_group(group, inner, values, report)
            elif inner is not None:
                report(f"/{group.parent}", "not_an_object", inner)
        return values

    def shape(self, record: dict[str, Any]) -> Shape:
        """The shape of the record's field names, computed once per set of names."""
        names: tuple[_Name, ...] = tuple(islice(record, MAX_FIELDS))
        for group in self._groups:
            inner = record.get(group.parent)
            if isinstance(inner, dict):
                names = (*names, *((group.parent, name) for name in islice(inner, MAX_FIELDS)))
        shape: Shape | None = self._shapes.entries.get(names)
        if shape is None:
            shape = self._shape(names)
            characters = sum(len(name) if isinstance(name, str) else len(name[1]) for name in names)
            self._shapes.add(names, shape, 1000 + 300 * len(names) + 2 * characters)
        return shape

    def extra(self, record: dict[str, Any], shape: Shape, report: Report) -> str | None:
        """The non-null unknown fields as canonical JSON."""
        extra: dict[str, Any] = {}
        inner = [record.get(group.parent) for group in self._groups]
        if any(isinstance(each, dict) and len(each) > MAX_FIELDS for each in (record, *inner)):
            report("", "extra_too_long", None)
            return None
        for name in shape.unknown:
            if isinstance(name, str):
                if record[name] is not None:
                    extra[name] = record[name]
            elif record[name[0]][name[1]] is not None:
                extra.setdefault(name[0], {})[name[1]] = record[name[0]][name[1]]
        if not extra:
            return None
        try:
            return canonical(strip_control_json(extra), EXTRA.length)
        except BadValue as error:
            report("", f"extra_{error.code}", None)
            return None

    def _shape(self, names: tuple[_Name, ...]) -> Shape:
        mapped_inside_groups = {
            (group.parent, name) for group in self._groups for name in group.mapped
        }
        mapped = self._mapped_names | mapped_inside_groups
        unknown = tuple(name for name in names if name not in mapped)
        return Shape(
            frozenset(self._pointer(name) for name in names),
            unknown,
            tuple(self._pointer(name) for name in unknown),
        )

    def _pointer(self, name: _Name) -> str:
        path = (name,) if isinstance(name, str) else name
        return "/".join((self._level, *(pointer_token(part[:MAX_NAME]) for part in path)))


def _read_group(group: _Group, inner: dict[str, Any], values: list[Any], report: Report) -> None:
    for index, name, clean in group.fields:
        value = inner.get(name)
        if value is not None:
            try:
                values[index] = clean(value)
            except BadValue as error:
                report(f"/{group.parent}/{name}", error.code, value)


def _groups(fields: list[tuple[int, list[str], Cleaner]]) -> tuple[_Group, ...]:
    parents = sorted({path[0] for _, path, _ in fields})
    return tuple(
        _Group(
            parent,
            tuple((index, path[1], clean) for index, path, clean in fields if path[0] == parent),
            frozenset(path[1] for _, path, _ in fields if path[0] == parent),
        )
        for parent in parents
    )
