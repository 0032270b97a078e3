"""Which of Redshift's errors pass by themselves.

Belongs here: telling apart conflicts, lost connections and refusals. Does not belong here: what is
done about them (`warehouse_redshift`).

The driver raises ProgrammingError for almost everything the server says, serialization failures
(1023) included, with a dict of the server's fields; so errors are told apart by what they say. Of a
connection that breaks in the middle of a message, it raises whatever unpacking half of it raises.
"""

from __future__ import annotations

import re
import struct
from enum import Enum
from typing import Any


class Kind(Enum):
    """What an error means for the load that met it."""

    CONFLICT = "another transaction was in the way: the whole transaction can be tried again"
    LOST = "the connection is gone, and nobody knows how far the last statement came"
    PASSING = "a service behind Redshift stumbled: the statement can be tried again"
    MISSING = "there is no such schema, table or view"
    REFUSED = "trying again changes nothing"


PASSES = {Kind.CONFLICT, Kind.LOST, Kind.PASSING}

_CONFLICT_CODES = {"40001", "40P01"}
_CONFLICT = re.compile(
    r"\b1023\b|serializable isolation violation|could not serialize access|deadlock detected"
    r"|conflict with concurrent transaction|concurrent transaction|tuple concurrently updated",
    re.IGNORECASE,
)
_LOST_CODES = {"57P01", "57P02", "57P03", "08000", "08003", "08006"}
_LOST = re.compile(
    r"BrokenPipe|connection is closed|communication error|connection time ?out|server closed"
    r"|terminating connection|connection reset|Connection refused",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"S3CurlException|S3ServiceException.*(SlowDown|InternalError|ServiceUnavailable|\b50[03]\b)"
    r"|reduce your request rate|Reach max retry",
    re.IGNORECASE | re.DOTALL,
)
_MISSING_CODES = {"42P01", "3F000"}

# What an administrator grants once, before anything is loaded (deploy/aws/bootstrap.sql).
BOOTSTRAP = "deploy/aws/bootstrap.sql"
_DENIED = "42501"
_NO_DATABASE = "3D000"
_NO_GROUP = re.compile(r'(group|role) "?[^"]*"? does not exist', re.IGNORECASE)


def kind_of(error: BaseException) -> Kind:
    """What an error of the driver, or of the network below it, means."""
    if isinstance(error, OSError | EOFError | struct.error | IndexError):
        return Kind.LOST
    fields, message = _fields(error), told(error)
    code = fields.get("C", "")
    if code in _CONFLICT_CODES or _CONFLICT.search(message):
        return Kind.CONFLICT
    if code in _LOST_CODES or (not fields and _LOST.search(message)):
        return Kind.LOST
    if _PASSING.search(message):
        return Kind.PASSING
    return Kind.MISSING if code in _MISSING_CODES else Kind.REFUSED


def told(error: BaseException) -> str:
    """What an error says to a person: the server's message, its detail and hint, its code."""
    fields = _fields(error)
    if not fields:
        return " ".join(str(part) for part in error.args) or type(error).__name__
    parts = [fields.get("M", ""), fields.get("D", ""), fields.get("H", "")]
    code = f" ({fields['C']})" if "C" in fields else ""
    return "; ".join(part.strip() for part in parts if part.strip()) + code


def explain(error: BaseException) -> str:
    """The error's text, followed by the remedy where the error tells what is missing.

    Missing rights, a missing database and a missing group of readers have one remedy: the bootstrap
    script, which an administrator runs once.
    """
    fields, message = _fields(error), told(error)
    code = fields.get("C", "")
    if code == _DENIED:
        remedy = (
            "this database user lacks rights: an administrator runs "
            f"{BOOTSTRAP} once, which gives the user of the runs CREATE on the database; users "
            "that only read must be in the group that CHARGING_REDSHIFT_READER_GROUP names"
        )
    elif code == _NO_DATABASE:
        remedy = f"check CHARGING_REDSHIFT_DATABASE; {BOOTSTRAP} creates the database"
    elif _NO_GROUP.search(message):
        remedy = f"check CHARGING_REDSHIFT_READER_GROUP; {BOOTSTRAP} creates the group"
    else:
        return message
    return f"{message}; {remedy}"


def _fields(error: BaseException) -> dict[str, Any]:
    first = error.args[0] if error.args else None
    return first if isinstance(first, dict) else {}
