"""The stations, EVSEs and connectors of each place, their kinds and numbers.

The network consists of *layers* of 1,162 stations, 2,428 EVSEs and 2,811 connectors; the first
layer is the network at 1×. Each further layer adds the same number of stations to every place, so a
station is the same at every scale that contains it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from charging_assets.simulator.places import PLACES, Place
from charging_assets.simulator.randomness import Ints, KeyedRandom

STATIONS = 1162
EVSES = 2428

# Number of stations by their number of EVSEs.
_EVSES_PER_STATION = {
    1: 231, 2: 821, 3: 35, 4: 46, 5: 2, 6: 11, 8: 5, 10: 4, 12: 1, 14: 1, 16: 4, 20: 1,
}  # fmt: skip


class Plug(NamedTuple):
    """One kind of connector; `power_kw` is its real power, not the published one."""

    standard: str
    form: str
    power_type: str
    ampere: int
    voltage: int
    power_kw: float


_T2 = Plug("IEC_62196_T2", "SOCKET", "AC_3_PHASE", 32, 400, 22)
_T2_11 = Plug("IEC_62196_T2", "SOCKET", "AC_3_PHASE", 16, 400, 11)
_SCHUKO = Plug("DOMESTIC_F", "SOCKET", "AC_1_PHASE", 16, 230, 3.7)


def _cable(standard: str, ampere: int, voltage: int, power_kw: float) -> Plug:
    power_type = "AC_3_PHASE" if standard == "IEC_62196_T2" else "DC"
    return Plug(standard, "CABLE", power_type, ampere, voltage, power_kw)


_CCS = _cable("IEC_62196_T2_COMBO", 125, 500, 50)
_CHADEMO = _cable("CHADEMO", 125, 500, 50)

# Connectors of an EVSE, and how many of a layer's 2,428 EVSEs have them; 383 have two.
OUTFITS: tuple[tuple[tuple[Plug, ...], int], ...] = (
    ((_T2,), 1687),
    ((_T2, _SCHUKO), 368),
    ((_T2_11,), 195),
    ((_T2_11, _SCHUKO), 13),
    ((_cable("IEC_62196_T2", 32, 400, 22),), 26),
    ((Plug("IEC_62196_T2", "SOCKET", "AC_3_PHASE", 8, 400, 3.7),), 20),
    ((Plug("IEC_62196_T2", "SOCKET", "AC_1_PHASE", 16, 230, 3.7),), 3),
    ((Plug("IEC_62196_T2", "SOCKET", "AC_3_PHASE", 11, 400, 8),), 3),
    ((_cable("IEC_62196_T2", 63, 400, 43),), 13),
    ((_CCS,), 35),
    ((_CHADEMO,), 32),
    ((_CCS, _CHADEMO), 2),
    ((_cable("IEC_62196_T2_COMBO", 200, 400, 75),), 5),
    ((_cable("CHADEMO", 200, 400, 75),), 3),
    ((_cable("IEC_62196_T2_COMBO", 500, 400, 150),), 19),
    ((_cable("IEC_62196_T2_COMBO", 500, 1000, 300),), 4),
)

AC, DC, HPC = 0, 1, 2
POWER_CLASSES = ("ac", "dc", "hpc")
_HPC_FROM_KW = 100


def power_class(outfit: int) -> int:
    """AC, DC or HPC (from 100 kW); demand and dwell time depend only on this class."""
    strongest = max(OUTFITS[outfit][0], key=lambda plug: plug.power_kw)
    if strongest.power_type != "DC":
        return AC
    return HPC if strongest.power_kw >= _HPC_FROM_KW else DC


def outfit_counts(mix: Mapping[str, float] | None) -> list[int]:
    """Number of EVSEs of a layer with each outfit.

    `mix` gives the shares of power classes; within a class, outfits keep their proportions.
    """
    if mix is None:
        return [count for _, count in OUTFITS]
    if set(mix) != set(POWER_CLASSES) or min(mix.values()) < 0 or abs(sum(mix.values()) - 1) > 1e-9:
        raise ValueError(f"a mix gives shares of {', '.join(POWER_CLASSES)} that sum to 1: {mix}")
    counts = np.array([count for _, count in OUTFITS], dtype=np.float64)
    classes = np.array([power_class(outfit) for outfit in range(len(OUTFITS))])
    for number, name in enumerate(POWER_CLASSES):
        counts[classes == number] *= mix[name] * EVSES / counts[classes == number].sum()
    # Rounding the cumulative sums keeps the total.
    ends = np.round(np.cumsum(counts)).astype(np.int64)
    return [int(count) for count in np.diff(ends, prepend=0)]


@dataclass(frozen=True)
class PlaceTopology:
    """One place: arrays of stations, EVSEs and connectors, in the order of publication.

    `station`, `evse` and `connector` are network-wide numbers; `evse_station` and
    `connector_evse` point to rows of this place; `first_evse` and `first_connector` have one
    entry more than there are owners. `rank` counts the place's stations across layers.
    """

    place: Place
    station: Ints
    rank: Ints
    first_evse: Ints
    evse: Ints
    evse_station: Ints
    outfit: Ints
    first_connector: Ints
    connector: Ints
    connector_evse: Ints


class Layer:
    """One layer of the network; it depends on the seed only."""

    def __init__(self, seed: int, number: int, mix: Mapping[str, float] | None = None) -> None:
        rng = KeyedRandom(seed, "topology")
        sizes = np.repeat(list(_EVSES_PER_STATION), list(_EVSES_PER_STATION.values()))
        self.number = number
        self.sizes: Ints = sizes[rng.permutation(STATIONS, number, 0)].astype(np.int64)
        self.owner: Ints = np.repeat(np.arange(STATIONS), self.sizes)
        # Outfits are assigned along a random order of stations: a station has similar EVSEs.
        row = np.argsort(rng.uniform(number, 1, self.owner), kind="stable")
        self.outfit: Ints = np.empty(EVSES, dtype=np.int64)
        self.outfit[row] = np.repeat(np.arange(len(OUTFITS)), outfit_counts(mix))
        self.connectors: Ints = np.array([len(plugs) for plugs, _ in OUTFITS])[self.outfit]


def topology(
    seed: int, scale: float, mix: Mapping[str, float] | None = None
) -> list[PlaceTopology]:
    """The places of a network, with at least one station each."""
    layers = [Layer(seed, number, mix) for number in range(max(1, math.ceil(scale)))]
    places, first = [], 0
    for place in PLACES:
        parts = [_stations_of(layer, place, first, scale) for layer in layers]
        places.append(_join(place, [part for part in parts if part.size], layers))
        first += place.stations
    return places


def _stations_of(layer: Layer, place: Place, first: int, scale: float) -> Ints:
    """The stations (numbered network-wide) that a place has of one layer."""
    count = round(place.stations * min(1.0, scale - layer.number))
    if layer.number == 0:
        count = max(1, count)
    return layer.number * STATIONS + first + np.arange(max(0, count))


def _join(place: Place, parts: list[Ints], layers: list[Layer]) -> PlaceTopology:
    evses, connectors, sizes, outfits, counts, ranks = [], [], [], [], [], []
    for part in parts:
        layer = layers[int(part[0]) // STATIONS]
        rows = part - layer.number * STATIONS
        first, last = np.searchsorted(layer.owner, [rows[0], rows[-1] + 1])
        before = int(layer.number * layer.connectors.sum() + layer.connectors[:first].sum())
        count = layer.connectors[first:last]
        evses.append(layer.number * EVSES + np.arange(first, last))
        connectors.append(
            layer.number * int(layer.connectors.sum()) + before + np.arange(count.sum())
        )
        sizes.append(layer.sizes[rows])
        outfits.append(layer.outfit[first:last])
        counts.append(count)
        ranks.append(layer.number * place.stations + np.arange(part.size))
    size, count = np.concatenate(sizes), np.concatenate(counts)
    return PlaceTopology(
        place=place,
        station=np.concatenate(parts),
        rank=np.concatenate(ranks),
        first_evse=_offsets(size),
        evse=np.concatenate(evses),
        evse_station=np.repeat(np.arange(size.size), size),
        outfit=np.concatenate(outfits),
        first_connector=_offsets(count),
        connector=np.concatenate(connectors),
        connector_evse=np.repeat(np.arange(count.size), count),
    )


def _offsets(sizes: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
