"""The DuckDB file as other programs see it: its name, its format, and every table in it."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from charging_assets import deployments
from charging_assets.schemas.catalog import DATABASE_SCHEMAS, TABLES
from charging_assets.warehouse.duckdb.connection import STORAGE_VERSION, connect_duckdb
from charging_assets.warehouse.duckdb.old_files import list_old_files
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME
from charging_assets_tests.modelling import hours

Query = Callable[[str], list[Any]]
TABLE_LIST = (
    "SELECT table_schema, table_name FROM information_schema.tables "
    "WHERE table_catalog = '{}' AND table_schema <> 'information_schema'"
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a local deployment with one loaded hour."""
    home = tmp_path_factory.mktemp("home")
    warehouse = deployments.storage({"CHARGING_HOME": str(home)}).warehouse
    hours.load(warehouse, hours.lake_of({0: hours.stand(), 10: hours.stand("CHARGING")}))
    return home / FILE_NAME


@contextmanager
def of_duckdb(*statements: str, path: Path | None = None, read_only: bool = False) -> Iterator[Any]:
    at = str(path) if path else ":memory:"
    with closing(duckdb.connect(at, read_only=read_only)) as connection:
        for statement in statements:
            connection.execute(statement)
        yield lambda sql: connection.execute(sql).fetchall()


@contextmanager
def of_sqlalchemy(path: Path) -> Iterator[Query]:
    engine = sa.create_engine(f"duckdb:///{path}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield lambda sql: list(connection.exec_driver_sql(sql).fetchall())


WAYS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "connect": ("charging", lambda path: of_duckdb(path=path)),
    "connect read only": ("charging", lambda path: of_duckdb(path=path, read_only=True)),
    "attach": ("charging", lambda path: of_duckdb(f"ATTACH '{path}' (READ_ONLY)", "USE charging")),
    "attach as": ("ev", lambda path: of_duckdb(f"ATTACH '{path}' AS ev (READ_ONLY)", "USE ev")),
    "attach, not in use": ("ev", lambda path: of_duckdb(f"ATTACH '{path}' AS ev (READ_ONLY)")),
    "sqlalchemy": ("charging", of_sqlalchemy),
}


@pytest.mark.parametrize("way", WAYS)
def test_file__every_table_and_view_can_be_read_on_every_connection(file: Path, way: str) -> None:
    catalog, open_file = WAYS[way]
    with open_file(file) as query:
        names = query(TABLE_LIST.format(catalog))
        assert {f"{schema}.{name}" for schema, name in names} >= {
            *(table.full_name for table in TABLES), "original.time", "mart.city_hour",
        }  # fmt: skip
        for schema, name in names:
            query(f'SELECT * FROM {catalog}.{schema}."{name}"')
            query(f'DESCRIBE {catalog}.{schema}."{name}"')
            if way != "attach, not in use":
                query(f'SELECT * FROM {schema}."{name}"')
        assert query(f"SELECT COUNT(*) FROM {catalog}.original.charging_station") != [(0,)]


def test_file__user_views_can_name_the_database(file: Path, tmp_path: Path) -> None:
    copy = shutil.copy(file, tmp_path / FILE_NAME)
    with of_duckdb(path=copy) as query:
        query("CREATE VIEW main.mine AS SELECT * FROM charging.warehouse.fact_status")
        query("CREATE VIEW main.other AS SELECT * FROM original.charging_station")
    with of_duckdb(path=copy, read_only=True) as query:
        query("SET search_path = 'charging.original,charging.main'")
        assert query("SELECT COUNT(*) FROM mine") != [(0,)]
        assert query("SELECT * FROM other") == query("SELECT * FROM charging_station")


def test_file__two_attached_warehouses_each_read_their_rows(file: Path, tmp_path: Path) -> None:
    copy = shutil.copy(file, tmp_path / "copy of 2026.duckdb")
    with of_duckdb(f"ATTACH '{file}' AS one (READ_ONLY)", f"ATTACH '{copy}' AS two") as query:
        query("DELETE FROM two.warehouse.dim_station")
        assert query("SELECT COUNT(*) FROM two.original.charging_station") == [(0,)]
        assert query("SELECT COUNT(*) FROM one.original.charging_station") != [(0,)]


def test_file__its_stem_is_no_schema_and_no_reserved_name(tmp_path: Path) -> None:
    taken = {*DATABASE_SCHEMAS, "main", "temp", "system", "information_schema", "pg_catalog"}
    assert Path(FILE_NAME).stem not in taken
    path = tmp_path / FILE_NAME
    DuckDBWarehouse(path).execute(("UPDATE ops.generation SET generation = 1", {}))
    DuckDBWarehouse(path).execute()
    (aside,) = list_old_files(tmp_path)
    with closing(duckdb.connect(str(aside))) as connection:
        ((name,),) = connection.execute("SELECT current_database()").fetchall()
        assert re.fullmatch(r"charging_1_\w+", name)
        assert connection.execute("SELECT * FROM original.time").fetchall() == []


def test_file__is_in_the_format_of_the_oldest_duckdb_that_is_allowed(file: Path) -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    (wanted,) = [
        each
        for each in tomllib.loads(project.read_text())["project"]["dependencies"]
        if each.startswith("duckdb>")
    ]
    floor = re.fullmatch(r"duckdb>=(\d+\.\d+),.*", wanted)
    assert floor is not None
    assert f"v{floor[1]}.0" == STORAGE_VERSION
    assert _format(file) == f"{STORAGE_VERSION}+"


def test_file__keeps_its_format_when_it_is_written_again(file: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(file, tmp_path / FILE_NAME))
    warehouse = DuckDBWarehouse(copy)
    warehouse.execute(("DELETE FROM warehouse.fact_status", {}))
    warehouse.maintain()
    assert _format(copy) == f"{STORAGE_VERSION}+"


def test_file__of_a_newer_format_keeps_its_format(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    with of_duckdb(f"ATTACH '{path}' AS newer (STORAGE_VERSION 'latest')", "USE newer") as query:
        query("CREATE TABLE mine AS SELECT 1 AS one")
    with closing(connect_duckdb(path)) as connection:
        assert connection.execute("SELECT * FROM main.mine").fetchall() == [(1,)]


def _format(path: Path) -> str:
    with of_duckdb(f"ATTACH '{path}' AS rows_checked (READ_ONLY)") as query:
        ((tags,),) = query(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'rows_checked'"
        )
        return str(tags["storage_version"])
