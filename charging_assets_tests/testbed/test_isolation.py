"""Two writers: errors without a lock occur in the bed as well, at both isolation levels.

So a warehouse that takes no lock would not pass for one that does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redshift_connector

from charging_assets_tests.testbed.bed import Redshift

REPLACE = ("DELETE FROM t WHERE hour = 1", "INSERT INTO t (hour) SELECT 1")


def connected(database: Redshift) -> Any:
    connection = redshift_connector.connect(**database.connection_arguments())
    connection.autocommit = True
    return connection


def run(connection: Any, *statements: str) -> None:
    for statement in statements:
        connection.cursor().execute(statement)


@pytest.fixture
def writers(each_redshift: Redshift) -> Iterator[tuple[Any, Any]]:
    first, second = connected(each_redshift), connected(each_redshift)
    run(first, "CREATE TABLE t (hour BIGINT)", "CREATE TABLE gate (a BIGINT)")
    yield first, second
    first.close()
    second.close()


def refused(connection: Any, *statements: str) -> str:
    """The error of the statements, or an empty text."""
    try:
        run(connection, *statements)
    except redshift_connector.ProgrammingError as error:
        return str(error.args[0]["M"])
    return ""


def rows(connection: Any) -> int:
    cursor = connection.cursor()
    cursor.execute("SELECT COUNT(*) FROM t")
    return int(cursor.fetchone()[0])


def waits_for(connection: Any, statement: str, release: Any) -> list[str]:
    """Run a statement that waits for a lock, release the lock, and return its errors."""
    failed: list[str] = []

    def blocked() -> None:
        failed.extend(filter(None, [refused(connection, statement)]))

    thread = threading.Thread(target=blocked)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    release()
    thread.join(60)
    assert not thread.is_alive()
    return failed


def test_replace__without_a_lock__duplicates_rows_or_is_refused(
    each_redshift: Redshift, writers: tuple[Any, Any]
) -> None:
    first, second = writers
    run(first, "BEGIN", "SELECT COUNT(*) FROM t")
    run(second, "BEGIN", "SELECT COUNT(*) FROM t")
    run(first, *REPLACE)
    failed = waits_for(second, REPLACE[0], lambda: run(first, "COMMIT"))
    if each_redshift.isolation == "snapshot":
        assert failed == []
        run(second, REPLACE[1], "COMMIT")
        assert rows(first) == 2
    else:
        assert failed or refused(second, REPLACE[1], "COMMIT") == "1023"
        assert failed in ([], ["1023"])
        assert rows(first) == 1


def test_replace__lock_as_the_first_statement__is_correct(writers: tuple[Any, Any]) -> None:
    first, second = writers
    run(first, "BEGIN", "LOCK gate", *REPLACE)
    run(second, "BEGIN")
    assert waits_for(second, "LOCK gate", lambda: run(first, "COMMIT")) == []
    run(second, *REPLACE, "COMMIT")
    assert rows(first) == 1


def test_write__without_lock_statement__takes_the_write_lock(writers: tuple[Any, Any]) -> None:
    first, second = writers
    run(first, "BEGIN", "INSERT INTO t (hour) SELECT 7")
    assert rows(second) == 0  # readers do not wait
    run(second, "BEGIN")
    assert waits_for(second, "INSERT INTO t (hour) SELECT 8", lambda: run(first, "COMMIT")) == []
    run(second, "COMMIT")
    assert rows(first) == 2


def test_truncate__commits_what_was_done_before(writers: tuple[Any, Any]) -> None:
    first, second = writers
    run(first, "BEGIN", "INSERT INTO gate (a) SELECT 1", "TRUNCATE t", "ROLLBACK")
    cursor = second.cursor()
    cursor.execute("SELECT COUNT(*) FROM gate")
    assert cursor.fetchone() == [1]
