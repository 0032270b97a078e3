"""SIGINT and SIGTERM end every command, and what is run next completes the work."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from charging_assets.orchestration.orphaned_runs import end_orphaned_runs
from charging_assets.warehouse.generation import FILE_NAME
from charging_assets_tests.built_once import built_once
from charging_assets_tests.cli.demo_interrupted import compare
from charging_assets_tests.cli.interrupting import (
    MESSAGE,
    Ended,
    Rows,
    command_environment,
    differing,
    run_whole,
    started,
    tables,
)
from charging_assets_tests.cli.shell import SCALE
from charging_assets_tests.testbed.ports import free_ports

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
# Enough that a load is not over when the signal comes, and that several processes flatten them.
HOURS = "8"
# A step of that load, and the hours after it are still to come.
FLATTENING, STAGING, MODELLING = r"flat_tables", r"staged_tables", r"fact_status|dim_station"
# A load that is not interrupted takes longer, and so does a program that sleeps for LONG_S.
SECONDS = 30.0
LONG_S = 170


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose hours are simulated, and none of them loaded."""

    def build(home: Path) -> None:
        run_whole(home, "simulate", "--hours", HOURS, "--scale", SCALE)

    return built_once(tmp_path_factory, "simulated", build)


@pytest.fixture(scope="session")
def expected(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The tables of a load that nobody has interrupted."""

    def build(home: Path) -> None:
        shutil.copytree(simulated, home, dirs_exist_ok=True)
        run_whole(home, "load")

    return tables(built_once(tmp_path_factory, "whole", build))


@pytest.fixture
def home(simulated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(simulated, tmp_path / "home"))


def assert_interrupted(ended: Ended, signum: int) -> None:
    assert ended.code == CODES[signum], ended.err
    assert ended.err.count(MESSAGE) == 1, ended.err
    assert "Traceback" not in ended.err
    assert "failed" not in ended.err + ended.out
    assert ended.seconds < SECONDS
    assert ended.left_over == []


def statuses(home: Path) -> set[DagsterRunStatus]:
    with DagsterInstance.from_config(str(home / "dagster")) as instance:
        assert end_orphaned_runs(instance) == []
        return {run.status for run in instance.get_runs()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signum", "ignored", "step"),
    [
        (signal.SIGINT, (), FLATTENING),
        (signal.SIGTERM, (signal.SIGINT, signal.SIGHUP), MODELLING),
    ],
    ids=["ctrl-c", "terminated-with-sigint-ignored"],
)
def test_load__that_gets_a_signal__ends_and_its_run_is_canceled(
    signum: signal.Signals, ignored: tuple[int, ...], step: str, home: Path
) -> None:
    with started(home, "load", ignored=ignored) as command:
        command.wait_for(step)
        ended = command.end_by(signum, group=signum == signal.SIGINT)
    assert_interrupted(ended, signum)
    assert statuses(home) == {DagsterRunStatus.CANCELED}
    assert not list(home.rglob(".writing-*"))


@pytest.mark.slow
# Every pair of values is in one of the cases.
@pytest.mark.parametrize(
    ("command", "step", "ignored", "signum"),
    [
        ("load", FLATTENING, (), signal.SIGTERM),
        ("load", STAGING, (signal.SIGINT,), signal.SIGINT),
        ("load", MODELLING, (), signal.SIGINT),
        ("load", MODELLING, (signal.SIGINT,), signal.SIGTERM),
        ("rebuild", FLATTENING, (signal.SIGINT,), signal.SIGINT),
        ("rebuild", STAGING, (), signal.SIGTERM),
        ("rebuild", STAGING, (), signal.SIGINT),
        ("rebuild", MODELLING, (signal.SIGINT,), signal.SIGTERM),
    ],
)
def test_load__that_gets_a_signal_in_any_step__ends_and_the_next_one_continues(
    command: str, step: str, ignored: tuple[int, ...], signum: int, home: Path, expected: Rows
) -> None:
    with started(home, command, ignored=ignored) as running:
        running.wait_for(step)
        ended = running.end_by(signum, group=signum == signal.SIGINT)
    assert_interrupted(ended, signum)
    run_whole(home, command)
    assert differing(tables(home), expected) == []


@pytest.mark.slow
def test_demo__interrupted_and_run_again__has_the_same_tables() -> None:
    results = compare(12, 0.05, print)
    assert len(results) == 5
    for ended, differ in results:
        assert_interrupted(ended, signal.SIGINT)
        assert differ == []


@pytest.mark.parametrize("signum", CODES)
def test_simulate__that_gets_a_signal__ends_and_the_next_one_continues(
    signum: int, tmp_path: Path
) -> None:
    wanted = ("simulate", "--hours", "40", "--scale", SCALE)
    with started(tmp_path, *wanted) as command:
        command.wait_for("simulating  2/40")
        assert_interrupted(command.end_by(signum), signum)
    assert "polls written" in run_whole(tmp_path, *wanted)


def test_load__of_a_warehouse_that_another_process_has_open__ends(home: Path) -> None:
    code = "import duckdb, sys; duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home / FILE_NAME)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with started(home, "load") as command:
            time.sleep(3)  # it waits for the lock, and prints nothing
            ended = command.end_by(signal.SIGTERM)
        holder.communicate()
    assert_interrupted(ended, signal.SIGTERM)


@pytest.mark.parametrize("signum", CODES)
def test_dashboard__that_gets_a_signal__ends(signum: int, loaded_home: Path) -> None:
    port = str(free_ports(1)[0])
    with started(loaded_home, "dashboard", "--port", port, ignored=(signal.SIGINT,)) as command:
        assert command.process.stdout is not None
        assert command.process.stdout.readline().startswith("http://")
        time.sleep(2)
        assert_interrupted(command.end_by(signum), signum)


PROGRAM = """
    import os, signal, sys, threading, time
    import duckdb
    from charging_assets import interrupts
    from charging_assets.warehouse.duckdb.connection import connect_duckdb, raise_interrupts
    def callback():
        print("last act", flush=True)
    def work():
        {work}
    threading.Timer(0.5, os.kill, (os.getpid(), signal.{signum})).start()
    with interrupts.handle_signals(owns_process=True), interrupts.before_exit(callback):
        try:
            work()
        except KeyboardInterrupt as error:
            interrupts.report()
            print("seen", interrupts.received_signal(), flush=True)
            {then}
            sys.exit(error.exit_code)
"""


def outcome(work: str, signum: str = "SIGTERM", then: str = "pass") -> tuple[int, str, float]:
    """Exit code, standard output and seconds of a program that gets a signal while it works."""
    began = time.monotonic()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(PROGRAM).format(work=work, signum=signum, then=then),
        ],
        env=command_environment(Path("/nowhere")),
        capture_output=True,
        text=True,
        timeout=LONG_S + 60,
    )
    assert done.stderr == MESSAGE + "\n", done.stderr
    return done.returncode, done.stdout, time.monotonic() - began


@pytest.mark.parametrize(
    "work",
    [
        "time.sleep(30)",
        "threading.Event().wait()",
        "raise_interrupts()(lambda: connect_duckdb(None).execute("
        "'SELECT COUNT(*) FROM range(100000000) a, range(1000) b WHERE a.range*b.range%7=3'))()",
        "raise_interrupts()(lambda: connect_duckdb(None).execute("
        "'CREATE TABLE x AS SELECT COUNT(*) FROM range(100000000) a, range(1000) b "
        "WHERE a.range*b.range%7=3'))()",
    ],
    ids=["sleep", "wait", "select", "insert"],
)
def test_handle_signals__in_any_wait__raises(work: str) -> None:
    code, out, _ = outcome(work)
    assert (code, out) == (143, "seen 15\n")


def test_handle_signals__replaced_handlers__signal_is_still_received() -> None:
    # As Dagster does for the time of a run.
    work = (
        "signal.signal(signal.SIGTERM, lambda *_: None); time.sleep(1); "
        "interrupts.raise_if_received()"
    )
    assert outcome(work)[:2] == (143, "seen 15\n")


def test_handle_signals__process_that_does_not_end__is_ended_after_the_callback() -> None:
    work = f"signal.signal(signal.SIGINT, lambda *_: None); time.sleep({LONG_S})"
    code, out, seconds = outcome(work, "SIGINT")
    assert (code, out) == (130, "last act\n")
    assert seconds < LONG_S / 2


def test_handle_signals__a_second_signal__ends_at_once() -> None:
    then = f"time.sleep(1.5); os.kill(os.getpid(), signal.SIGINT); time.sleep({LONG_S})"
    code, out, seconds = outcome("time.sleep(30)", "SIGINT", then)
    assert (code, out) == (130, "seen 2\nlast act\n")
    assert seconds < LONG_S / 2


def test_handle_signals__a_thread_that_is_not_a_daemon__does_not_hold_the_process() -> None:
    work = f"threading.Thread(target=time.sleep, args=({LONG_S},)).start(); time.sleep(30)"
    code, _, seconds = outcome(work)
    assert code == 143
    assert seconds < LONG_S / 2
