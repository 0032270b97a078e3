"""Units of published numbers: how they are spelled, and how one is converted to another.

A feed kind names the unit of a field in its map (`max_electric_power[W]`); a source may also write
it behind the number (`"22 kW"`). Both are looked up here.
"""

from __future__ import annotations

from fractions import Fraction

DEGREES = "degrees"

# Unit → the unit of its quantity that all others are converted through, and how many of it it is.
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
# Spellings in texts, whatever their case. `mw` is not among them: it may be MW or mW.
_SPELLINGS: dict[str, str] = {
    "w": "W", "watt": "W", "watts": "W", "kw": "kW",
    "a": "A", "amp": "A", "amps": "A", "ampere": "A", "amperes": "A",
    "v": "V", "volt": "V", "volts": "V", "kv": "kV",
    "°": DEGREES,
}  # fmt: skip


def factor(unit: str, target: str) -> Fraction:
    """What a number in `unit` is multiplied with to be one in `target`.

    Raises:
        ValueError: a unit is not known, or they are units of different quantities.
    """
    for name in (unit, target):
        if name not in _UNITS:
            raise ValueError(f"unknown unit {name!r}; the units are {', '.join(_UNITS)}")
    (base, size), (target_base, target_size) = _UNITS[unit], _UNITS[target]
    if base != target_base:
        raise ValueError(f"{unit} cannot be converted to {target}")
    return size / target_size


def unit_of(spelling: str) -> str | None:
    """The unit that a text means (`KW`, `Volt`, `°`), None if it is not one."""
    return spelling if spelling in _UNITS else _SPELLINGS.get(spelling.lower())
