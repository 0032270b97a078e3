"""Loads into Redshift with cut connections, concurrent loads and errors 1023.

The real driver and the real loader on the test bed, at both isolation levels. In each case the load
succeeds or fails with an error, and its rows exist exactly once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from charging_assets.warehouse.plan import LoadResult, Plan
from charging_assets.warehouse.redshift import retries
from charging_assets.warehouse.redshift.connection import RedshiftResource
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets_tests.testbed.bed import Bed
from charging_assets_tests.testbed.statement_faults import CutPoint, StatementFaults
from charging_assets_tests.testbed.tcp_proxy import Behaviour, TcpProxy
from charging_assets_tests.warehouse.loads import DERIVED, GIVEN, a_load, sample_rows
from charging_assets_tests.warehouse.redshifts import EmptyRedshift, of_the_bed

pytestmark = pytest.mark.faults

LOADS = 8
CUT_BYTES = 10
ReportObserved = Callable[[str], None]


@dataclass(frozen=True)
class FaultyRedshift:
    """A database at one isolation level, and the faults for its clients."""

    database: EmptyRedshift
    reader: RedshiftWarehouse
    faults: StatementFaults
    port: int

    def at_port(self, port: int) -> RedshiftWarehouse:
        """A warehouse that connects to another port."""
        resource = RedshiftResource(**{**self.database.redshift.model_dump(), "port": port})
        return RedshiftWarehouse(resource, self.database.lake, self.database.iam_role)

    def check_once(self, *amounts: int) -> int:
        """The amount of the load; its rows and its ledger row must exist exactly once."""
        read = self.reader.query
        given = read(f"SELECT name, amount FROM {GIVEN.full_name} ORDER BY name")
        derived = read(f"SELECT name, amount FROM {DERIVED.full_name} ORDER BY name")
        ledger = read("SELECT asset, input_digest FROM ops.ledger")
        (amount,) = {int(value) for value in given["amount"].to_pylist()}
        assert amount in amounts
        assert given.to_pylist() == [{"name": name, "amount": amount} for name in "ab"]
        assert derived.to_pylist() == [{"name": name, "amount": 2 * amount} for name in "ab"]
        assert ledger.to_pylist() == [{"asset": "derived", "input_digest": f"d{amount}"}]
        return amount


@pytest.fixture(scope="module", params=["snapshot", "serializable"])
def redshift(testbed: Bed, request: pytest.FixtureRequest) -> Iterator[FaultyRedshift]:
    database = of_the_bed(testbed, testbed.new_bucket(), request.param)
    faults = testbed.proxy.faults[database.redshift.database]
    yield FaultyRedshift(database, database.warehouse(), faults, database.redshift.port)
    database.end()


@pytest.fixture(autouse=True)
def reset_faults(redshift: FaultyRedshift, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rows, no faults, and short waits between attempts."""
    redshift.faults.clear()
    redshift.database.empty()
    redshift.faults.clear()
    monkeypatch.setattr(retries, "_FIRST_WAIT_S", 0.01)


def load(amount: int) -> Plan:
    return a_load(sample_rows("a", "b", amount=amount), digest=f"d{amount}")


CUT_POINTS: tuple[CutPoint, ...] = ("before", "during", "reply", "after")
CUTS = [
    *(("^COPY", point, LOADS) for point in CUT_POINTS),
    *(("^INSERT INTO staging.given", point, LOADS) for point in CUT_POINTS),
    *(("^COMMIT", point, LOADS) for point in CUT_POINTS),
    *(
        (statement, point, 3)
        for statement in ("^LOCK", "^DELETE FROM staging.given", r"^\s*INSERT INTO ops.ledger")
        for point in ("before", "reply")
    ),
]


@pytest.mark.fault(
    "The connection to Redshift is cut before, during or after a statement, or its reply is lost",
    "the load is retried and its rows exist once, whether it was COPY, INSERT or COMMIT",
    area="warehouse",
)
@pytest.mark.parametrize(("statement", "point", "loads"), CUTS)
def test_cut__at_a_statement__rows_exist_once(
    redshift: FaultyRedshift,
    report_observed: ReportObserved,
    statement: str,
    point: CutPoint,
    loads: int,
) -> None:
    warehouse = redshift.database.warehouse()
    for amount in range(1, loads + 1):
        redshift.faults.cut(point, statement)
        warehouse.apply(load(amount))
        assert redshift.faults.remaining == 0
        redshift.check_once(amount)
    report_observed(
        f"{len(CUTS)} cut points of 6 statements, up to {LOADS} loads each, both isolation levels"
    )


@pytest.mark.fault(
    "The connection to Redshift breaks at any byte",
    "the load is retried and its rows exist once",
    area="warehouse",
)
@pytest.mark.parametrize("direction", ["sent", "received"])
def test_cut__at_any_byte__rows_exist_once(
    redshift: FaultyRedshift, report_observed: ReportObserved, direction: str
) -> None:
    with TcpProxy(("127.0.0.1", redshift.port)) as proxy:
        redshift.at_port(proxy.port).apply(load(1000))
        whole = proxy.traffic[-1][direction == "received"]
        for amount in range(1, CUT_BYTES + 1):
            at, first = whole * amount // (CUT_BYTES + 1), len(proxy.traffic)

            def cut_first(number: int, at: int = at, first: int = first) -> Behaviour:
                if number != first:
                    return Behaviour()
                if direction == "sent":
                    return Behaviour(cut_after_sent=at)
                return Behaviour(cut_after_received=at, is_reset=True)

            proxy.behave = cut_first
            redshift.at_port(proxy.port).apply(load(amount))
            assert proxy.traffic[first][direction == "received"] == at
            redshift.check_once(amount)
    report_observed(f"cut at {CUT_BYTES} positions of the sent and of the received bytes")


@pytest.mark.fault(
    "Redshift refuses a transaction with 1023, a serializable isolation violation",
    "the whole transaction is retried and its rows exist once",
    area="warehouse",
)
@pytest.mark.parametrize(
    "statement", ["^LOCK", "^DELETE FROM staging.given", "^INSERT INTO staging.given", "^COMMIT"]
)
def test_1023__at_a_statement__is_retried(
    redshift: FaultyRedshift, report_observed: ReportObserved, statement: str
) -> None:
    warehouse = redshift.database.warehouse()
    for amount in range(1, LOADS + 1):
        times = 1 + amount % 3
        redshift.faults.refuse(statement, times=times)
        warehouse.apply(load(amount))
        assert redshift.faults.remaining == 0
        redshift.check_once(amount)
    report_observed(f"up to 3 times in a row, at 4 statements, {LOADS} loads each")


@pytest.mark.fault(
    "Two runs load the same hour at once",
    "one waits for the other; the rows of one of them exist, once",
    area="warehouse",
)
@pytest.mark.parametrize("is_same_input", [True, False])
def test_two_runs__of_one_hour__rows_exist_once(
    redshift: FaultyRedshift, report_observed: ReportObserved, is_same_input: bool
) -> None:
    warehouses = [redshift.database.warehouse() for _ in range(2)]
    for number in range(1, LOADS + 1):
        amounts = [number, number if is_same_input else number + 100]
        barrier = threading.Barrier(2)
        results: list[LoadResult] = []

        def run(
            which: int,
            amounts: list[int] = amounts,
            barrier: threading.Barrier = barrier,
            results: list[LoadResult] = results,
        ) -> None:
            barrier.wait()
            results.append(warehouses[which].apply(load(amounts[which])))

        threads = [threading.Thread(target=run, args=(which,)) for which in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(results) == 2
        redshift.check_once(*amounts)
    report_observed(f"{LOADS} races of the same input and of two, both isolation levels")


@pytest.mark.fault(
    "Redshift cannot be reached",
    "the load fails with an error that names the host, and the old rows stay",
    area="warehouse",
)
def test_cut__every_time__is_an_error_and_the_old_rows_stay(
    redshift: FaultyRedshift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_LONGEST_WAIT_S", 0.02)
    redshift.database.warehouse().apply(load(1))
    redshift.faults.cut("before", "^COPY", times=retries.MAX_ATTEMPTS)
    with pytest.raises(Exception, match="localhost"):
        redshift.database.warehouse().apply(load(2))
    assert redshift.faults.remaining == 0
    redshift.check_once(1)
    redshift.database.warehouse().apply(load(2))
    redshift.check_once(2)
