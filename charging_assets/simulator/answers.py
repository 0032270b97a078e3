"""The JSON of one place at an instant: prepared pieces with the statuses between them.

Belongs here: the envelope, and splicing statuses into descriptions. Does not belong here: what
is described (`descriptions`) or which status holds (`state`).

All but the statuses of an answer stays the same for hours. A station's JSON is rendered once for
each of its looks and cut at the statuses; an answer is these pieces, joined.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from charging_assets.simulator.descriptions import Catalogue, Edition, Look, add_sensor
from charging_assets.simulator.dirt import Dirt
from charging_assets.simulator.hostile import Hostility
from charging_assets.simulator.instants import BERLIN, instant
from charging_assets.simulator.spells import STATUSES
from charging_assets.simulator.state import PlaceState

# The codes of statuses, then those of parking spots.
_WORDS = np.array([f'"{word}"'.encode() for word in (*STATUSES, "AVAILABLE", "OCCUPIED")], object)
_MARK = re.compile(rb'"@@(\d+)@@"')


class _Pieces(NamedTuple):
    """JSON cut at its statuses: one text more than there are holes."""

    texts: list[bytes]
    holes: list[int]


class PlaceAnswers:
    """Answers of one place at any instant; `hostility` None means that all records are good."""

    def __init__(
        self,
        seed: int,
        state: PlaceState,
        edition: Edition,
        is_dirty: bool,
        hostility: Hostility | None,
    ) -> None:
        self.catalogue = Catalogue(seed, state.place, edition)
        self._state = state
        self._dirt = Dirt(seed) if is_dirty else None
        self._hostility = hostility
        self._stations: dict[int, tuple[Look, _Pieces]] = {}
        self._layout: tuple[tuple[int, int], list[bytes], np.typing.NDArray[np.intp]] | None = None

    def envelope(self, second: int) -> bytes:
        """The whole answer, as UTF-8 JSON; its timestamp is local and says its offset."""
        local = instant(second).astimezone(BERLIN).isoformat(timespec="seconds")
        stations = self.stations(second)
        if self._hostility:
            stations = self._hostility.spoiled(stations, self._state.place.place.number, second)
        tail = f'], "status_code": 1000, "status_message": "Success", "timestamp": "{local}"}}'
        return b'{"data": [' + stations + tail.encode()

    def stations(self, second: int) -> bytes:
        """The station records, separated by commas."""
        texts, holes = self._pieces(second)
        evses, connectors, spots = self._state.statuses(second)
        codes = np.concatenate([evses, connectors, spots + len(STATUSES)])
        pieces: list[bytes] = [b""] * (len(texts) + len(holes))
        pieces[0::2] = texts
        pieces[1::2] = _WORDS[codes[holes]].tolist()
        return b"".join(pieces)

    def looks(self, second: int) -> dict[int, Look]:
        """How each station that is published looks, by row."""
        state, place = self._state, self._state.place
        stretch = state.stretch(second)
        generations = state.life.generations(second).tolist()
        names, labels = state.life.names(second).tolist(), state.life.labels(second).tolist()
        swapped = (stretch.swapped.at(second) > 0).tolist()
        reservable = (state.is_reservable & (stretch.withdrawn.at(second) == 0)).tolist()
        present = np.flatnonzero(stretch.away.at(second) == 0).tolist()
        first = place.first_evse.tolist()
        looks = {}
        for row in present:
            own = slice(first[row], first[row + 1])
            looks[row] = Look(
                generations[row],
                names[row],
                tuple(labels[own]),
                tuple(swapped[own]),
                tuple(reservable[own]),
            )
        return looks

    def _pieces(self, second: int) -> tuple[list[bytes], np.typing.NDArray[np.intp]]:
        """The pieces of all stations, laid out anew only when a description has changed."""
        stretch = self._state.stretch(second)
        key = (stretch.start, bisect_right(stretch.changes, second))
        if self._layout is None or self._layout[0] != key:
            texts: list[bytes] = [b""]
            holes: list[int] = []
            for row, look in self.looks(second).items():
                own = self._station(row, look)
                texts[-1] += b", " + own.texts[0] if holes else own.texts[0]
                texts += own.texts[1:]
                holes += own.holes
            self._layout = (key, texts, np.array(holes, dtype=np.intp))
        return self._layout[1], self._layout[2]

    def _station(self, row: int, look: Look) -> _Pieces:
        known = self._stations.get(row)
        if known is None or known[0] != look:
            known = self._stations[row] = (look, self._rendered(row, look))
        return known[1]

    def _rendered(self, row: int, look: Look) -> _Pieces:
        record = self.catalogue.station(row, look)
        place = self._state.place
        first = int(place.first_evse[row])
        for number, evse in enumerate(record["evses"], start=first):
            if self._state.has_sensor[number]:
                add_sensor(evse, place.evse.size + place.connector.size + number)
        if self._dirt:
            self._dirt.soil_station(record, int(place.station[row]))
            for number, evse in enumerate(record["evses"], start=first):
                self._dirt.soil_evse(evse, int(place.evse[number]))
                for connector in evse["connectors"]:
                    self._dirt.soil_connector(connector, int(connector["id"]))
        parts = _MARK.split(json.dumps(record, ensure_ascii=False).encode())
        return _Pieces(parts[0::2], [int(hole) for hole in parts[1::2]])
