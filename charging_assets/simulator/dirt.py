"""Data quality defects as in real answers: untidy text, numbers as text, two forms of empty.

All of them can be cleaned without loss; records that must be rejected are in `hostile`. The shares
are approximately those of real answers, higher where no record would be affected at 1×.
"""

from __future__ import annotations

from charging_assets.simulator.descriptions import Record
from charging_assets.simulator.randomness import KeyedRandom


class Dirt:
    """Adds defects to records in place; those of a record depend on its number only."""

    def __init__(self, seed: int) -> None:
        self._rng = KeyedRandom(seed, "dirt")

    def apply_to_station(self, record: Record, number: int) -> None:
        """Add defects to the fields of a station."""
        if self._is_affected(0.04, number, 0):
            record["name"] = self._add_spaces(record["name"], number, 1)
        if self._is_affected(0.15, number, 2):
            record["address"] = self._add_spaces(record["address"], number, 3)
        if self._is_affected(0.006, number, 4):
            record["city"] = self._add_spaces(record["city"], number, 5)
        if self._is_affected(0.006, number, 6):
            record["postal_code"] += " "
        if self._is_affected(0.01, number, 7):
            record["operator"]["name"] = " " + record["operator"]["name"]
        if self._is_affected(0.03, number, 8):
            record["country"] = "DEU"
        if self._is_affected(0.08, number, 9):
            record["owner"] = ""
        if record["directions"] == "" and self._is_affected(0.02, number, 10):
            record["directions"] = None
        elif record["directions"] and self._is_affected(0.1, number, 10):
            record["directions"] += "\r\n"
        self._apply_to_hours(record, number)

    def apply_to_evse(self, record: Record, number: int) -> None:
        """Add defects to the fields of an EVSE."""
        if self._is_affected(0.05, number, 20):
            record["physical_reference"] = None
        elif self._is_affected(0.003, number, 21):
            record["physical_reference"] = "-"
        if record["floor_level"] and self._is_affected(0.2, number, 22):
            record["floor_level"] += " "
        if record["chargingStationPosition"] is None and self._is_affected(0.01, number, 23):
            record["chargingStationPosition"] = " "
        if record["chargePointPosition"] is not None and self._is_affected(0.05, number, 24):
            record["chargePointPosition"] += " "

    def apply_to_connector(self, record: Record, number: int) -> None:
        """Add defects to the fields of a connector."""
        power = record["max_power"]
        # The real API publishes 3.7 kW as 3.
        record["max_power"] = int(power)
        if self._is_affected(0.01, number, 30):
            record["max_power"] = str(power)
        if self._is_affected(0.01, number, 31):
            record["ampere"] = int(record["ampere"])
        if record["power_type"] == "DC" and self._is_affected(0.04, number, 32):
            record["ampere"] = record["voltage"] = "0"

    def _apply_to_hours(self, record: Record, number: int) -> None:
        hours = record["opening_times"].get("regular_hours")
        if hours is None:
            return
        if self._is_affected(0.4, number, 11):
            hours.append({**hours[0], "weekday": "holiday"})
        if self._is_affected(0.2, number, 12):
            for entry in hours:
                entry["period_begin"] = entry["period_begin"][:5]
        if self._is_affected(0.1, number, 13):
            hours[0]["weekday"] = str(hours[0]["weekday"])

    def _add_spaces(self, text: str, number: int, key: int) -> str:
        choice = int(self._rng.random(number, key) * 3)
        return (text + " ", " " + text, text.replace(" ", "  ", 1) + " ")[choice]

    def _is_affected(self, share: float, *keys: int) -> bool:
        return self._rng.random(*keys) < share
