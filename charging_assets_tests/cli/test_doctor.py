"""`doctor`: a sound home, and each thing that can be wrong with one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from charging_assets.warehouse.generation import FILE_NAME
from charging_assets_tests.cli.shell import SECOND, Shell, states


def test_doctor__loaded_home_has_no_failed_check(loaded: Shell) -> None:
    checks = loaded.json("doctor")
    assert {s for s in states(checks).values() if s != "ok"} <= {"warning"}, checks
    assert states(checks)["ledger"] == states(checks)["warehouse"] == "ok"
    assert loaded.run("doctor") == 0
    assert "the warehouse has all rows of every archived hour" in loaded.out


def test_doctor__empty_home_has_no_findings(empty: Shell) -> None:
    assert "failed" not in states(empty.json("doctor")).values()


def test_doctor__names_an_invalid_feed_file(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = empty.home / "feeds.toml"
    wrong.write_text("[feeds.chargecloud]\ncadence_s = 7\n")
    monkeypatch.setenv("CHARGING_FEEDS", str(wrong))
    assert empty.run("doctor") == 1
    assert str(wrong) in empty.out
    assert "cadence_s cannot be" in empty.out.replace("\n", " ")


def test_doctor__names_the_process_that_locks_the_warehouse(loaded: Shell) -> None:
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(loaded.home / FILE_NAME)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert loaded.run("doctor") == 1
        assert f"process {holder.pid}" in loaded.out.replace("\n", " ")
    finally:
        holder.communicate(b"\n")


@pytest.mark.parametrize(
    ("hosts", "state", "words"),
    [
        ("", "ok", "127.0.0.1, localhost"),
        ("charging.town.de", "ok", "localhost, charging.town.de"),
        ("https://charging.town.de", "failed", "CHARGING_ALLOWED_HOSTS: entry 1 is not a host"),
        ("*", "failed", "without *"),
        ("charging.town.de:0", "failed", "an invalid port"),
        ("charging.town.de, 0.0.0.0", "warning", "0.0.0.0 is an address"),
        ("charging.example.org", "warning", "charging.example.org is reserved for examples"),
    ],
)
def test_doctor__reports_host_names_that_are_wrong_or_risky(
    empty: Shell, monkeypatch: pytest.MonkeyPatch, hosts: str, state: str, words: str
) -> None:
    monkeypatch.setenv("CHARGING_ALLOWED_HOSTS", hosts)
    check = {each["check"]: each for each in empty.json("doctor")}["hosts"]
    assert check["state"] == state
    assert words in check["message"]


@pytest.mark.slow
def test_doctor__rows_that_the_ledger_counts_and_the_table_lacks_fail(loaded: Shell) -> None:
    gone = "DELETE FROM warehouse.fact_poll WHERE slot_at < :start"
    loaded.storage.warehouse.execute((gone, {"start": SECOND.start.replace(tzinfo=None)}))
    checks = {each["check"]: each for each in loaded.json("doctor")}
    assert checks["ledger"]["state"] == "failed"
    assert "1 hour lost rows: 2026-01-12T00" in checks["ledger"]["message"]
    assert loaded.run("load") == 0
    assert states(loaded.json("doctor"))["ledger"] == "ok"
