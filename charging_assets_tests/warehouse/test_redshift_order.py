"""The order of a load's statements in Redshift, and the result of a failure at each of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from redshift_connector import InterfaceError, ProgrammingError

from charging_assets.lake.memory import MemoryLake
from charging_assets.schemas.catalog import TABLES
from charging_assets.warehouse.interface import WarehouseError
from charging_assets.warehouse.plan import LoadError, LoadResult
from charging_assets.warehouse.redshift import retries
from charging_assets_tests.warehouse.loads import a_load, sample_rows
from charging_assets_tests.warehouse.recording import (
    PASSWORD,
    ROLE,
    Failure,
    Recorder,
    record_warehouse,
)

COPIED = [
    r"SELECT digest FROM ops\.schema_digest",
    r"CREATE TEMP TABLE incoming_given \(slot_at TIMESTAMP NOT NULL, name VARCHAR\(8\) NOT NULL, "
    r"amount BIGINT\) DISTSTYLE EVEN",
    rf"COPY incoming_given FROM 'memory://loads/\w+/given\.manifest' IAM_ROLE '{ROLE}' "
    "FORMAT AS PARQUET MANIFEST",
    r"SELECT COUNT\(\*\) FROM incoming_given",
]
REPLACED = [
    "BEGIN",
    r"LOCK ops\.load_lock",
    r"SELECT archive_digest, .* FROM ops\.ledger WHERE .*",
    r"DELETE FROM staging\.given WHERE slot_at >= :scope_start AND slot_at < :scope_end",
    r"INSERT INTO staging\.given \(slot_at, name, amount\) SELECT slot_at, name, amount "
    "FROM incoming_given",
    r"SELECT .*SUM\(row_count\).* FROM staging\.given WHERE .* GROUP BY slot_at, name.*",
    r"CREATE TEMP TABLE doubled AS SELECT .*",
    r"DELETE FROM warehouse\.derived WHERE .*",
    r"INSERT INTO warehouse\.derived \(slot_at, name, amount\) SELECT slot_at, name, amount "
    r"FROM \(SELECT .*\) AS new_rows",
    r"SELECT .*SUM\(row_count\).* FROM warehouse\.derived WHERE .* GROUP BY slot_at, .*",
    r"SELECT name FROM warehouse\.derived WHERE amount < 0 LIMIT 5",
    r"DELETE FROM ops\.ledger WHERE .*",
    r"INSERT INTO ops\.ledger .*",
    "COMMIT",
]
DROPPED = ["DROP TABLE incoming_given", "DROP TABLE doubled"]
WHOLE = [*COPIED, *REPLACED, *DROPPED]
BEGIN, COMMIT = WHOLE.index("BEGIN") + 1, WHOLE.index("COMMIT") + 1


def refused() -> BaseException:
    return ProgrammingError({"C": "42501", "M": "permission denied"})


CONFLICTS: dict[str, Failure] = {
    "1023": lambda: ProgrammingError(
        {
            "C": "XX000",
            "M": "1023 ",
            "D": "Serializable isolation violation on table - 104321, transactions forming the "
            "cycle are: 5000, 5001 (pid:123)",
        }
    ),
    "40001": lambda: ProgrammingError({"C": "40001", "M": "could not serialize access"}),
    "deadlock": lambda: ProgrammingError({"C": "40P01", "M": "deadlock detected"}),
    "concurrent": lambda: ProgrammingError(
        {"C": "XX000", "M": "Operation failed due to conflict with concurrent transaction"}
    ),
}
LOST: dict[str, Failure] = {
    "reset": lambda: ConnectionResetError(104, "Connection reset by peer"),
    "closed": lambda: InterfaceError("BrokenPipe: server socket closed. Please check that …"),
    "half a message": lambda: IndexError("index out of range"),
    "shut down": lambda: ProgrammingError({"C": "57P01", "M": "terminating connection due to …"}),
}


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_wait", lambda attempt: None)


def match(statements: list[str], patterns: list[str]) -> None:
    for statement, pattern in zip(statements, patterns, strict=False):
        assert re.fullmatch(pattern, statement), f"{statement}\nis not\n{pattern}"
    assert len(statements) == len(patterns), statements[len(patterns) :]


def load(recorder: Recorder, **settings: Any) -> tuple[LoadResult, MemoryLake]:
    lake = MemoryLake()
    try:
        return record_warehouse(recorder, lake).apply(
            a_load(sample_rows("a", "b"), **settings)
        ), lake
    finally:
        assert lake.objects == {}, "staged objects stay"
        assert recorder.open_connections == 0


def test_load__runs_statements_in_this_order() -> None:
    recorder = Recorder(staged_rows=2)
    done, _ = load(recorder)
    match(recorder.statements, WHOLE)
    assert done == LoadResult({"given": 2, "derived": 2})
    assert recorder.connections == 1


def test_load__the_first_statement_of_a_transaction_is_the_lock() -> None:
    recorder = Recorder(staged_rows=2)
    load(recorder, skip_if_same=True)
    begins = [n for n, statement in enumerate(recorder.statements) if statement == "BEGIN"]
    assert [recorder.statements[n + 1] for n in begins] == ["LOCK ops.load_lock"] * len(begins)
    assert not any("TRUNCATE" in statement.upper() for statement in recorder.statements)


def test_load__that_may_be_skipped_stages_nothing_for_the_same() -> None:
    recorder = Recorder(staged_rows=2)
    load(recorder, skip_if_same=True)
    recorder.statements.clear()
    done, _ = load(recorder, skip_if_same=True)
    assert done.skipped
    assert not [s for s in recorder.statements if not s.startswith("SELECT")]


def test_load__of_no_rows_copies_nothing_and_empties_the_scope() -> None:
    recorder = Recorder(staged_rows=0)
    record_warehouse(recorder, MemoryLake()).apply(a_load(sample_rows()))
    match(recorder.statements, [WHOLE[0], WHOLE[1], *WHOLE[4:]])


def test_load__inlines_parameters_of_temp_tables_and_binds_all_others() -> None:
    recorder = Recorder(staged_rows=2)
    load(recorder)
    for statement, params in zip(recorder.statements, recorder.params, strict=True):
        assert not (statement.startswith("CREATE TEMP TABLE") and params)
        assert (":" in re.sub(r"'[^']*'", "", statement)) == bool(params), statement


@pytest.mark.parametrize("number", range(1, COMMIT + 1))
def test_load__refused_at_any_statement_ends_with_nothing_changed(number: int) -> None:
    recorder = Recorder(staged_rows=2, fail_at=number, failure=refused)
    if number == 1:  # no mark of a schema: it is made, which the recorder lets happen
        load(recorder)
        assert "CREATE SCHEMA IF NOT EXISTS ops" in recorder.statements
        return
    with pytest.raises(LoadError, match=r"loading derived .* nothing was changed: permission den"):
        load(recorder)
    rolled_back = ["ROLLBACK"] if number > BEGIN else []
    match(recorder.statements, [*WHOLE[:number], *rolled_back])
    assert recorder.ledger is None


@pytest.mark.parametrize("failure", CONFLICTS.values(), ids=CONFLICTS)
@pytest.mark.parametrize("number", range(2, COMMIT + 1))
def test_load__a_conflict_anywhere_repeats_the_whole_load(number: int, failure: Failure) -> None:
    recorder = Recorder(staged_rows=2, fail_at=number, failure=failure)
    done, _ = load(recorder)
    rolled_back = ["ROLLBACK"] if number > BEGIN else []
    # The schema is known by then.
    match(recorder.statements, [*WHOLE[:number], *rolled_back, *WHOLE[1:]])
    assert done == LoadResult({"given": 2, "derived": 2})
    assert recorder.connections == 2


@pytest.mark.parametrize("failure", LOST.values(), ids=LOST)
@pytest.mark.parametrize("number", range(2, COMMIT + 1))
def test_load__a_connection_lost_anywhere_is_made_again(number: int, failure: Failure) -> None:
    recorder = Recorder(staged_rows=2, fail_at=number, failure=failure)
    done, _ = load(recorder)
    assert done == LoadResult({"given": 2, "derived": 2})
    assert recorder.connections == 2
    assert recorder.statements.count("COMMIT") == (2 if number == COMMIT else 1)


@pytest.mark.parametrize("failure", LOST.values(), ids=LOST)
def test_load__a_commit_whose_reply_is_lost_is_settled_by_the_ledger(failure: Failure) -> None:
    recorder = Recorder(staged_rows=2, fail_at=COMMIT, failure=failure, is_carried_out=True)
    done, _ = load(recorder)
    again = [*COPIED[1:], *REPLACED[:3], "COMMIT", DROPPED[0]]
    match(recorder.statements, [*WHOLE[:COMMIT], "ROLLBACK", *again])
    assert done == LoadResult({"given": 2, "derived": 2})


@pytest.mark.parametrize("number", [COMMIT + 1, COMMIT + 2])
def test_load__what_fails_after_the_commit_does_not_matter(number: int) -> None:
    recorder = Recorder(staged_rows=2, fail_at=number, failure=refused)
    done, _ = load(recorder)
    assert done == LoadResult({"given": 2, "derived": 2})
    assert recorder.open_connections == 0


def test_load__fewer_rows_copied_than_staged_is_refused() -> None:
    recorder = Recorder(staged_rows=1)
    with pytest.raises(LoadError, match=r"COPY loaded 1 rows .* but 2 were staged"):
        load(recorder)
    assert "BEGIN" not in recorder.statements


@pytest.mark.parametrize(
    ("failure", "wanted", "message"),
    [
        (CONFLICTS["1023"], LoadError, "failed 8 times, nothing was changed: 1023"),
        (LOST["reset"], WarehouseError, "If the connection broke in COMMIT, the load may have"),
    ],
)
def test_load__fails_after_eight_attempts(
    failure: Failure, wanted: type[Exception], message: str
) -> None:
    class Stubborn(Recorder):
        def _answer(self, sql: str, params: dict[str, Any] | None) -> Any:
            if sql == "COMMIT":
                raise failure()
            return super()._answer(sql, params)

    recorder = Stubborn(staged_rows=2)
    with pytest.raises(wanted, match=message):
        load(recorder)
    assert recorder.statements.count("COMMIT") == 8
    assert recorder.connections == 8


def test_load__prints_no_password_and_no_key() -> None:
    recorder = Recorder(staged_rows=2, fail_at=COMMIT, failure=refused)
    with pytest.raises(LoadError) as caught:
        load(recorder)
    output = "\n".join([*recorder.statements, *map(repr, recorder.params), repr(caught.value)])
    assert PASSWORD not in output
    assert not re.search(r"ACCESS_KEY|SECRET|CREDENTIALS|PASSWORD", output, re.IGNORECASE)


def test_maintain__reclaims_the_space_of_days_that_were_deleted_and_nothing_else() -> None:
    """A full VACUUM of the facts each night costs most and meets the statement timeout."""
    recorder = Recorder(staged_rows=0)
    messages = record_warehouse(recorder, MemoryLake()).maintain()
    tables = [table.full_name for table in TABLES if table.schema == "staging"]
    expected = {f"VACUUM DELETE ONLY {name}" for name in (*tables, "ops.flat_rejects")}
    vacuums = [sql for sql in recorder.statements if re.match("VACUUM|ANALYZE", sql)]
    assert set(vacuums) == expected and len(vacuums) == len(expected)
    assert {message.split(": ")[0] for message in messages} == expected
    assert recorder.without_timeout == recorder.connections == 1
