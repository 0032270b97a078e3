"""How Redshift words an error, as best known without one at hand.

Belongs here: codes and texts, and PostgreSQL's errors in Redshift's words. Does not belong here:
when something is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SYNTAX = "42601"
UNSUPPORTED = "0A000"
INTERNAL = "XX000"
UNDEFINED_FUNCTION = "42883"

# Constraints of this name stand for VARCHAR(n), which counts bytes here.
BYTES_CONSTRAINT = "rs_bytes_"


@dataclass(eq=False)
class Refused(Exception):
    """A statement that Redshift would not run."""

    message: str
    code: str = UNSUPPORTED
    detail: str = ""
    hint: str = ""

    def fields(self) -> dict[str, str]:
        told = {"S": "ERROR", "C": self.code, "M": self.message}
        if self.detail:
            told["D"] = self.detail
        if self.hint:
            told["H"] = self.hint
        return told


def internal(message: str, context: str, *, code: int = 8001) -> Refused:
    """An error of the execution engine, whose detail is a block of lines."""
    lines = "-----------------------------------------------"
    block = (
        f"\n  {lines}\n  error:  {message}\n  code:      {code}\n  context:   {context}\n"
        f"  query:     0\n  {lines}\n"
    )
    return Refused(message, INTERNAL, block)


def serialization_failure() -> Refused:
    return Refused(
        "1023",
        INTERNAL,
        "Serializable isolation violation on table - 100, transactions forming the cycle are: "
        "1, 2 (pid:1)",
    )


def as_redshift(fields: Mapping[str, str]) -> dict[str, str]:
    """PostgreSQL's error fields, reworded where Redshift differs."""
    code, constraint = fields.get("C", ""), fields.get("n", "")
    if code == "40001":
        return serialization_failure().fields()
    if code == "28P01":
        return {**fields, "C": "28000"}
    if code == "23514" and constraint.startswith(BYTES_CONSTRAINT):
        return too_long(constraint.split("_")[2]).fields()
    if code == "22001":
        return too_long(fields["M"].partition("(")[2].rstrip(")")).fields()
    if code == "23502":
        column = fields.get("c", "")
        return internal(
            f"Cannot insert a NULL value into column {column}", column, code=8007
        ).fields()
    return {key: value for key, value in fields.items() if key in "SCMDHP"}


def too_long(limit: str) -> Refused:
    """A text with more bytes than its column holds."""
    return internal(
        "Value too long for character type",
        f"Value too long for type character varying({limit})",
    )
