"""Units of published numbers: their spellings and conversions.

A feed kind names the unit of a field in its map (`max_electric_power[W]`); a source may also write
it after the number (`"22 kW"`).
"""

from __future__ import annotations

from fractions import Fraction

DEGREES = "degrees"

# Unit → the base unit of its quantity, and its size in that unit.
_UNITS: dict[str, tuple[str, Fraction]] = {
    "W": ("W", Fraction(1)),
    "kW": ("W", Fraction(1_000)),
    "MW": ("W", Fraction(1_000_000)),
    "mA": ("A", Fraction(1, 1_000)),
    "A": ("A", Fraction(1)),
    "kA": ("A", Fraction(1_000)),
    "mV": ("V", Fraction(1, 1_000)),
    "V": ("V", Fraction(1)),
    "kV": ("V", Fraction(1_000)),
    DEGREES: (DEGREES, Fraction(1)),
}
# Case-insensitive spellings in texts. `mw` is left out, since it may be MW or mW.
_SPELLINGS: dict[str, str] = {
    "w": "W", "watt": "W", "watts": "W", "kw": "kW",
    "a": "A", "amp": "A", "amps": "A", "ampere": "A", "amperes": "A",
    "v": "V", "volt": "V", "volts": "V", "kv": "kV",
    "°": DEGREES,
}  # fmt: skip


def factor(unit: str, target: str) -> Fraction:
    """The factor that converts a number in `unit` to `target`.

    Raises:
        ValueError: a unit is unknown, or the units are of different quantities.
    """
    for name in (unit, target):
        if name not in _UNITS:
            raise ValueError(f"unknown unit {name!r}; the units are {', '.join(_UNITS)}")
    (base, size), (target_base, target_size) = _UNITS[unit], _UNITS[target]
    if base != target_base:
        raise ValueError(f"{unit} cannot be converted to {target}")
    return size / target_size


def unit_of(spelling: str) -> str | None:
    """The unit of a spelling (`KW`, `Volt`, `°`); None if it is unknown."""
    return spelling if spelling in _UNITS else _SPELLINGS.get(spelling.lower())
