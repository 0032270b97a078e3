"""Argument types that several commands share: parsing and validation."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from charging_assets.hours import Hour


def hour(text: str) -> Hour:
    """A UTC hour."""
    try:
        return Hour.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive_int(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def positive_number(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def duration(text: str) -> timedelta:
    """A length of time with its unit: `90s`, `30m`, `2h`, `1d`."""
    if not re.fullmatch(r"[1-9]\d{0,5}[smhd]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; give 90s, 30m, 2h or 1d")
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    return timedelta(**{units[text[-1]]: int(text[:-1])})


def port(text: str) -> int:
    """A TCP port."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give 1 to 65535")
    return int(text)


def time_zone(name: str) -> str:
    """A time zone's name in the IANA database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(
            f"{name!r} is not a time zone; give an IANA name such as UTC"
        ) from None
    return name


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`: print the result as JSON on standard output."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
