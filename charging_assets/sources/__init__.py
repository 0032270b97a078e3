"""Feed kinds: the URL and response format of one family of APIs.

Belongs here: the `Kind` protocol, the look-up by name, and one module per kind (`chargecloud`); a
new kind needs no change elsewhere. Does not belong here: the list of feeds (`sources.feeds`),
HTTP, or the cleaning of values (`preprocessing`).

A kind defines three things: the URL of a place, how response bodies are split into station records,
and the mapping of fields to columns. Cleaning is common to all kinds. A kind whose API has pages,
conditional requests or queues also defines `requests` (`paging`).
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, Protocol, cast

import msgspec

from charging_assets import names
from charging_assets.schemas import flat, units

_UNIT = re.compile(r"\[([^\[\]]*)\]$")


class BadBody(Exception):
    """A body is not a valid response of its kind. `code` is the error code of the reject."""

    def __init__(self, code: str, message: str, fragment: bytes | str = "", pointer: str = ""):
        super().__init__(message)
        self.code, self.fragment, self.pointer = code, fragment, pointer


class UnusableKind(ValueError):
    """A kind cannot be used: there is no such module, or it is not a kind."""


@dataclass(frozen=True)
class Envelope:
    """Parsed bodies: the source's own timestamp as published, and its unparsed station records.

    `stations` has the JSON of each record, as bytes or, without a copy, as `msgspec.Raw`; `pointer`
    is their position in the body. `unknown` are unknown fields of the envelope. A damaged record is
    repaired or rejected when it is parsed, independently of the others. Of a body that is not
    complete (a delta), what it leaves out is unchanged, not absent.
    """

    observed_at: Any
    stations: Sequence[Any]
    pointer: str = "/data"
    unknown: Sequence[str] = ()
    is_complete: bool = True


# Where an id is unique: in the network, in the responses of one place, or in the parent record.
SCOPES = ("network", "place", "parent")


@dataclass(frozen=True)
class RecordMap:
    """The mapping of published fields to columns, for one entity type.

    `columns` maps a column to its path in the record (`coordinates.latitude`). A unit after the
    path, as in `max_electric_power[W]`, is the published unit if it is not that of the column;
    numbers are converted. `children` is the field with child records (the EVSEs of a station).
    Of EVSEs, `status` is required; `status_changed_at` is an ISO 8601 time, UTC without an offset.
    `ignored` are fields that are left out on purpose. All other fields go to `extra`. `within` is
    the scope in which ids are unique, one of `SCOPES`; ids of connectors are always unique within
    their EVSE.
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
        """Column → the unit in its path, if there is one."""
        matches = {name: _UNIT.search(path) for name, path in self.columns.items()}
        return {name: match[1] for name, match in matches.items() if match}


class Kind(Protocol):
    """The names that the module of a kind must define."""

    NAME: str
    STATION: RecordMap
    EVSE: RecordMap
    CONNECTOR: RecordMap

    def url(self, base_url: str, slug: str) -> str:
        """The URL of a place."""

    def split(self, bodies: Sequence[bytes]) -> Envelope:
        """Split the bodies of a poll of a place into station records.

        There is one body for each response, in the order of the requests. Raises BadBody if they
        are not a response of this kind.
        """


_PARTS = ("NAME", "STATION", "EVSE", "CONNECTOR", "url", "split")


def kind(name: str) -> Kind:
    """Load a kind by name: a module of this package, or of any package as `package.module`.

    Raises:
        UnusableKind: there is no such module, it cannot be imported, or it is not a kind.
    """
    # An archive of an earlier version may have longer names than are allowed now.
    if not names.KIND.pattern.fullmatch(name):
        raise UnusableKind(
            f"{name!r} is no name of a feed kind: it is made of {names.KIND.characters}"
        )
    try:
        return _check_kind(name, _import_kind(name))
    except UnusableKind:
        raise
    except Exception as error:  # maps may have any type
        raise UnusableKind(f"feed kind {name!r}: {type(error).__name__}: {error}") from error


def split_bodies(feed_kind: Kind, bodies: Sequence[bytes]) -> Envelope:
    """Parse the bodies of a poll of a place with its kind.

    Raises:
        BadBody: they are not a response of this kind, or the code of the kind fails
            (`kind_failed`). Other places are not affected.
    """
    try:
        envelope = feed_kind.split(bodies)
        stations = list(map(_as_raw, envelope.stations))
        pointer, unknown = str(envelope.pointer), [str(name) for name in envelope.unknown]
        return Envelope(
            envelope.observed_at, stations, pointer, unknown, bool(envelope.is_complete)
        )
    except (BadBody, MemoryError):
        raise
    except Exception as error:
        message = f"kind {feed_kind.NAME}: {type(error).__name__}: {error}"
        raise BadBody("kind_failed", message, message) from error


def split_pages(bodies: Sequence[bytes], split_page: Callable[[bytes], Envelope]) -> Envelope:
    """The envelope of several pages, each split alone: all records, and the first timestamp."""
    pages = [split_page(body) for body in bodies]
    if len(pages) == 1:
        return pages[0]
    if not pages:
        raise BadBody("bad_envelope", "there is no response")
    times = [page.observed_at for page in pages if page.observed_at is not None]
    return Envelope(
        times[0] if times else None,
        [station for page in pages for station in page.stations],
        pages[0].pointer,
        list(dict.fromkeys(name for page in pages for name in page.unknown)),
        all(page.is_complete for page in pages),
    )


def _as_raw(station: object) -> msgspec.Raw:
    if type(station) is msgspec.Raw:
        return station
    if not isinstance(station, bytes):
        raise TypeError("a station record of the envelope is neither bytes nor msgspec.Raw")
    return msgspec.Raw(station)


def _import_kind(name: str) -> ModuleType:
    path = name if "." in name else f"{__name__}.{name}"
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(f"{error.name}.")):
            raise UnusableKind(
                f"no feed kind {name!r}: give 'chargecloud', or the dotted path of a module that "
                "defines NAME, STATION, EVSE, CONNECTOR, url and split"
            ) from None
        raise UnusableKind(
            f"feed kind {name!r} cannot be imported: {error}; install what it needs"
        ) from error
    except (Exception, SystemExit) as error:  # importing runs any code of the module
        raise UnusableKind(
            f"feed kind {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _check_kind(name: str, module: ModuleType) -> Kind:
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        raise UnusableKind(f"feed kind {name!r} lacks {', '.join(missing)}")
    kind_module = cast(Kind, module)
    if "status" not in kind_module.EVSE.columns:
        raise UnusableKind(f"feed kind {name!r}: EVSE.columns lacks status")
    for record_map in (kind_module.STATION, kind_module.EVSE, kind_module.CONNECTOR):
        deep = [path for path in record_map.paths.values() if path.count(".") > 1]
        if deep:
            raise UnusableKind(f"feed kind {name!r}: paths of over two names are not read: {deep}")
        _check_units(name, record_map)
    for part, allowed in (("STATION", SCOPES[:2]), ("EVSE", SCOPES), ("CONNECTOR", SCOPES)):
        within = getattr(kind_module, part).within
        if within not in allowed:
            raise UnusableKind(
                f"feed kind {name!r}: {part}.within cannot be {within!r}: "
                f"give one of {', '.join(allowed)}"
            )
    return kind_module


def maps_version(kind: Kind) -> str:
    """The hash of a kind's maps; flat rows and entity keys depend on it."""
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
    """Whether a kind is part of this package; others have a dotted path as name."""
    return "." not in name


def packaged_kinds() -> list[str]:
    """The names of the kinds in this package, sorted."""
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
