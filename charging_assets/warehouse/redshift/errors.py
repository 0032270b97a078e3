"""Classify Redshift's errors: which are transient, and what the user can do about the others.

The driver raises ProgrammingError for almost every server error, including serialization failures
(1023), with a dict of the server's fields; so errors are classified by code and message. If a
connection breaks in the middle of a message, the driver raises whatever unpacking half of the
message raises.
"""

from __future__ import annotations

import re
import struct
from enum import Enum
from typing import Any


class ErrorKind(Enum):
    """What an error means for a load."""

    CONFLICT = "another transaction is in conflict: the transaction can be retried"
    LOST = "the connection is lost; the last statement may or may not have completed"
    UNAVAILABLE = "a service behind Redshift is unavailable: the statement can be retried"
    MISSING = "the schema, table or view does not exist"
    REFUSED = "a retry changes nothing"


TRANSIENT = {ErrorKind.CONFLICT, ErrorKind.LOST, ErrorKind.UNAVAILABLE}

_CONFLICT_CODES = {"40001", "40P01"}
# 1018: a table that was dropped or replaced after the transaction had taken its snapshot.
# https://repost.aws/knowledge-center/redshift-serializable-isolation
_CONFLICT_MESSAGES = {"1018", "1023"}
_CONFLICT = re.compile(
    r"\b10(?:18|23)\b\W*(?:DETAIL:\W*)?(?:serializable|relation does not exist)"
    r"|serializable isolation violation|could not serialize access|deadlock detected"
    r"|conflict with concurrent transaction|concurrent transaction|tuple concurrently updated"
    r"|could not (?:open|find) relation with OID",
    re.IGNORECASE,
)
_LOST_CODES = {"57P01", "57P02", "57P03", "08000", "08003", "08006"}
_LOST = re.compile(
    r"BrokenPipe|connection is closed|communication error|connection time ?out|server closed"
    r"|terminating connection|connection reset|Connection refused",
    re.IGNORECASE,
)
_UNAVAILABLE = re.compile(
    r"S3CurlException|S3ServiceException.*(SlowDown|InternalError|ServiceUnavailable|\b50[03]\b)"
    r"|reduce your request rate|Reach max retry"
    # COPY and UNLOAD of Parquet run in the Spectrum layer, which has errors of its own:
    # https://docs.aws.amazon.com/redshift/latest/dg/c-spectrum-troubleshooting.html
    r"|Spectrum Scan Error\W.*?(Retries exceeded|Access throttled)"
    r"|S3 Query Exception \(Fetch\).*(SlowDown|InternalError|ServiceUnavailable|throttl"
    r"|time[d ]*out|HTTP[ a-z]*(code|error|status)?\W*50[0234])",
    re.IGNORECASE | re.DOTALL,
)
# What the Spectrum layer reports of a file, or of the cluster's access to it.
_COPY = re.compile(
    r"Spectrum|S3 Query Exception|S3ServiceException|\bstl_load_errors\b", re.IGNORECASE
)
_MISSING_CODES = {"42P01", "3F000"}

# The script that an administrator runs once before the first load.
BOOTSTRAP = "deploy/aws/bootstrap.sql"
_DENIED = "42501"
_CANCELLED = "57014"
_ROLE = re.compile(r"not authorized to (assume|get credentials of) (IAM )?Role", re.IGNORECASE)
_NO_DATABASE = "3D000"
_NO_GROUP = re.compile(r'(group|role) "?[^"]*"? does not exist', re.IGNORECASE)


def classify_error(error: BaseException) -> ErrorKind:
    """Classify an error of the driver or of the network."""
    if isinstance(error, OSError | EOFError | struct.error | IndexError):
        return ErrorKind.LOST
    fields, message = _fields(error), describe_error(error)
    code = fields.get("C", "")
    if code in _CONFLICT_CODES or _is_conflict(fields, message):
        return ErrorKind.CONFLICT
    if code in _LOST_CODES or (not fields and _LOST.search(message)):
        return ErrorKind.LOST
    if _UNAVAILABLE.search(message):
        return ErrorKind.UNAVAILABLE
    return ErrorKind.MISSING if code in _MISSING_CODES else ErrorKind.REFUSED


def _is_conflict(fields: dict[str, Any], message: str) -> bool:
    # Only as a whole message is the number that of an error: a text may contain it.
    is_number = str(fields.get("M", "")).strip() in _CONFLICT_MESSAGES
    return is_number or bool(_CONFLICT.search(message))


def describe_error(error: BaseException) -> str:
    """The text of an error: the server's message, detail, hint and code."""
    fields = _fields(error)
    if not fields:
        return " ".join(str(part) for part in error.args) or type(error).__name__
    parts = [fields.get("M", ""), fields.get("D", ""), fields.get("H", "")]
    code = f" ({fields['C']})" if "C" in fields else ""
    return "; ".join(part.strip() for part in parts if part.strip()) + code


def explain(error: BaseException) -> str:
    """The text of an error, followed by a remedy if something is missing.

    Missing rights, a missing database and a missing reader group have one remedy: the bootstrap
    script, which an administrator runs once. A statement that was cancelled names the timeout, and
    a COPY or UNLOAD where Redshift keeps the details.
    """
    fields, message = _fields(error), describe_error(error)
    code = fields.get("C", "")
    if code == _DENIED:
        remedy = (
            "this database user lacks rights: an administrator runs "
            f"{BOOTSTRAP} once, which gives the user of the runs CREATE on the database; users "
            "that only read must be in the group that CHARGING_REDSHIFT_READER_GROUP names"
        )
    elif code == _NO_DATABASE:
        remedy = f"check CHARGING_REDSHIFT_DATABASE; {BOOTSTRAP} creates the database"
    elif code == _CANCELLED:
        remedy = (
            "statements, waiting for another load included, end after "
            "CHARGING_REDSHIFT_STATEMENT_TIMEOUT_S seconds (900): raise it, or load again when the "
            "other load has ended"
        )
    elif _ROLE.search(message):
        remedy = (
            "check CHARGING_REDSHIFT_IAM_ROLE, that this role is associated with the cluster or "
            f"namespace, and that its trust policy names it; {BOOTSTRAP} grants its use to the "
            "user of the runs"
        )
    elif _NO_GROUP.search(message):
        remedy = f"check CHARGING_REDSHIFT_READER_GROUP; {BOOTSTRAP} creates the group"
    elif _COPY.search(message):
        remedy = (
            "Redshift keeps the details: SELECT * FROM sys_load_error_detail ORDER BY start_time "
            "DESC LIMIT 5 (stl_load_errors, svl_s3log on a provisioned cluster)"
        )
    else:
        return message
    return f"{message}; {remedy}"


def _fields(error: BaseException) -> dict[str, Any]:
    first = error.args[0] if error.args else None
    return first if isinstance(first, dict) else {}
