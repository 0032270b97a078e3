"""A home whose warehouse is of another generation: what the commands report, and what load does."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import duckdb
import pytest

import charging_assets
from charging_assets.schemas.catalog import TABLES
from charging_assets.warehouse.duckdb.old_files import list_old_files
from charging_assets.warehouse.generation import FILE_NAME, FORMER_FILE_NAMES
from charging_assets.warehouse.interface import OtherGeneration
from charging_assets_tests.cli.shell import Shell, in_home
from charging_assets_tests.cli.test_ports import free_port
from charging_assets_tests.modelling.hours import digests
from charging_assets_tests.test_deployments import AWS

DERIVED = [table for table in TABLES if table.name != "ledger"]
FORMER = FORMER_FILE_NAMES[0]


@pytest.fixture
def older(
    first_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    """A home with two loaded hours, whose file has the name and the marks of generation 1."""
    home = shutil.copytree(first_home, tmp_path / "home")
    (home / FILE_NAME).rename(home / FORMER)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{home / FORMER}' AS older; DROP TABLE older.ops.generation")
    in_home(home, monkeypatch)
    return Shell(home, capsys)


def test_readers__report_another_generation_and_its_remedy(older: Shell) -> None:
    assert older.run("status") == 0
    assert "generation 1" in older.out
    assert "moves it aside and loads every archived hour again" in older.out
    assert len(older.json("status")["stale"]) == 2
    (check,) = (each for each in older.json("doctor") if each["check"] == "warehouse")
    assert (check["state"], check["remedy"]) == ("warning", "`charging-assets load`")
    with pytest.raises(OtherGeneration, match="charging-assets load"):
        charging_assets.connect().sql("SELECT * FROM original.charging_station")
    assert (older.home / FORMER).exists()
    assert not (older.home / FILE_NAME).exists()


def test_dashboard__notes_another_generation(older: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda *_args, **_settings: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert older.run("dashboard", "--port", str(port)) == 0
    assert "generation 1" in older.out
    assert "until then the pages show the previously published files" in older.out


def test_dashboard__does_not_connect_to_redshift_when_it_starts(
    empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[object] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda *_args, **_settings: served.append(1))
    with socket.create_server(("127.0.0.1", 0)) as redshift:
        for name, value in {
            **AWS,
            "CHARGING_REDSHIFT_HOST": "127.0.0.1",
            "CHARGING_REDSHIFT_PORT": str(redshift.getsockname()[1]),
        }.items():
            monkeypatch.setenv(name, value)
        assert empty.run("dashboard", "--port", str(free_port())) == 0
        assert "Redshift" in empty.out or "s3://" in empty.out
        redshift.settimeout(1)
        with pytest.raises(TimeoutError):
            redshift.accept()
    assert served == [1]


@pytest.mark.slow
def test_load__moves_it_aside_and_the_archive_gives_the_same_rows(
    older: Shell,
    first_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert older.run("load") == 0
    (aside,) = list_old_files(older.home)
    assert aside.name in caplog.text
    assert not (older.home / FORMER).exists()
    status = older.json("status")
    assert (status["stale"], status["warehouse_note"]) == ([], None)
    assert status["disk"]["parts"]["moved_aside"] == aside.stat().st_size
    assert older.run("doctor") == 0
    assert aside.name in older.out
    reloaded = digests(older.storage.warehouse, DERIVED)
    in_home(first_home, monkeypatch)
    assert digests(older.storage.warehouse, DERIVED) == reloaded


def test_load__without_an_archive_moves_nothing(older: Shell) -> None:
    shutil.rmtree(older.home / "lake" / "raw")
    assert older.run("load") == 0
    assert (older.home / FORMER).exists()
    assert list_old_files(older.home) == []
