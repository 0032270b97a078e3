"""Cleaners: functions that turn one published value into one clean value.

There is a cleaner for each kind of column. A cleaner takes any JSON value that is not null and
returns the clean value or None, or raises BadValue.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Any

import msgspec

from charging_assets.hours import to_naive_utc
from charging_assets.preprocessing.caches import Cache
from charging_assets.schemas import units
from charging_assets.schemas.table import Column, Type
from charging_assets.text import strip_control

Cleaner = Callable[[Any], Any]


class BadValue(Exception):
    """A value that cannot be cleaned; `code` names the problem."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


# Timestamps outside of this range come from unset clocks or from test data.
FIRST_TIME, LAST_TIME = datetime(2000, 1, 1), datetime(2100, 1, 1)

# OCPI 2.2.1, Locations module, enum Status.
STATUSES = frozenset({
    "AVAILABLE", "BLOCKED", "CHARGING", "INOPERATIVE", "OUTOFORDER", "PLANNED", "REMOVED",
    "RESERVED", "UNKNOWN",
})  # fmt: skip

# ISO 3166-1 alpha-3 → alpha-2 of the countries whose networks may appear in a German answer.
_ALPHA_2 = {
    "AUT": "AT", "BEL": "BE", "CHE": "CH", "CZE": "CZ", "DEU": "DE", "DNK": "DK", "ESP": "ES",
    "FRA": "FR", "GBR": "GB", "HUN": "HU", "ITA": "IT", "LIE": "LI", "LUX": "LU", "NLD": "NL",
    "NOR": "NO", "POL": "PL", "PRT": "PT", "SVK": "SK", "SVN": "SI", "SWE": "SE",
}  # fmt: skip

_TIME = re.compile(r"([01]?\d|2[0-3]|24(?=:00)):([0-5]\d)(:[0-5]\d)?", re.ASCII)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_MIN_PERIOD_BYTES = len('{"period_begin":"00:00","period_end":"00:00","weekday":1}')
# Longer texts are not numbers and would only cost time.
_MAX_NUMBER_CHARACTERS = 64
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)
_GROUPED_NUMBER = re.compile(
    r"(?P<whole>[+-]?\d{1,3}(?P<mark>[.,\s'’])\d{3}((?P=mark)\d{3})*)((?!(?P=mark))[.,](?P<part>\d+))?"
)
_WITH_UNIT = re.compile(r"(?P<number>.*[\d.,])\s*(?P<unit>[^\W\d_]+|°)", re.DOTALL)


def text(length: int, *, upper: bool = False) -> Cleaner:
    """A text: trimmed, white space collapsed, empty is null; a number becomes its digits.

    Control characters count as white space; bidirectional characters are removed.
    """
    cache = Cache()
    cleaned_texts = cache.entries

    def clean(value: Any) -> str | None:
        if type(value) is not str:
            if isinstance(value, bool | dict | list):
                raise BadValue("not_text")
            value = str(value)
        try:
            cached: str | None = cleaned_texts[value]
            return cached
        except KeyError:
            pass
        cleaned = _collapse_spaces(value) or None
        if cleaned is not None:
            cleaned = cleaned.upper() if upper else cleaned
            if len(cleaned) * 4 > length and len(cleaned.encode()) > length:
                raise BadValue("too_long")
        cache.add(value, cleaned, 300 + 8 * len(value))
        return cleaned

    return clean


def sensor(length: int) -> Cleaner:
    """A parking sensor's status in upper case; `-` is null."""
    clean_text = text(length, upper=True)

    def clean(value: Any) -> str | None:
        status: str | None = clean_text(value)
        return None if status == "-" else status

    return clean


def status(value: Any) -> str | None:
    """An OCPI status, in upper case."""
    if type(value) is str and value in STATUSES:
        return value
    cleaned: str | None = _STATUS_TEXT(value)
    if cleaned is not None and cleaned not in STATUSES:
        raise BadValue("unknown_status")
    return cleaned


def status_published(length: int) -> Cleaner:
    """The source's own word for a status: null if it is no text, or too long. `status` reports."""
    clean_text = text(length)

    def clean(value: Any) -> str | None:
        try:
            word: str | None = clean_text(value)
        except BadValue:
            return None
        return word

    return clean


def timestamp(value: Any) -> datetime | None:
    """An instant as naive UTC, from ISO 8601; without an offset it is UTC, as in OCPI."""
    if not isinstance(value, str):
        raise BadValue("bad_timestamp")
    published = _trim(value)
    if not published:
        return None
    try:
        instant = datetime.fromisoformat(published)
        cleaned = instant if instant.tzinfo is None else to_naive_utc(instant)
    except (ValueError, OverflowError):
        raise BadValue("bad_timestamp") from None
    if not FIRST_TIME <= cleaned < LAST_TIME:
        raise BadValue("out_of_range")
    return cleaned


def country(value: Any) -> str | None:
    """An ISO 3166-1 code: alpha-2, or alpha-3 where `_ALPHA_2` does not list it."""
    code: str | None = _CODE_TEXT(value)
    if code is None:
        return None
    if not (code.isascii() and code.isalpha() and len(code) in (2, 3)):
        raise BadValue("not_a_country")
    return _ALPHA_2.get(code, code)


def number(value: Any) -> float | None:
    """A finite number, from a JSON number or from a text; empty is null.

    In a text, a single comma or point is the decimal mark (`150,0`; `1,500` is 1.5). If a text has
    both, the last one is the decimal mark (`1.500,5`, `1,500.5`). Spaces, apostrophes and repeated
    commas or points separate thousands (`1 500`, `1.000.000`).
    """
    if not isinstance(value, str):
        return _to_finite(value)
    text = _trim(value)
    return _parse_number(text) if text else None


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
    (`22 kW`). 0 is null where the range excludes it: sources write 0 for an unknown value.

    Raises:
        ValueError: `published_in` is not a unit, or cannot be converted to `unit`.
    """
    default_factor = units.factor(published_in or unit, unit)

    def clean(value: Any) -> float | None:
        factor = default_factor
        if isinstance(value, str):
            text, spelling = _split_unit(_trim(value))
            if spelling:
                factor = _unit_factor(spelling, unit)
            elif not text:
                return None
            published = _parse_number(text)
        else:
            published = _to_finite(value)
        # Division gives exactly 7.4 kW for 7,400 W; multiplication by 0.001 would not.
        result = published * factor.numerator / factor.denominator + 0.0
        if result == 0 and not minimum <= 0 <= maximum:
            return None
        if not minimum <= result <= maximum or math.isinf(result):
            raise BadValue("out_of_range")
        return result if decimals is None else round(result, decimals) + 0.0

    return clean


def boolean(value: Any) -> bool | None:
    """A boolean, also as 0, 1 or a text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and not _trim(value):
        return None
    truth = _BOOLEANS.get(_trim(str(value)).lower()) if isinstance(value, str | int) else None
    if truth is None:
        raise BadValue("not_a_boolean")
    return truth


def identifier(length: int) -> Cleaner:
    """A published id: a text or a whole number, never empty."""
    clean_text = text(length)

    def clean(value: Any) -> str:
        if isinstance(value, float):
            raise BadValue("not_an_id")
        published: str | None = clean_text(value)
        if published is None:
            raise BadValue("missing_key")
        return published

    return clean


def texts(length: int) -> Cleaner:
    """A set of texts as canonical JSON: cleaned, each once, sorted."""
    clean_text = text(1024)

    def clean(value: Any) -> str:
        if not isinstance(value, list):
            raise BadValue("not_a_list")
        members: set[str | None] = set()
        for member in value:
            if member is not None:
                members.add(clean_text(member))
                # Each takes at least 3 bytes with its quotes: stop when they cannot fit.
                if len(members) * 3 > length + 3:
                    raise BadValue("too_long")
        return canonical(sorted(members - {None}), length)

    return clean


def opening_hours(length: int) -> Cleaner:
    """OCPI regular hours as canonical JSON, by weekday and begin, times as HH:MM."""

    def clean(value: Any) -> str:
        if not isinstance(value, list):
            raise BadValue("not_a_list")
        if len(value) * _MIN_PERIOD_BYTES > length:
            raise BadValue("too_long")
        periods = sorted((_period(member) for member in value), key=_period_order)
        return canonical(periods, length)

    return clean


def strip_control_json(value: Any) -> Any:
    """Remove control and bidirectional characters from all texts and names of a JSON value.

    Texts without such characters do not change. If two names become equal, the last one in the
    sorted order of the published names wins.
    """
    if isinstance(value, str):
        return (
            value
            if value.isprintable() or strip_control(value) == value
            else _collapse_spaces(value)
        )
    if isinstance(value, list):
        return [strip_control_json(member) for member in value]
    if isinstance(value, dict):
        return {strip_control_json(name): strip_control_json(value[name]) for name in sorted(value)}
    return value


def canonical(value: Any, length: int) -> str:
    """A value as JSON with sorted keys and no white space; BadValue if it is longer in bytes."""
    try:
        encoded = msgspec.json.encode(value, order="sorted")
    except (OverflowError, RecursionError, ValueError):
        raise BadValue("not_representable") from None
    if len(encoded) > length:
        raise BadValue("too_long")
    return encoded.decode()


def cleaner(column: Column, published_in: str | None = None) -> Cleaner:
    """The cleaner of a column of the flat tables, for values published in a given unit.

    Raises:
        ValueError: the unit is unknown, or cannot be converted to the column's unit.
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
    "status_published": lambda column: status_published(column.length),
    "parking_status": lambda column: sensor(column.length),
    "standard": lambda column: text(column.length, upper=True),
    "format": lambda column: text(column.length, upper=True),
    "power_type": lambda column: text(column.length, upper=True),
}

_BY_TYPE: dict[Type, Callable[[Column], Cleaner]] = {
    Type.TEXT: lambda column: text(column.length),
    Type.DOUBLE: lambda column: number,
    Type.BOOLEAN: lambda column: boolean,
    Type.TIMESTAMP: lambda column: timestamp,
}


def _collapse_spaces(text: str) -> str:
    return " ".join(strip_control(text).split())


def _trim(text: str) -> str:
    return strip_control(text).strip()


# 6 decimals of a degree are 0.1 m.
_DECIMALS = {units.DEGREES: 6}


def _to_finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue("not_a_number")
    try:
        result = float(value)
    except OverflowError:
        raise BadValue("not_a_number") from None
    if not math.isfinite(result):
        raise BadValue("not_a_number")
    return result + 0.0


def _parse_number(text: str) -> float:
    """Parse a text without surrounding white space as a number."""
    if len(text) > _MAX_NUMBER_CHARACTERS:
        raise BadValue("not_a_number")
    plain = text.replace("\u2212", "-")
    if _PLAIN_NUMBER.fullmatch(plain):
        return _to_finite(float(plain.replace(",", ".")))
    grouped = _GROUPED_NUMBER.fullmatch(plain)
    if grouped is None:
        raise BadValue("not_a_number")
    whole = grouped["whole"].replace(grouped["mark"], "")
    return _to_finite(float(f"{whole}.{grouped['part'] or 0}"))


def _split_unit(text: str) -> tuple[str, str]:
    """Split a text into a number and the unit after it (empty if there is none)."""
    match = _WITH_UNIT.fullmatch(text) if len(text) <= _MAX_NUMBER_CHARACTERS else None
    return (match["number"].rstrip(), match["unit"]) if match else (text, "")


def _unit_factor(spelling: str, unit: str) -> Fraction:
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
    if isinstance(value, str) and _trim(value).lower() == "holiday":
        return "holiday"
    day = _trim(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if day not in {"1", "2", "3", "4", "5", "6", "7"}:
        raise BadValue("not_opening_hours")
    return int(day)


def _time(value: Any) -> str:
    match = _TIME.fullmatch(_trim(value)) if isinstance(value, str) else None
    if match is None:
        raise BadValue("not_opening_hours")
    return f"{int(match[1]):02d}:{match[2]}"


def _period_order(period: dict[str, Any]) -> tuple[str, str, str]:
    return str(period["weekday"]), period["period_begin"], period["period_end"]
