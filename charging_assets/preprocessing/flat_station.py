"""The result of reading one station record: states, statuses, rejects and shapes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from charging_assets.preprocessing.rejects import Rejection, Rejects
from charging_assets.preprocessing.states import State


class Status(NamedTuple):
    """The status of an EVSE in one poll; `changed_at` is the source's time of its last change."""

    evse_key: int
    evse_uid: str
    status: str | None
    status_published: str | None
    parking_status: str | None
    overrides: str | None
    changed_at: datetime | None = None

    @property
    def state(self) -> tuple[str | None, ...]:
        """What is equal in all polls of a run."""
        return self[2:6]


# Limit of field names stored for one record, and for all records of a place's hour; each distinct
# set of names counts. Real records have a few hundred.
MAX_NAMES = 50_000

Shapes = frozenset[frozenset[str]]
NO_SHAPE: Shapes = frozenset()
# Shared by all records without rejects.
NO_REJECTS = Rejects()


@dataclass(slots=True)
class FlatStation:
    """The result of reading one station record.

    Counts include rejected records. `evse_pointers` has the position of each EVSE in the record,
    `connector_sources` the position and status of each connector. `shape` has the pointers of the
    fields of the station and of each part, `unknown` those that the kind's map does not list;
    `repaired` has the pointers of repaired statuses. `untrimmed` are the station's texts with
    surplus white space, as (column, text).
    """

    station: State | None = None
    evses: list[State] = field(default_factory=list)
    connectors: list[State] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    evse_pointers: list[str] = field(default_factory=list)
    connector_sources: list[tuple[str, str | None]] = field(default_factory=list)
    rejects: Rejects = field(default_factory=Rejects)
    shape: Shapes = NO_SHAPE
    unknown: Collection[tuple[str, ...]] = ()
    repaired: set[str] = field(default_factory=set)
    evse_count: int = 0
    connector_count: int = 0
    untrimmed: tuple[tuple[str, str], ...] = ()
    _keys: tuple[int | None, tuple[int, ...], tuple[int, ...]] | None = None
    _shapes: set[frozenset[str]] = field(default_factory=set)
    _name_count: int = 0

    @property
    def rejections(self) -> list[Rejection]:
        """The record's listed rejections."""
        return self.rejects.listed

    @property
    def is_rejected(self) -> bool:
        """Whether the record has no rows. EVSEs may have rows although their station has none."""
        return self.station is None and not self.evses

    @property
    def keys(self) -> tuple[int | None, tuple[int, ...], tuple[int, ...]]:
        """The keys of the station, of its EVSEs and of their connectors, computed once."""
        if self._keys is None:
            self._keys = (
                self.station and self.station.key,
                tuple([status.evse_key for status in self.statuses]),
                tuple([connector.key for connector in self.connectors]),
            )
        return self._keys

    def with_statuses(
        self, statuses: list[Status], connector_sources: list[tuple[str, str | None]]
    ) -> FlatStation:
        """The result of a record that differs in nothing but statuses; it has no rejects."""
        return FlatStation(
            self.station,
            self.evses,
            self.connectors,
            statuses,
            self.evse_pointers,
            connector_sources,
            self.rejects,
            self.shape,
            self.unknown,
            self.repaired,
            self.evse_count,
            self.connector_count,
            self.untrimmed,
            self._keys,
        )

    def add_shapes(self, shapes: Sequence[frozenset[str]], unknown: tuple[str, ...]) -> None:
        """Add the shapes of a record's parts; the first shape has the unknown names."""
        if not unknown and self._shapes.issuperset(shapes):
            return
        for number, shape in enumerate(shapes):
            if shape not in self._shapes:
                if self._name_count + len(shape) > MAX_NAMES:
                    continue
                self._shapes.add(shape)
                self._name_count += len(shape)
            if unknown and number == 0:
                if not isinstance(self.unknown, set):
                    self.unknown = set()
                self.unknown.add(unknown)

    def finish(self) -> FlatStation:
        """Release what only reading needs; equal shapes become one shared object."""
        shape = frozenset(self._shapes)
        self.shape = _intern(shape) if self._name_count <= _MAX_INTERNED_NAMES else shape
        self._shapes, self.repaired = _EMPTY_SET, _EMPTY_SET
        # One shared empty list: there may be millions of records without parts.
        self.evses, self.statuses = self.evses or _EMPTY_LIST, self.statuses or _EMPTY_LIST
        self.connectors = self.connectors or _EMPTY_LIST
        self.evse_pointers = self.evse_pointers or _EMPTY_LIST
        self.connector_sources = self.connector_sources or _EMPTY_LIST
        if self.rejects:
            self.rejects.close()
        else:
            self.rejects = NO_REJECTS
        return self


# Larger shapes are not interned: real records have fewer names.
_MAX_INTERNED_NAMES = 1000
# Shared and never changed.
_EMPTY_SET: set[Any] = set()
_EMPTY_LIST: list[Any] = []


def count_names(shape: Shapes) -> int:
    """Count the names of a shape; a name that several records have counts several times."""
    return sum(map(len, shape))


@lru_cache(maxsize=1024)
def _intern(shapes: frozenset[frozenset[str]]) -> frozenset[frozenset[str]]:
    """Return the first of equal sets, so that sets can be compared by identity."""
    return shapes


def has_repeated_key(stations: list[FlatStation]) -> bool:
    """Whether two records of an answer, or of one record's parts, have one key."""
    keys = [state.key for station in stations if (state := station.station)]
    evses = [status.evse_key for station in stations for status in station.statuses]
    connectors = [state.key for station in stations for state in station.connectors]
    return any(len(set(level_keys)) < len(level_keys) for level_keys in (keys, evses, connectors))
