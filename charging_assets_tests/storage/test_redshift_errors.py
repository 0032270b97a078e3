"""Errors of Redshift, told apart by what they say."""

from __future__ import annotations

import struct

import pytest
from redshift_connector import IntegrityError, InterfaceError, OperationalError, ProgrammingError

from charging_assets.storage.redshift_errors import Kind, explain, kind_of, told


def server(code: str, message: str, **more: str) -> ProgrammingError:
    return ProgrammingError({"S": "ERROR", "C": code, "M": message, **more})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (server("XX000", "1023", D="Serializable isolation violation on table"), Kind.CONFLICT),
        (server("XX000", "Serializable isolation violation"), Kind.CONFLICT),
        (server("40001", "could not serialize access due to concurrent update"), Kind.CONFLICT),
        (server("40P01", "deadlock detected"), Kind.CONFLICT),
        (server("XX000", "conflict with concurrent transaction 17"), Kind.CONFLICT),
        (server("57P01", "terminating connection due to administrator command"), Kind.LOST),
        (InterfaceError("BrokenPipe: server socket closed."), Kind.LOST),
        (InterfaceError("communication error", OSError(110, "timed out")), Kind.LOST),
        (OperationalError("connection time out", TimeoutError()), Kind.LOST),
        (ConnectionResetError(104, "reset"), Kind.LOST),
        (TimeoutError("read timed out"), Kind.LOST),
        (struct.error("unpack requires a buffer of 5 bytes"), Kind.LOST),
        (server("XX000", "S3ServiceException:Please reduce your request rate.,Status 503,Error "
                "SlowDown"), Kind.PASSING),
        (server("XX000", "S3ServiceException:We encountered an internal error,Status 500,Error "
                "InternalError"), Kind.PASSING),
        (server("XX000", "S3ServiceException:Access Denied,Status 403,Error AccessDenied"),
         Kind.REFUSED),
        (server("42P01", 'relation "ops.ledger" does not exist'), Kind.MISSING),
        (server("3F000", 'schema "ops" does not exist'), Kind.MISSING),
        (server("57014", "Query cancelled on user's request"), Kind.REFUSED),
        (server("42601", "syntax error"), Kind.REFUSED),
        (server("XX000", "Spectrum Scan Error", D="has an incompatible Parquet schema"),
         Kind.REFUSED),
        (InterfaceError({"C": "28000", "M": "password authentication failed"}), Kind.REFUSED),
        (IntegrityError({"C": "23505", "M": "duplicate key"}), Kind.REFUSED),
        (KeyError("hour_at"), Kind.REFUSED),
    ],
)  # fmt: skip
def test_kind_of__tells_apart(error: Exception, kind: Kind) -> None:
    assert kind_of(error) is kind


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        ("42501", "permission denied for database charging", "deploy/aws/bootstrap.sql"),
        ("42501", "permission denied for schema ops", "CHARGING_REDSHIFT_READER_GROUP"),
        ("3D000", 'database "charging" does not exist', "deploy/aws/bootstrap.sql"),
        ("42704", 'group "charging_readers" does not exist', "deploy/aws/bootstrap.sql"),
        ("42704", 'role "charging_readers" does not exist', "deploy/aws/bootstrap.sql"),
    ],
)
def test_explain__rights_that_are_missing_name_the_bootstrap_script(
    code: str, message: str, remedy: str
) -> None:
    text = explain(server(code, message))
    assert text.startswith(f"{message} ({code}); ")
    assert remedy in text


def test_explain__other_errors_are_as_told() -> None:
    for error in (server("42601", "syntax error"), InterfaceError("connection is closed")):
        assert explain(error) == told(error)


def test_told__is_message_detail_hint_and_code() -> None:
    error = server("XX000", "1023", D=" Serializable isolation violation ", H="try again")
    assert told(error) == "1023; Serializable isolation violation; try again (XX000)"
    assert told(InterfaceError("connection is closed")) == "connection is closed"
    assert told(EOFError()) == "EOFError"
