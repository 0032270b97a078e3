"""Synthetic attributes of stations in the form of chargecloud's answers of 2022 or 2024.

Statuses are marks that `answers` replaces; `dirt` adds defects. All attributes are composed of the
parts in this file; no published record is copied.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from charging_assets.simulator.randomness import KeyedRandom
from charging_assets.simulator.topology import OUTFITS, PlaceTopology, Plug

Edition = Literal["2022", "2024"]
Record = dict[str, Any]

# Ids reserved for each station: enough for a replacement every year until 2084.
_GENERATIONS = 64
_FIRST_STATION_ID, _FIRST_UID, _FIRST_CONNECTOR_ID = 10_000, 500_000, 70_000_000
_LABEL_STEP = 20_000

_STREET_FIRST = (
    "Ahorn", "Amsel", "Birken", "Brunnen", "Buchen", "Dahlien", "Eichen", "Erlen", "Falken",
    "Finken", "Flieder", "Garten", "Ginster", "Hafer", "Hagebutten", "Hasel", "Heide", "Holunder",
    "Kastanien", "Kiebitz", "Kiefern", "Kranich", "Lerchen", "Linden", "Lupinen", "Mohn", "Möwen",
    "Mühlen", "Pappel", "Quellen", "Reiher", "Rosen", "Schilf", "Schlehen", "Sonnen", "Tannen",
    "Ulmen", "Veilchen", "Wacholder", "Weiden", "Wiesen", "Zeisig",
)  # fmt: skip
_STREET_LAST = ("straße", "weg", "allee", "gasse", "platz", "ring", "ufer", "str.", "pfad", "hof")
_SPOT = ("Parkhaus", "Parkplatz", "Am Markt", "Schwimmbad", "Rathaus", "Bahnhof", "Museum", "Süd")
_DIRECTIONS = (
    "Die Ladesäule steht auf dem Parkplatz hinter dem Gebäude.",
    "Zufahrt über die \"Lange Rampe\".\r\nEinfahrtshöhe 2,10 m.",
    "Ladesäule am Straßenrand, Längsparker.",
    "Nur während der Öffnungszeiten zugänglich!",
    "Ebene -1, Stellplätze für Elektrofahrzeuge sind grün markiert.",
)  # fmt: skip
_FLOORS = ("EG", "UG 1", "Parkdeck 2", "Straße / Parkbucht")
_POSITIONS = ("links", "rechts", "Lichtmast", "left", "right")
_STATION_POSITIONS = ("Parkplatz", "Wallbox 1", "Neben der Einfahrt")
_HOURS = (("07:00:00", "20:00:00"), ("06:00:00", "22:00:00"), ("09:00:00", "18:30:00"))


class Variant(NamedTuple):
    """The versions of the descriptions of a station and of each of its EVSEs."""

    generation: int
    name: int
    labels: tuple[int, ...]
    swapped: tuple[bool, ...]
    reservable: tuple[bool, ...]


def mark(number: int) -> str:
    """A placeholder for the status with this number; `answers` replaces it."""
    return f"@@{number}@@"


def station_id(station: int, generation: int) -> str:
    """The published id of a station."""
    return str(_FIRST_STATION_ID + station * _GENERATIONS + generation)


def evse_uid(evse: int, generation: int) -> str:
    """The published uid of an EVSE: it stays when the EVSE-ID changes."""
    return str(_FIRST_UID + evse * _GENERATIONS + generation)


def connector_id(connector: int, generation: int) -> str:
    """The published id of a connector."""
    return str(_FIRST_CONNECTOR_ID + connector * _GENERATIONS + generation)


class Catalogue:
    """The descriptions of one place's stations; a variant always gives the same record."""

    def __init__(self, seed: int, place: PlaceTopology, edition: Edition) -> None:
        self._place, self._edition = place, edition
        self._rng = KeyedRandom(seed, "descriptions")

    def evse_id(self, row: int, generation: int, label: int) -> str:
        """The EVSE-ID of an EVSE (by row), by the generation of its station and its relabelling."""
        station = int(self._place.evse_station[row])
        serial = int(self._place.rank[station]) + 1 + label * _LABEL_STEP
        within = row - int(self._place.first_evse[station]) + 1
        letter = chr(ord("A") + generation % 26)
        return f"DE*{letter}{self._place.place.number:02d}*E{serial:05d}*{within:03d}"

    def station(self, row: int, variant: Variant) -> Record:
        """A station's record with marks where statuses belong."""
        place = self._place.place
        number = int(self._place.station[row])
        draw = KeyedRandom.random
        rng, key = self._rng, (number, variant.generation)
        street = self._street(number, variant.generation)
        evses = range(int(self._place.first_evse[row]), int(self._place.first_evse[row + 1]))
        record: Record = {
            "id": station_id(number, variant.generation),
            "name": self._name(number, variant, street),
            "address": f"{street} {1 + int(draw(rng, *key, 2) ** 2 * 180)}",
            "city": place.city if draw(rng, *key, 3) < 0.93 else f"{place.city}-Neustadt",
            "postal_code": place.postal_area + f"{int(draw(rng, *key, 4) * 40):02d}",
            "country": "DE",
            "directions": rng.choice(_DIRECTIONS, *key, 5) if draw(rng, *key, 6) < 0.4 else "",
            "coordinates": {
                "latitude": f"{self._near(place.latitude, 0.03, number, 7):.6f}",
                "longitude": f"{self._near(place.longitude, 0.05, number, 9):.6f}",
            },
            "distance_in_m": "0",
            "operator": {
                "name": f"Musterwerke {place.city} GmbH",
                "hotline": f"+49800000{place.number:04d}",
            },
            "opening_times": self._opening_times(key),
            "owner": None,
            "roaming": False,
            "evses": [self._evse(evse, slot, variant) for slot, evse in enumerate(evses)],
        }
        return record if self._edition == "2022" else _station_of_2024(record, place.number)

    def _evse(self, row: int, slot: int, variant: Variant) -> Record:
        place, rng = self._place, self._rng
        number = int(place.evse[row])
        draw = rng.random
        first, last = int(place.first_connector[row]), int(place.first_connector[row + 1])
        connectors = [
            self._connector(plug, connector, variant.generation)
            for plug, connector in zip(
                OUTFITS[int(place.outfit[row])][0], range(first, last), strict=True
            )
        ]
        if variant.swapped[slot]:
            connectors.reverse()
        capabilities = ["RFID_READER", "REMOTE_START_STOP_CAPABLE"]
        position = rng.choice(_POSITIONS, number, 21) if draw(number, 22) < 0.18 else None
        station_position = rng.choice(_STATION_POSITIONS, number, 23)
        record: Record = {
            "uid": evse_uid(number, variant.generation),
            "id": self.evse_id(row, variant.generation, variant.labels[slot]),
            "status": mark(row),
            "capabilities": ["RESERVABLE"] * variant.reservable[slot] + capabilities,
            "physical_reference": "",
            "floor_level": rng.choice(_FLOORS, number, 24) if draw(number, 25) < 0.03 else "",
            "vehicle_type": "four_wheeled",
            "connectors": connectors,
            "chargePointPosition": position,
            "chargePointPublicComment": None,
            "chargePointParkingSpaceNumbers": str(slot + 1) if draw(number, 26) < 0.06 else None,
            "chargingStationPosition": station_position if draw(number, 27) < 0.06 else None,
            "roaming": False,
        }
        return (
            record if self._edition == "2022" else _evse_of_2024(record, variant.reservable[slot])
        )

    def _connector(self, plug: Plug, row: int, generation: int) -> Record:
        kw = plug.power_kw
        return {
            "id": connector_id(int(self._place.connector[row]), generation),
            "status": mark(self._place.evse.size + row),
            "standard": plug.standard,
            "format": plug.form,
            "power_type": plug.power_type,
            "ampere": str(plug.ampere),
            "voltage": str(plug.voltage),
            "max_power": int(kw) if kw == int(kw) else kw,
            "tariff_id": None,
        }

    def _street(self, number: int, generation: int) -> str:
        first = self._rng.choice(_STREET_FIRST, number, generation, 0)
        return first + self._rng.choice(_STREET_LAST, number, generation, 1)

    def _name(self, number: int, variant: Variant, street: str) -> str:
        version = (number, variant.generation, variant.name)
        spot = self._rng.choice(_SPOT, *version, 11)
        city = self._place.place.city
        return f"{city} - {spot} {street}" if self._rng.random(*version, 12) < 0.6 else street

    def _near(self, centre: float, spread: float, number: int, key: int) -> float:
        distance = math.sqrt(-2 * math.log(self._rng.random(number, key)))
        return round(
            centre + distance * math.cos(math.tau * self._rng.random(number, key + 1)) * spread, 6
        )

    def _opening_times(self, key: tuple[int, int]) -> Record:
        if self._rng.random(*key, 13) < 0.968:
            return {"twentyfourseven": True}
        begin, end = self._rng.choice(_HOURS, *key, 14)
        days = range(1, 6 + int(self._rng.random(*key, 15) * 3))
        hours = [{"weekday": day, "period_begin": begin, "period_end": end} for day in days]
        return {"regular_hours": hours, "twentyfourseven": False}


def add_sensor(record: Record, number: int) -> None:
    """Add a parking sensor to an EVSE's record, before `roaming` as in real answers."""
    roaming = record.pop("roaming")
    record["parkingsensor_status"] = mark(number)
    record["roaming"] = roaming


def _station_of_2024(record: Record, operator: int) -> Record:
    """Add the fields of 2024 at their positions."""
    changed: Record = {}
    for name, value in record.items():
        changed[name] = value
        if name == "name":
            changed["status"] = "active"
        if name == "directions":
            changed["comment"] = ""
    changed["operator"] = {"operatorId": f"A{operator:02d}", **record["operator"]}
    changed["tariffZones"] = [str(2000 + operator)]
    return changed


def _evse_of_2024(record: Record, is_reservable: bool) -> Record:
    changed: Record = {}
    for name, value in record.items():
        changed[name] = value
        if name == "status":
            changed["reservable"] = is_reservable
    changed["connectors"] = changed.pop("connectors")
    return changed
