"""Loads into Redshift whose connection is cut, who meet each other, or who are told 1023.

The real driver and the real loader, on the test bed, under both isolation levels. Whatever happens,
the load succeeds or is an error; its rows are there exactly once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from charging_assets.storage import redshift_tries
from charging_assets.storage.plan import Loaded, Plan
from charging_assets.storage.redshift_connection import RedshiftResource
from charging_assets.storage.warehouse_redshift import RedshiftWarehouse
from charging_assets_tests.storage.loads import DERIVED, GIVEN, a_load, told
from charging_assets_tests.storage.redshifts import EmptyRedshift, of_the_bed
from charging_assets_tests.testbed.bed import Bed
from charging_assets_tests.testbed.statement_faults import Moment, StatementFaults
from charging_assets_tests.testbed.tcp_proxy import Behaviour, TcpProxy

pytestmark = pytest.mark.faults

TRIES = 20
CUT_BYTES = 10
Saw = Callable[[str], None]


@dataclass(frozen=True)
class Scene:
    """A database under one isolation level, and the faults that its clients meet."""

    database: EmptyRedshift
    reader: RedshiftWarehouse
    faults: StatementFaults
    port: int

    def at_port(self, port: int) -> RedshiftWarehouse:
        """A warehouse that reaches the database by another port."""
        given = RedshiftResource(**{**self.database.redshift.model_dump(), "port": port})
        return RedshiftWarehouse(given, self.database.lake, self.database.iam_role)

    def check_once(self, *amounts: int) -> int:
        """The amount of the load whose rows, and whose ledger row, are there exactly once."""
        read = self.reader.query
        given = read(f"SELECT name, amount FROM {GIVEN.full_name} ORDER BY name")
        derived = read(f"SELECT name, amount FROM {DERIVED.full_name} ORDER BY name")
        ledger = read("SELECT asset, input_digest FROM ops.ledger")
        (amount,) = {int(each) for each in given["amount"].to_pylist()}
        assert amount in amounts
        assert given.to_pylist() == [{"name": name, "amount": amount} for name in "ab"]
        assert derived.to_pylist() == [{"name": name, "amount": 2 * amount} for name in "ab"]
        assert ledger.to_pylist() == [{"asset": "derived", "input_digest": f"d{amount}"}]
        return amount


@pytest.fixture(scope="module", params=["snapshot", "serializable"])
def scene(testbed: Bed, request: pytest.FixtureRequest) -> Iterator[Scene]:
    database = of_the_bed(testbed, testbed.new_bucket(), request.param)
    faults = testbed.proxy.faults[database.redshift.database]
    yield Scene(database, database.warehouse(), faults, database.redshift.port)
    database.end()


@pytest.fixture(autouse=True)
def at_ease(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row, no fault, and short waits between tries."""
    scene.faults.clear()
    scene.database.emptied()
    scene.faults.clear()
    monkeypatch.setattr(redshift_tries, "_FIRST_WAIT_S", 0.01)


def load(amount: int) -> Plan:
    return a_load(told("a", "b", amount=amount), digest=f"d{amount}")


MOMENTS: tuple[Moment, ...] = ("before", "during", "reply", "after")
CUTS = [
    *(("^COPY", moment, TRIES) for moment in MOMENTS),
    *(("^INSERT INTO staging.given", moment, TRIES) for moment in MOMENTS),
    *(("^COMMIT", moment, TRIES) for moment in MOMENTS),
    *(
        (statement, moment, 3)
        for statement in ("^LOCK", "^DELETE FROM staging.given", r"^\s*INSERT INTO ops.ledger")
        for moment in ("before", "reply")
    ),
]


@pytest.mark.fault(
    "The connection to Redshift is cut before, during or after a statement, or its reply is lost",
    "the load is retried and its rows exist once, whether it was COPY, INSERT or COMMIT",
    area="warehouse",
)
@pytest.mark.parametrize(("statement", "moment", "tries"), CUTS)
def test_cut__at_a_statement__rows_are_there_once(
    scene: Scene, saw: Saw, statement: str, moment: Moment, tries: int
) -> None:
    warehouse = scene.database.warehouse()
    for amount in range(1, tries + 1):
        scene.faults.cut(moment, statement)
        warehouse.apply(load(amount))
        assert scene.faults.left == 0
        scene.check_once(amount)
    saw(f"{len(CUTS)} moments of 6 statements, up to {TRIES} loads each, both isolation levels")


@pytest.mark.fault(
    "The connection to Redshift breaks at any byte",
    "the load is retried and its rows exist once",
    area="warehouse",
)
@pytest.mark.parametrize("direction", ["sent", "received"])
def test_cut__at_any_byte__rows_are_there_once(scene: Scene, saw: Saw, direction: str) -> None:
    with TcpProxy(("127.0.0.1", scene.port)) as proxy:
        scene.at_port(proxy.port).apply(load(1000))
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
            scene.at_port(proxy.port).apply(load(amount))
            assert proxy.traffic[first][direction == "received"] == at
            scene.check_once(amount)
    saw(f"cut at {CUT_BYTES} places in what is sent and in what is received")


@pytest.mark.fault(
    "Redshift refuses a transaction with 1023, a serializable isolation violation",
    "the whole transaction is retried and its rows exist once",
    area="warehouse",
)
@pytest.mark.parametrize(
    "statement", ["^LOCK", "^DELETE FROM staging.given", "^INSERT INTO staging.given", "^COMMIT"]
)
def test_1023__at_a_statement__is_tried_again(scene: Scene, saw: Saw, statement: str) -> None:
    warehouse = scene.database.warehouse()
    for amount in range(1, TRIES + 1):
        times = 1 + amount % 3
        scene.faults.refuse(statement, times=times)
        warehouse.apply(load(amount))
        assert scene.faults.left == 0
        scene.check_once(amount)
    saw(f"up to 3 times in a row, at 4 statements, {TRIES} loads each")


@pytest.mark.fault(
    "Two runs load the same hour at once",
    "one waits for the other; the rows of one of them exist, once",
    area="warehouse",
)
@pytest.mark.parametrize("is_same_input", [True, False])
def test_two_runs__of_one_hour__rows_are_there_once(
    scene: Scene, saw: Saw, is_same_input: bool
) -> None:
    warehouses = [scene.database.warehouse() for _ in range(2)]
    for number in range(1, TRIES + 1):
        amounts = [number, number if is_same_input else number + 100]
        together = threading.Barrier(2)
        done: list[Loaded] = []

        def run(
            which: int,
            amounts: list[int] = amounts,
            together: threading.Barrier = together,
            done: list[Loaded] = done,
        ) -> None:
            together.wait()
            done.append(warehouses[which].apply(load(amounts[which])))

        threads = [threading.Thread(target=run, args=(which,)) for which in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(done) == 2
        scene.check_once(*amounts)
    saw(f"{TRIES} races of the same input and of two, both isolation levels")


@pytest.mark.fault(
    "Redshift cannot be reached",
    "the load fails with an error that names the host, and the old rows stay",
    area="warehouse",
)
def test_cut__every_time__is_an_error_and_the_old_rows_stay(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redshift_tries, "_LONGEST_WAIT_S", 0.02)
    scene.database.warehouse().apply(load(1))
    scene.faults.cut("before", "^COPY", times=redshift_tries.TRIES)
    with pytest.raises(Exception, match="localhost"):
        scene.database.warehouse().apply(load(2))
    assert scene.faults.left == 0
    scene.check_once(1)
    scene.database.warehouse().apply(load(2))
    scene.check_once(2)
