"""Feed kinds: how one family of APIs is asked and how its answers are read.

Belongs here: the `Kind` protocol and the look-up by name. One module a kind (`chargecloud`); a
further kind is one module and no change elsewhere. Does not belong here: which feeds of a kind
there are (`acquisition.feeds`), HTTP, or how values are cleaned (`preprocessing`).

A kind says three things: the address of a place, how a body is opened into station records, and
which field of a record is which column. All cleaning is common to every kind.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, Protocol, cast

from charging_assets import names
from charging_assets.schemas import flat, units

_UNIT = re.compile(r"\[([^\[\]]*)\]$")


class BadBody(Exception):
    """A body is not an answer of its kind. `code` is the reject's error code."""

    def __init__(self, code: str, message: str, fragment: bytes | str = "", pointer: str = ""):
        super().__init__(message)
        self.code, self.fragment, self.pointer = code, fragment, pointer


class UnusableKind(ValueError):
    """A kind cannot be used: there is no such module, or it is no kind. The message says why."""


@dataclass(frozen=True)
class Envelope:
    """An opened body: the source's own timestamp as published, and its stations unparsed.

    `stations` holds the JSON of each record; `pointer` is where they stand in the body.
    `unknown` are the envelope's fields that the kind does not know. A record may be damaged: it
    is repaired or rejected by itself, when it is read.
    """

    observed_at: Any
    stations: Sequence[bytes]
    pointer: str = "/data"
    unknown: Sequence[str] = ()


# Where an id is unique: in all of a network, in one place's answers, in the record that holds it.
SCOPES = ("network", "place", "parent")


@dataclass(frozen=True)
class RecordMap:
    """Which published field is which column, for one entity.

    `columns` maps a column to its path in the record (`coordinates.latitude`). A unit behind the
    path, `max_electric_power[W]`, is the one that numbers are published in where that is not the
    column's; they are converted. `children` is the field with the entity's parts (a station's
    EVSEs). `ignored` are fields known and left out on purpose. Whatever else is published goes to
    `extra`. `within` is where an id is unique,
    one of `SCOPES`; a connector's id always is within its EVSE, whatever its map states.
    """

    columns: Mapping[str, str]
    children: str | None = None
    ignored: frozenset[str] = frozenset()
    within: str = "network"

    @cached_property
    def paths(self) -> dict[str, str]:
        """Column → path, without units."""
        return {name: _UNIT.sub("", path) for name, path in self.columns.items()}

    @cached_property
    def units(self) -> dict[str, str]:
        """Column → the unit its path names, for those that name one."""
        matches = {name: _UNIT.search(path) for name, path in self.columns.items()}
        return {name: match[1] for name, match in matches.items() if match}


class Kind(Protocol):
    """What a kind's module must define at its top level."""

    NAME: str
    STATION: RecordMap
    EVSE: RecordMap
    CONNECTOR: RecordMap

    def url(self, base_url: str, slug: str) -> str:
        """The address that is asked for one place."""

    def open(self, body: bytes) -> Envelope:
        """Split a body into station records; BadBody if it is not an answer of this kind."""


_PARTS = ("NAME", "STATION", "EVSE", "CONNECTOR", "url", "open")


def kind(name: str) -> Kind:
    """The kind of a name: a module of this package, or of any package as `package.module`.

    Raises:
        UnusableKind: there is no such module, it cannot be imported, or it is no kind.
    """
    # An archive of an earlier version may have longer names than can be configured now.
    if not names.KIND.pattern.fullmatch(name):
        raise UnusableKind(
            f"{name!r} is no name of a feed kind: it is made of {names.KIND.characters}"
        )
    try:
        return _checked(name, _imported(name))
    except UnusableKind:
        raise
    except Exception as error:  # maps may be anything
        raise UnusableKind(f"feed kind {name!r}: {type(error).__name__}: {error}") from error


def open_body(feed_kind: Kind, body: bytes) -> Envelope:
    """What a kind makes of a body.

    Raises:
        BadBody: it is not an answer of this kind, or the kind's code fails (`kind_failed`), which
            is one place's problem and no other's.
    """
    try:
        envelope = feed_kind.open(body)
        stations = list(envelope.stations)
        if not all(isinstance(station, bytes) for station in stations):
            raise TypeError("a station record of the envelope is not bytes")
        pointer, unknown = str(envelope.pointer), [str(name) for name in envelope.unknown]
        return Envelope(envelope.observed_at, stations, pointer, unknown)
    except (BadBody, MemoryError):
        raise
    except Exception as error:
        message = f"kind {feed_kind.NAME}: {type(error).__name__}: {error}"
        raise BadBody("kind_failed", message, message) from error


def _imported(name: str) -> ModuleType:
    path = name if "." in name else f"{__name__}.{name}"
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(f"{error.name}.")):
            raise UnusableKind(
                f"no feed kind {name!r}: give 'chargecloud', or the dotted path of a module that "
                "defines NAME, STATION, EVSE, CONNECTOR, url and open"
            ) from None
        raise UnusableKind(
            f"feed kind {name!r} cannot be imported: {error}; install what it needs"
        ) from error
    except (Exception, SystemExit) as error:  # it runs whatever is in the module
        raise UnusableKind(
            f"feed kind {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _checked(name: str, module: ModuleType) -> Kind:
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        raise UnusableKind(f"feed kind {name!r} lacks {', '.join(missing)}")
    found = cast(Kind, module)
    if "status" not in found.EVSE.columns:
        raise UnusableKind(f"feed kind {name!r}: EVSE.columns lacks status")
    for record_map in (found.STATION, found.EVSE, found.CONNECTOR):
        deep = [path for path in record_map.paths.values() if path.count(".") > 1]
        if deep:
            raise UnusableKind(f"feed kind {name!r}: paths of over two names are not read: {deep}")
        _check_units(name, record_map)
    for part, allowed in (("STATION", SCOPES[:2]), ("EVSE", SCOPES), ("CONNECTOR", SCOPES)):
        within = getattr(found, part).within
        if within not in allowed:
            raise UnusableKind(
                f"feed kind {name!r}: {part}.within cannot be {within!r}: "
                f"give one of {', '.join(allowed)}"
            )
    return found


def maps_version(kind: Kind) -> str:
    """The hash of what a kind's maps state: flat rows and entity keys depend on it."""
    parts = [
        repr(
            (
                part,
                sorted(of.columns.items()),
                of.children,
                sorted(of.ignored),
                of.within,
            )
        )
        for part, of in (
            ("station", kind.STATION),
            ("evse", kind.EVSE),
            ("connector", kind.CONNECTOR),
        )
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def is_packaged(name: str) -> bool:
    """Whether a kind comes with this package; others are named by a dotted path."""
    return "." not in name


def packaged_kinds() -> list[str]:
    """The names of the kinds that come with this package, sorted."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [
        name
        for name in modules
        if hasattr(importlib.import_module(f"{__name__}.{name}"), "STATION")
    ]


def _check_units(name: str, record_map: RecordMap) -> None:
    for column, unit in record_map.units.items():
        where = f"feed kind {name!r}: {record_map.columns[column]!r} of column {column!r}"
        target = _COLUMN_UNITS.get(column)
        if target is None:
            raise UnusableKind(f"{where}: the column has no unit; leave out [{unit}]")
        try:
            units.factor(unit, target)
        except ValueError as error:
            raise UnusableKind(f"{where}: {error}") from None


_COLUMN_UNITS = {
    column.name: column.unit
    for column in (
        *flat.STATION_ATTRIBUTES,
        *flat.EVSE_ATTRIBUTES,
        *flat.CONNECTOR_ATTRIBUTES,
    )
    if column.unit
}
