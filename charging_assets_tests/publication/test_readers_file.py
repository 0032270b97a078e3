"""The file for tools that keep one open: it is readable by any DuckDB client, and locks nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlalchemy as sa

from charging_assets.publication.publish import PUBLISHED
from charging_assets.publication.readers_file import write_readers_file
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME

_COUNT = "SELECT COUNT(*) AS n FROM warehouse.fact_poll"


@pytest.fixture
def home(loaded_home: Path, tmp_path: Path) -> Path:
    shutil.copytree(loaded_home, tmp_path / "it's home")
    return tmp_path / "it's home"


def test_write_readers_file__has_every_published_table(home: Path) -> None:
    path = write_readers_file(home)
    with duckdb.connect(str(path), read_only=True) as connection:
        for table in PUBLISHED:
            rows = connection.sql(f"SELECT * FROM {table.full_name}")
            assert rows.columns == list(table.names)
            rows.fetchall()
        assert connection.sql(_COUNT).fetchall()[0][0] > 0
        assert not connection.sql("SELECT * FROM warehouse.dim_evse").fetchdf().empty
    assert [each.name for each in home.glob("readers*")] == ["readers.duckdb"]
    assert write_readers_file(home) == path


def test_write_readers_file__open_in_a_tool_no_load_waits(home: Path) -> None:
    """As Superset opens it: by duckdb-engine's own dialect, in a pool that stays connected."""
    write_readers_file(home)
    address = f"duckdb:///{home}/readers.duckdb"
    engine = sa.create_engine(address, connect_args={"read_only": True})
    before = pd.read_sql(_COUNT, engine)["n"].iloc[0]
    DuckDBWarehouse(home / FILE_NAME, lock_timeout_s=0).execute(("SELECT 1", {}))
    folder = home / "lake/published/fact_poll"
    day = next(folder.iterdir())
    shutil.copytree(day, folder / "date=2030-01-01")  # what another load publishes
    assert pd.read_sql(_COUNT, engine)["n"].iloc[0] == 2 * before
    with pytest.raises(Exception, match="read-only"):
        pd.DataFrame({"a": [1]}).to_sql("x", engine)
    engine.dispose()


@pytest.mark.parametrize(("deployment", "code"), [("local", 0), ("aws", 1)])
def test_main__is_for_the_local_deployment(home: Path, deployment: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "charging_assets.publication.readers_file"],
        env={**os.environ, "CHARGING_HOME": str(home), "CHARGING_DEPLOYMENT": deployment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout.strip() == (str(home / "readers.duckdb") if code == 0 else "")
    assert ("docs/business-intelligence.md" in done.stderr) is (code == 1)
