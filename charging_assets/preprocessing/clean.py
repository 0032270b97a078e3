"""How one published value becomes one clean value.

Belongs here: a cleaner for each sort of column, and which column has which. A cleaner takes any
JSON value that is not null and returns the clean value or None, or raises BadValue. Does not
belong here: records, tables, rejects.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import msgspec

from charging_assets.preprocessing.caches import Cache
from charging_assets.schemas import units
from charging_assets.schemas.table import Column, Type
from charging_assets.text import strip_control

Cleaner = Callable[[Any], Any]


class BadValue(Exception):
    """A value that cannot be cleaned; `code` says what is wrong with it."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


# OCPI 2.2.1, Locations module, enum Status.
STATUSES = frozenset({
    "AVAILABLE", "BLOCKED", "CHARGING", "INOPERATIVE", "OUTOFORDER", "PLANNED", "REMOVED",
    "RESERVED", "UNKNOWN",
})  # fmt: skip

# ISO 3166-1 alpha-3 → alpha-2 of the countries whose networks may stand in a German answer.
_ALPHA_2 = {
    "AUT": "AT", "BEL": "BE", "CHE": "CH", "CZE": "CZ", "DEU": "DE", "DNK": "DK", "ESP": "ES",
    "FRA": "FR", "GBR": "GB", "HUN": "HU", "ITA": "IT", "LIE": "LI", "LUX": "LU", "NLD": "NL",
    "NOR": "NO", "POL": "PL", "PRT": "PT", "SVK": "SK", "SVN": "SI", "SWE": "SE",
}  # fmt: skip

_TIME = re.compile(r"([01]?\d|2[0-3]|24(?=:00)):([0-5]\d)(:[0-5]\d)?", re.ASCII)
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_SHORTEST_PERIOD = len('{"period_begin":"00:00","period_end":"00:00","weekday":1}')
# Longer texts are no numbers, and would only cost time.
_LONGEST_NUMBER = 64
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)
_GROUPED_NUMBER = re.compile(
    r"(?P<whole>[+-]?\d{1,3}(?P<mark>[.,\s'’])\d{3}((?P=mark)\d{3})*)((?!(?P=mark))[.,](?P<part>\d+))?"
)
_WITH_UNIT = re.compile(r"(?P<number>.*[\d.,])\s*(?P<unit>[^\W\d_]+|°)", re.DOTALL)


def text(length: int, *, upper: bool = False) -> Cleaner:
    """Trimmed, white space collapsed, empty is null; numbers are taken as they are written.

    Control characters count as white space, and bidirectional ones are left out.
    """
    cache = Cache()
    cleaned = cache.entries

    def clean(value: Any) -> str | None:
        if type(value) is not str:
            if isinstance(value, bool | dict | list):
                raise BadValue("not_text")
            value = str(value)
        try:
            known: str | None = cleaned[value]
            return known
        except KeyError:
            pass
        tidy = _collapsed(value) or None
        if tidy is not None:
            tidy = tidy.upper() if upper else tidy
            if len(tidy) * 4 > length and len(tidy.encode()) > length:
                raise BadValue("too_long")
        cache.add(value, tidy, 300 + 8 * len(value))
        return tidy

    return clean


def sensor(length: int) -> Cleaner:
    """A parking sensor's status: upper case; `-` says that there is none."""
    tidy = text(length, upper=True)

    def clean(value: Any) -> str | None:
        status: str | None = tidy(value)
        return None if status == "-" else status

    return clean


def status(value: Any) -> str | None:
    """An OCPI status, in upper case."""
    if type(value) is str and value in STATUSES:
        return value
    tidy: str | None = _STATUS_TEXT(value)
    if tidy is not None and tidy not in STATUSES:
        raise BadValue("unknown_status")
    return tidy


def country(value: Any) -> str | None:
    """An ISO 3166-1 code: alpha-2, alpha-3 only where its alpha-2 is not known here."""
    code: str | None = _CODE_TEXT(value)
    if code is None:
        return None
    if not (code.isascii() and code.isalpha() and len(code) in (2, 3)):
        raise BadValue("not_a_country")
    return _ALPHA_2.get(code, code)


def number(value: Any) -> float | None:
    """A finite number, from a JSON number or from its text; empty is null.

    In texts, a single comma or point is the decimal one (`150,0`, `1,500` is 1.5). Of both, the
    last is (`1.500,5` and `1,500.5`), and the other parts thousands, as spaces, apostrophes, and a
    comma or point that stands more than once do (`1 500`, `1.000.000`).
    """
    if not isinstance(value, str):
        return _finite(value)
    text = _trimmed(value)
    return _number_of(text) if text else None


def quantity(
    unit: str,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    *,
    published_in: str | None = None,
    decimals: int | None = None,
) -> Cleaner:
    """A number in `unit` from `minimum` to `maximum`, both included.

    Numbers are published in `published_in` (default: `unit`), except where a text names its unit
    (`22 kW`). 0 is null where the range leaves it out: sources write it for a value they do not
    know.

    Raises:
        ValueError: `published_in` is no unit, or cannot be converted to `unit`.
    """
    usual = units.factor(published_in or unit, unit)

    def clean(value: Any) -> float | None:
        factor = usual
        if isinstance(value, str):
            text, spelling = _split_unit(_trimmed(value))
            if spelling:
                factor = _factor_of(spelling, unit)
            elif not text:
                return None
            published = _number_of(text)
        else:
            published = _finite(value)
        # Division keeps 7,400 W what people call it, 7.4 kW; a product with 0.001 would not.
        result = published * factor.numerator / factor.denominator + 0.0
        if result == 0 and not minimum <= 0 <= maximum:
            return None
        if not minimum <= result <= maximum or math.isinf(result):
            raise BadValue("out_of_range")
        return result if decimals is None else round(result, decimals) + 0.0

    return clean


def boolean(value: Any) -> bool | None:
    """A truth, also as 0, 1 or their texts."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and not _trimmed(value):
        return None
    known = _TRUTHS.get(_trimmed(str(value)).lower()) if isinstance(value, str | int) else None
    if known is None:
        raise BadValue("not_a_boolean")
    return known


def identifier(length: int) -> Cleaner:
    """A published id: a text or a whole number, never empty."""
    tidy = text(length)

    def clean(value: Any) -> str:
        if isinstance(value, float):
            raise BadValue("not_an_id")
        published: str | None = tidy(value)
        if published is None:
            raise BadValue("missing_key")
        return published

    return clean


def texts(length: int) -> Cleaner:
    """A set of texts as canonical JSON: cleaned, each once, sorted."""
    tidy = text(1024)

    def clean(value: Any) -> str:
        if not isinstance(value, list):
            raise BadValue("not_a_list")
        members: set[str | None] = set()
        for member in value:
            if member is not None:
                members.add(tidy(member))
                # Each takes 3 bytes and more, with its quotes: gather no more than fit.
                if len(members) * 3 > length + 3:
                    raise BadValue("too_long")
        return canonical(sorted(members - {None}), length)

    return clean


def opening_hours(length: int) -> Cleaner:
    """OCPI regular hours as canonical JSON, by weekday and begin, times as HH:MM."""

    def clean(value: Any) -> str:
        if not isinstance(value, list):
            raise BadValue("not_a_list")
        if len(value) * _SHORTEST_PERIOD > length:
            raise BadValue("too_long")
        periods = sorted((_period(member) for member in value), key=_period_order)
        return canonical(periods, length)

    return clean


def tidy_json(value: Any) -> Any:
    """A JSON value in which texts and names hold no control and no bidirectional characters.

    Texts without such characters are as published. Of names that are equal then, the last one in
    the order of what was published stays.
    """
    if isinstance(value, str):
        return value if value.isprintable() or strip_control(value) == value else _collapsed(value)
    if isinstance(value, list):
        return [tidy_json(member) for member in value]
    if isinstance(value, dict):
        return {tidy_json(name): tidy_json(value[name]) for name in sorted(value)}
    return value


def canonical(value: Any, length: int = 65535) -> str:
    """A value as JSON with sorted keys and no white space."""
    try:
        encoded = msgspec.json.encode(value, order="sorted")
    except (OverflowError, RecursionError, ValueError):
        raise BadValue("not_representable") from None
    if len(encoded) > length:
        raise BadValue("too_long")
    return encoded.decode()


def cleaner(column: Column, published_in: str | None = None) -> Cleaner:
    """The cleaner of a column of the flat tables, for values published in a unit of their own.

    Raises:
        ValueError: the unit is not known, or is none of the column's.
    """
    if column.unit and column.type is Type.DOUBLE:
        return quantity(
            column.unit,
            -math.inf if column.minimum is None else column.minimum,
            math.inf if column.maximum is None else column.maximum,
            published_in=published_in,
            decimals=_DECIMALS.get(column.unit),
        )
    if published_in:
        raise ValueError(f"column {column.name} has no unit to convert {published_in!r} to")
    if column.name in _BY_NAME:
        return _BY_NAME[column.name](column)
    return _BY_TYPE[column.type](column)


_STATUS_TEXT = text(64, upper=True)
_CODE_TEXT = text(8, upper=True)

_BY_NAME: dict[str, Callable[[Column], Cleaner]] = {
    "station_id": lambda column: identifier(column.length),
    "evse_uid": lambda column: identifier(column.length),
    "connector_id": lambda column: identifier(column.length),
    "country": lambda column: country,
    "opening_hours": lambda column: opening_hours(column.length),
    "tariff_zones": lambda column: texts(column.length),
    "capabilities": lambda column: texts(column.length),
    "status": lambda column: status,
    "parking_status": lambda column: sensor(column.length),
    "standard": lambda column: text(column.length, upper=True),
    "format": lambda column: text(column.length, upper=True),
    "power_type": lambda column: text(column.length, upper=True),
}

_BY_TYPE: dict[Type, Callable[[Column], Cleaner]] = {
    Type.TEXT: lambda column: text(column.length),
    Type.DOUBLE: lambda column: number,
    Type.BOOLEAN: lambda column: boolean,
}


def _collapsed(text: str) -> str:
    return " ".join(strip_control(text).split())


def _trimmed(text: str) -> str:
    return strip_control(text).strip()


# 6 decimals of a degree are 0.1 m.
_DECIMALS = {units.DEGREES: 6}


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue("not_a_number")
    try:
        result = float(value)
    except OverflowError:
        raise BadValue("not_a_number") from None
    if not math.isfinite(result):
        raise BadValue("not_a_number")
    return result + 0.0


def _number_of(text: str) -> float:
    """The number that a text without white space around it is."""
    if len(text) > _LONGEST_NUMBER:
        raise BadValue("not_a_number")
    plain = text.replace("\u2212", "-")
    if _PLAIN_NUMBER.fullmatch(plain):
        return _finite(float(plain.replace(",", ".")))
    grouped = _GROUPED_NUMBER.fullmatch(plain)
    if grouped is None:
        raise BadValue("not_a_number")
    whole = grouped["whole"].replace(grouped["mark"], "")
    return _finite(float(f"{whole}.{grouped['part'] or 0}"))


def _split_unit(text: str) -> tuple[str, str]:
    """A number's text and the unit behind it, which is empty where there is none."""
    match = _WITH_UNIT.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    return (match["number"].rstrip(), match["unit"]) if match else (text, "")


def _factor_of(spelling: str, unit: str) -> Fraction:
    try:
        return units.factor(units.unit_of(spelling) or spelling, unit)
    except ValueError:
        raise BadValue("wrong_unit") from None


def _period(member: Any) -> dict[str, Any]:
    if not isinstance(member, dict):
        raise BadValue("not_opening_hours")
    return {
        "weekday": _weekday(member.get("weekday")),
        "period_begin": _time(member.get("period_begin")),
        "period_end": _time(member.get("period_end")),
    }


def _weekday(value: Any) -> int | str:
    if isinstance(value, str) and _trimmed(value).lower() == "holiday":
        return "holiday"
    day = (
        _trimmed(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    )
    if day not in {"1", "2", "3", "4", "5", "6", "7"}:
        raise BadValue("not_opening_hours")
    return int(day)


def _time(value: Any) -> str:
    match = _TIME.fullmatch(_trimmed(value)) if isinstance(value, str) else None
    if match is None:
        raise BadValue("not_opening_hours")
    return f"{int(match[1]):02d}:{match[2]}"


def _period_order(period: dict[str, Any]) -> tuple[str, str, str]:
    return str(period["weekday"]), period["period_begin"], period["period_end"]
