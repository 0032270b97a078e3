"""Codes and messages of Redshift's errors as far as known, and translated PostgreSQL errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SYNTAX = "42601"
UNSUPPORTED = "0A000"
INTERNAL = "XX000"
UNDEFINED_FUNCTION = "42883"

# Constraints with this prefix implement VARCHAR(n), whose length is in bytes.
BYTES_CONSTRAINT = "rs_bytes_"

# Redshift ignores trailing blanks in comparisons of VARCHAR, PostgreSQL does not. The bed refuses
# such values in the tables of the project, whose texts must have none.
BLANK_CONSTRAINT = "rs_blank_"


@dataclass(eq=False)
class Refused(Exception):
    """Redshift would refuse a statement."""

    message: str
    code: str = UNSUPPORTED
    detail: str = ""
    hint: str = ""

    def fields(self) -> dict[str, str]:
        fields = {"S": "ERROR", "C": self.code, "M": self.message}
        if self.detail:
            fields["D"] = self.detail
        if self.hint:
            fields["H"] = self.hint
        return fields


def internal(message: str, context: str, *, code: int = 8001) -> Refused:
    """An error of the execution engine; its detail is a block of lines."""
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
    """Translate PostgreSQL's error fields where Redshift's differ."""
    code, constraint = fields.get("C", ""), fields.get("n", "")
    if code == "40001":
        return serialization_failure().fields()
    if code == "28P01":
        return {**fields, "C": "28000"}
    if code == "23514" and constraint.startswith(BYTES_CONSTRAINT):
        return too_long(constraint.split("_")[2]).fields()
    if code == "23514" and constraint.startswith(BLANK_CONSTRAINT):
        return Refused(
            "test bed: a text ends in a blank, which Redshift ignores in comparisons; table "
            f"{fields.get('t', '')}: {fields.get('D', '')}",
            INTERNAL,
        ).fields()
    if code == "22001":
        return too_long(fields["M"].partition("(")[2].rstrip(")")).fields()
    if code == "23502":
        column = fields.get("c", "")
        return internal(
            f"Cannot insert a NULL value into column {column}", column, code=8007
        ).fields()
    return {key: value for key, value in fields.items() if key in "SCMDHP"}


def too_long(limit: str) -> Refused:
    """The error for a text with more bytes than its column allows."""
    return internal(
        "Value too long for character type",
        f"Value too long for type character varying({limit})",
    )
