"""Parse UNLOAD and grants of ASSUMEROLE; `unload` and `objects` execute them."""

from __future__ import annotations

from dataclasses import dataclass

from charging_assets_tests.testbed.errors import SYNTAX, UNSUPPORTED, Refused
from charging_assets_tests.testbed.tokens import Statement, syntax_error

_MEGABYTE = 1 << 20
# AWS: from 5 MB to 6.2 GB, the default.
_SMALLEST, _LARGEST = 5 * _MEGABYTE, int(6.2 * 1024 * _MEGABYTE)
COMMANDS = ("COPY", "UNLOAD", "EXTERNAL FUNCTION", "CREATE MODEL")


@dataclass(frozen=True)
class Unload:
    """An UNLOAD: its SELECT, the prefix of its files, and options. `max_bytes` is of one file."""

    select: str
    target: str
    iam_role: str
    is_parallel: bool
    may_overwrite: bool
    max_bytes: int


@dataclass(frozen=True)
class RoleGrant:
    """GRANT or REVOKE ASSUMEROLE; `role` and `grantee` are empty for all."""

    is_grant: bool
    role: str
    grantee: str
    commands: tuple[str, ...]


def parse_unload(statement: Statement) -> Unload:
    """Parse an UNLOAD; Refused where Redshift would refuse it."""
    tokens = statement.tokens
    if statement.upper(1) != "(" or len(tokens) < 6 or not tokens[2].is_string:
        raise syntax_error(tokens[min(1, len(tokens) - 1)].text)
    if statement.upper(3) != ")" or statement.upper(4) != "TO" or not tokens[5].is_string:
        raise syntax_error(tokens[3].text)
    select, target = tokens[2].text, tokens[5].text
    inner = Statement(select)
    if inner.upper(0) not in {"SELECT", "WITH"}:
        raise Refused("UNLOAD source is not a SELECT query", SYNTAX)
    if inner.find("LIMIT", depth=0) >= 0:
        raise Refused("Limit clause is not supported", UNSUPPORTED)
    iam_role, file_format, is_parallel, may_overwrite = "", "TEXT", True, False
    max_bytes, at = _LARGEST, 6
    while at < len(tokens):
        word = statement.upper(at)
        if word == "IAM_ROLE":
            iam_role, at = tokens[at + 1].text, at + 2
        elif word == "FORMAT":
            at += 2 if statement.upper(at + 1) == "AS" else 1
            file_format, at = statement.upper(at), at + 1
        elif word == "PARALLEL":
            is_parallel, at = statement.upper(at + 1) in {"ON", "TRUE"}, at + 2
        elif word == "ALLOWOVERWRITE":
            may_overwrite, at = True, at + 1
        elif word == "MAXFILESIZE":
            at += 2 if statement.upper(at + 1) == "AS" else 1
            unit = 1024 if statement.upper(at + 1) == "GB" else 1
            max_bytes, at = int(float(tokens[at].text) * unit * _MEGABYTE), at + 1
            at += statement.upper(at) in {"MB", "GB"}
        elif word in {"CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"}:
            raise Refused("test bed: keys in SQL are not accepted; use IAM_ROLE", SYNTAX)
        else:
            raise syntax_error(tokens[at].text)
    if not target.startswith("s3://"):
        raise Refused("UNLOAD to this file-system not supported", UNSUPPORTED)
    if not iam_role:
        raise Refused("CREDENTIALS argument is required but not specified", SYNTAX)
    if file_format != "PARQUET":
        raise Refused(f"test bed: UNLOAD writes Parquet only, not {file_format}")
    if not _SMALLEST <= max_bytes <= _LARGEST:
        raise Refused("MAXFILESIZE must be between 5MB and 6.2GB", "22023")
    return Unload(select, target, iam_role, is_parallel, may_overwrite, max_bytes)


def parse_role_grant(statement: Statement) -> RoleGrant:
    """Parse GRANT or REVOKE ASSUMEROLE ON role TO or FROM somebody FOR commands."""
    is_grant, tokens = statement.starts("GRANT"), statement.tokens
    if statement.upper(2) != "ON" or len(tokens) < 8:
        raise syntax_error(tokens[min(2, len(tokens) - 1)].text)
    role = "" if statement.upper(3) == "ALL" else tokens[3].text
    if statement.upper(4) != ("TO" if is_grant else "FROM"):
        raise syntax_error(tokens[4].text)
    grantee, at = tokens[5].name, 6
    if statement.upper(5) in {"GROUP", "ROLE"}:
        raise Refused("test bed: ASSUMEROLE is granted to users and PUBLIC only")
    if statement.upper(5) == "PUBLIC":
        grantee = ""
    if statement.upper(at) != "FOR":
        raise syntax_error(tokens[at].text)
    named = [statement.text(*part).upper() for part in statement.parts(at + 1, len(tokens))]
    if unknown := {*named} - {"ALL", *COMMANDS}:
        raise syntax_error(unknown.pop())
    commands = COMMANDS if "ALL" in named else tuple(named)
    return RoleGrant(is_grant, role, grantee, commands)
