"""What one station record came to: states, statuses, rejections, shapes.

Belongs here: that result, and what can be asked of several. Does not belong here: how it is read
(`stations`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from charging_assets.preprocessing.rejects import Rejection, Rejects
from charging_assets.preprocessing.states import State


class Status(NamedTuple):
    """What an EVSE answered in one poll."""

    evse_key: int
    evse_uid: str
    status: str | None
    parking_status: str | None
    overrides: str | None


# Names of fields that are remembered of a record, and of all records of a place's hour: each
# distinct set of names counts. Real records have some hundred.
MAX_NAMES = 50_000

Shapes = frozenset[frozenset[str]]
NO_SHAPE: Shapes = frozenset()
# Of records of which nothing was rejected.
NO_REJECTS = Rejects()


@dataclass(slots=True)
class FlatStation:
    """What one station record came to. Counts are of records in, whatever became of them.

    `evse_pointers` state where each EVSE stands in the record, `connector_sources` the same of each
    connector, and its status. `shape` holds the pointers of the fields of each record in it, and
    `unknown` those of them that are not known; `repaired` are pointers of repaired statuses.
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
    _keys: tuple[int | None, tuple[int, ...], tuple[int, ...]] | None = None
    _shapes: set[frozenset[str]] = field(default_factory=set)
    _name_count: int = 0

    @property
    def rejections(self) -> list[Rejection]:
        """What is listed of the record's rejects."""
        return self.rejects.listed

    @property
    def is_rejected(self) -> bool:
        """Whether there is no row of it. Its EVSEs may be there without it, never the reverse."""
        return self.station is None and not self.evses

    @property
    def keys(self) -> tuple[int | None, tuple[int, ...], tuple[int, ...]]:
        """The keys of the station, of its EVSEs and of their connectors; once it is read."""
        if self._keys is None:
            self._keys = (
                self.station and self.station.key,
                tuple([status.evse_key for status in self.statuses]),
                tuple([connector.key for connector in self.connectors]),
            )
        return self._keys

    def add_shapes(self, shapes: Sequence[frozenset[str]], unknown: tuple[str, ...]) -> None:
        """Add the shapes of a record's parts, the first of which has the unknown names."""
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
        """Give back what only reading needs; `shape` is one object for all that have the same."""
        shape = frozenset(self._shapes)
        self.shape = _the_same(shape) if self._name_count <= _FEW_NAMES else shape
        self._shapes, self.repaired = _NO_NAMES, _NO_NAMES
        # One empty list for all of them: there may be millions of records without parts.
        self.evses, self.statuses = self.evses or _NOTHING, self.statuses or _NOTHING
        self.connectors = self.connectors or _NOTHING
        self.evse_pointers = self.evse_pointers or _NOTHING
        self.connector_sources = self.connector_sources or _NOTHING
        if self.rejects:
            self.rejects.close()
        else:
            self.rejects = NO_REJECTS
        return self


# More names than real records have: their shapes are not worth remembering.
_FEW_NAMES = 1000
# Never to be changed.
_NO_NAMES: set[Any] = set()
_NOTHING: list[Any] = []


def names_in(shape: Shapes) -> int:
    """How many names a shape has, those of several records several times."""
    return sum(map(len, shape))


@lru_cache(maxsize=1024)
def _the_same(shapes: frozenset[frozenset[str]]) -> frozenset[frozenset[str]]:
    """The first of equal sets, so that they are told apart by identity."""
    return shapes


def repeats_a_key(stations: list[FlatStation]) -> bool:
    """Whether two records of an answer, or of one record's parts, have one key."""
    keys = [state.key for station in stations if (state := station.station)]
    evses = [status.evse_key for station in stations for status in station.statuses]
    connectors = [state.key for station in stations for state in station.connectors]
    return any(len(set(found)) < len(found) for found in (keys, evses, connectors))
