"""What one station record came to: states, statuses, rejections, shapes.

Belongs here: that result, and what can be asked of several. Does not belong here: how it is read
(`stations`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

from charging_assets.preprocessing.rejects import Rejection
from charging_assets.preprocessing.states import State


class Status(NamedTuple):
    """What an EVSE answered in one poll."""

    evse_key: int
    evse_uid: str
    status: str | None
    parking_status: str | None
    overrides: str | None


@dataclass
class FlatStation:
    """What one station record came to. Counts are of records in, whatever became of them.

    `evse_pointers` state where each EVSE stands in the record, `connector_sources` the same of each
    connector, and its status.
    """

    station: State | None = None
    evses: list[State] = field(default_factory=list)
    connectors: list[State] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    evse_pointers: list[str] = field(default_factory=list)
    connector_sources: list[tuple[str, str | None]] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    shapes: set[frozenset[str]] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    evse_count: int = 0
    connector_count: int = 0

    @cached_property
    def keys(self) -> tuple[int | None, tuple[int, ...], tuple[int, ...]]:
        """The keys of the station, of its EVSEs and of their connectors; once it is read."""
        return (
            self.station and self.station.key,
            tuple([status.evse_key for status in self.statuses]),
            tuple([connector.key for connector in self.connectors]),
        )

    @cached_property
    def shape(self) -> frozenset[frozenset[str]]:
        """The shapes, one object for all stations that have the same; once it is read."""
        return _the_same(frozenset(self.shapes))


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
