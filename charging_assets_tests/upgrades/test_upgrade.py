"""Homes of releases before open with this one: migrated and loaded again, or refused with a remedy.

Each home in `homes/` was made by that release itself (`make_home`).
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

from charging_assets import dagster_home, deployments
from charging_assets.cli import main
from charging_assets.schemas.catalog import TABLES
from charging_assets_tests.cli.shell import Shell, in_home
from charging_assets_tests.modelling.hours import digests
from charging_assets_tests.upgrades.make_home import HOMES

pytestmark = pytest.mark.slow

RELEASES = sorted(path.name.removesuffix(".tar.xz") for path in HOMES.glob("*.tar.xz"))
HOURS = {"2026-01-12T00", "2026-01-12T01"}
DERIVED = [table for table in TABLES if table.name != "ledger"]


def unpacked(release: str, folder: Path) -> Path:
    with tarfile.open(HOMES / f"{release}.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module", params=RELEASES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release's home, brought up to this one by `load`, as the page on operations says."""
    home = unpacked(request.param, tmp_path_factory.mktemp("home"))
    with pytest.MonkeyPatch.context() as patch:
        in_home(home, patch)
        assert main(["status"]) == 0
        assert main(["load"]) == 0
    return home


@pytest.fixture
def shell(
    opened: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    in_home(opened, monkeypatch)
    return Shell(opened, capsys)


def test_releases__there_is_one() -> None:
    assert RELEASES


def test_upgrade__the_home_is_whole(shell: Shell) -> None:
    assert shell.json("status")["pending"] == []
    states = {finding["check"]: finding["state"] for finding in shell.json("doctor")}
    assert "failed" not in states.values(), states


def test_upgrade__the_warehouse_is_what_the_archive_alone_gives(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgraded = digests(shell.storage.warehouse, DERIVED)
    shutil.copytree(shell.home / "lake" / "raw", tmp_path / "lake" / "raw")
    in_home(tmp_path, monkeypatch)
    assert main(["load"]) == 0
    assert digests(deployments.storage().warehouse, DERIVED) == upgraded


def test_upgrade__dagster_still_knows_what_was_loaded(shell: Shell) -> None:
    with DagsterInstance.from_config(str(dagster_home.prepare())) as instance:
        assert instance.get_materialized_partitions(AssetKey("staged_tables")) >= HOURS
        assert instance.run_retries_enabled


def test_upgrade__that_cannot_be_is_refused_with_what_to_do_which_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = unpacked(RELEASES[-1], tmp_path)
    in_home(home, monkeypatch)
    shell = Shell(home, capsys)
    shell.storage.warehouse.execute(
        ("DROP TABLE ops.ledger", {}),
        ("CREATE TABLE ops.ledger (asset VARCHAR(64), slot_at TIMESTAMP)", {}),
        ("UPDATE ops.schema_digest SET digest = 'older'", {}),
    )
    assert shell.run("load") == 1
    said = shell.err.replace("\n", " ")
    assert "lacks the column" in said
    assert "move the warehouse away and load again" in said
    (home / "warehouse.duckdb").rename(tmp_path / "away.duckdb")
    assert shell.run("load") == 0
    assert shell.json("status")["pending"] == []
