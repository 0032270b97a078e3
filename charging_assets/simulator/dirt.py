"""Dirt like the real one: untidy text, numbers as text, two words for nothing.

Belongs here: what careless people and programs do to correct records; all of it can be cleaned
without loss. Does not belong here: records that must be rejected (`hostile`).

The shares are about those of real answers, raised where so few records would be none at 1×.
"""

from __future__ import annotations

from charging_assets.simulator.descriptions import Record
from charging_assets.simulator.randomness import Dice


class Dirt:
    """Soils records in place; a record's dirt depends on its number, so it stays the same."""

    def __init__(self, seed: int) -> None:
        self._dice = Dice(seed, "dirt")

    def soil_station(self, record: Record, number: int) -> None:
        """Soil a station's own fields."""
        if self._hits(0.04, number, 0):
            record["name"] = self._untidy(record["name"], number, 1)
        if self._hits(0.15, number, 2):
            record["address"] = self._untidy(record["address"], number, 3)
        if self._hits(0.006, number, 4):
            record["city"] = self._untidy(record["city"], number, 5)
        if self._hits(0.006, number, 6):
            record["postal_code"] += " "
        if self._hits(0.01, number, 7):
            record["operator"]["name"] = " " + record["operator"]["name"]
        if self._hits(0.03, number, 8):
            record["country"] = "DEU"
        if self._hits(0.08, number, 9):
            record["owner"] = ""
        if record["directions"] == "" and self._hits(0.02, number, 10):
            record["directions"] = None
        elif record["directions"] and self._hits(0.1, number, 10):
            record["directions"] += "\r\n"
        self._soil_hours(record, number)

    def soil_evse(self, record: Record, number: int) -> None:
        """Soil an EVSE's own fields."""
        if self._hits(0.05, number, 20):
            record["physical_reference"] = None
        elif self._hits(0.003, number, 21):
            record["physical_reference"] = "-"
        if record["floor_level"] and self._hits(0.2, number, 22):
            record["floor_level"] += " "
        if record["chargingStationPosition"] is None and self._hits(0.01, number, 23):
            record["chargingStationPosition"] = " "
        if record["chargePointPosition"] is not None and self._hits(0.05, number, 24):
            record["chargePointPosition"] += " "

    def soil_connector(self, record: Record, number: int) -> None:
        """Soil a connector's own fields."""
        power = record["max_power"]
        # 3.7 kW have always been published as 3.
        record["max_power"] = int(power)
        if self._hits(0.01, number, 30):
            record["max_power"] = str(power)
        if self._hits(0.01, number, 31):
            record["ampere"] = int(record["ampere"])
        if record["power_type"] == "DC" and self._hits(0.04, number, 32):
            record["ampere"] = record["voltage"] = "0"

    def _soil_hours(self, record: Record, number: int) -> None:
        hours = record["opening_times"].get("regular_hours")
        if hours is None:
            return
        if self._hits(0.4, number, 11):
            hours.append({**hours[0], "weekday": "holiday"})
        if self._hits(0.2, number, 12):
            for entry in hours:
                entry["period_begin"] = entry["period_begin"][:5]
        if self._hits(0.1, number, 13):
            hours[0]["weekday"] = str(hours[0]["weekday"])

    def _untidy(self, text: str, number: int, key: int) -> str:
        choice = int(self._dice.roll(number, key) * 3)
        return (text + " ", " " + text, text.replace(" ", "  ", 1) + " ")[choice]

    def _hits(self, share: float, *keys: int) -> bool:
        return self._dice.roll(*keys) < share
