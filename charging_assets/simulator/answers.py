"""The JSON of one place at an instant: descriptions of stations with statuses inserted.

Only the statuses of an answer change often. The JSON of a station is rendered once for each variant
of its description and split at the statuses; an answer joins these pieces.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from charging_assets.simulator.descriptions import Catalogue, Edition, Variant, add_sensor
from charging_assets.simulator.dirt import Dirt
from charging_assets.simulator.hostile import Hostility
from charging_assets.simulator.instants import BERLIN, instant
from charging_assets.simulator.spells import STATUSES
from charging_assets.simulator.state import PlaceState

# The codes of statuses, then those of parking spots.
_WORDS = np.array([f'"{word}"'.encode() for word in (*STATUSES, "AVAILABLE", "OCCUPIED")], object)
_MARK = re.compile(rb'"@@(\d+)@@"')


class _Pieces(NamedTuple):
    """JSON split at its statuses: one more text than status indexes."""

    texts: list[bytes]
    status_indexes: list[int]


class PlaceAnswers:
    """Answers of one place at any instant; with `hostility` None all records are valid."""

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
        self._stations: dict[int, tuple[Variant, _Pieces]] = {}
        self._layout: tuple[tuple[int, int], list[bytes], np.typing.NDArray[np.intp]] | None = None

    def envelope(self, second: int) -> bytes:
        """The whole answer as UTF-8 JSON; its timestamp is local time with offset."""
        local = instant(second).astimezone(BERLIN).isoformat(timespec="seconds")
        stations = self.stations(second)
        if self._hostility:
            stations = self._hostility.add_to(stations, self._state.place.place.number, second)
        tail = f'], "status_code": 1000, "status_message": "Success", "timestamp": "{local}"}}'
        return b'{"data": [' + stations + tail.encode()

    def stations(self, second: int) -> bytes:
        """The station records, separated by commas."""
        texts, status_indexes = self._pieces(second)
        evses, connectors, spots = self._state.statuses(second)
        codes = np.concatenate([evses, connectors, spots + len(STATUSES)])
        pieces: list[bytes] = [b""] * (len(texts) + len(status_indexes))
        pieces[0::2] = texts
        pieces[1::2] = _WORDS[codes[status_indexes]].tolist()
        return b"".join(pieces)

    def variants(self, second: int) -> dict[int, Variant]:
        """The current variant of each published station, by row."""
        state, place = self._state, self._state.place
        window = state.window(second)
        generations = state.life.generations(second).tolist()
        names, labels = state.life.names(second).tolist(), state.life.labels(second).tolist()
        is_swapped = (window.swaps.at(second) > 0).tolist()
        is_reservable_now = (state.is_reservable & (window.withdrawals.at(second) == 0)).tolist()
        present = np.flatnonzero(window.absences.at(second) == 0).tolist()
        first = place.first_evse.tolist()
        variants = {}
        for row in present:
            evses = slice(first[row], first[row + 1])
            variants[row] = Variant(
                generations[row],
                names[row],
                tuple(labels[evses]),
                tuple(is_swapped[evses]),
                tuple(is_reservable_now[evses]),
            )
        return variants

    def _pieces(self, second: int) -> tuple[list[bytes], np.typing.NDArray[np.intp]]:
        """The pieces of all stations, combined again only after a description has changed."""
        window = self._state.window(second)
        key = (window.start, bisect_right(window.changes, second))
        if self._layout is None or self._layout[0] != key:
            texts: list[bytes] = [b""]
            status_indexes: list[int] = []
            for row, variant in self.variants(second).items():
                pieces = self._station(row, variant)
                texts[-1] += b", " + pieces.texts[0] if status_indexes else pieces.texts[0]
                texts += pieces.texts[1:]
                status_indexes += pieces.status_indexes
            self._layout = (key, texts, np.array(status_indexes, dtype=np.intp))
        return self._layout[1], self._layout[2]

    def _station(self, row: int, variant: Variant) -> _Pieces:
        cached = self._stations.get(row)
        if cached is None or cached[0] != variant:
            cached = self._stations[row] = (variant, self._render(row, variant))
        return cached[1]

    def _render(self, row: int, variant: Variant) -> _Pieces:
        record = self.catalogue.station(row, variant)
        place = self._state.place
        first = int(place.first_evse[row])
        for number, evse in enumerate(record["evses"], start=first):
            if self._state.has_sensor[number]:
                add_sensor(evse, place.evse.size + place.connector.size + number)
        if self._dirt:
            self._dirt.apply_to_station(record, int(place.station[row]))
            for number, evse in enumerate(record["evses"], start=first):
                self._dirt.apply_to_evse(evse, int(place.evse[number]))
                for connector in evse["connectors"]:
                    self._dirt.apply_to_connector(connector, int(connector["id"]))
        parts = _MARK.split(json.dumps(record, ensure_ascii=False).encode())
        return _Pieces(parts[0::2], [int(index) for index in parts[1::2]])
