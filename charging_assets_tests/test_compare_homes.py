"""The comparison of homes finds every planted difference, and nothing in equal homes."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from charging_assets_tests.compare_homes import compare_homes, main
from charging_assets_tests.recompute import homes
from charging_assets_tests.recompute.comparison import WAREHOUSE

FLAT = "lake/flat/flat_status/feed=test/date=2026-01-12/hour=00/flat_status.parquet"
PUBLISHED = "lake/published/mart_city_day/month=2026-01/mart_city_day.parquet"
ROWS = pa.table({"place": ["bonn", "bonn"], "observed_s": [3600, 3600], "share": [0.5, 1 / 3]})


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home") / "a"
    homes.write_small(home, hours=1)
    homes.load(home)
    for name in (FLAT, PUBLISHED):
        write(home / name, ROWS)
    return home


@pytest.fixture
def pair(loaded: Path, tmp_path: Path) -> tuple[Path, Path]:
    return loaded, shutil.copytree(loaded, tmp_path / "b")


def write(path: Path, rows: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)


def change(home: Path, *statements: str) -> None:
    with duckdb.connect(str(home / WAREHOUSE)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_compare__equal_rows_in_another_order_and_version_do_not_differ(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = pair
    write(b / FLAT, ROWS.take([1, 0]))
    change(
        b,
        "UPDATE ops.ledger SET code_version = 'other', load_id = 'other'",
        "UPDATE warehouse.fact_charging_session SET rule_version = 9",
        "UPDATE mart.mart_evse_hour SET coverage = coverage * (1 + 1e-13)",
        "CREATE TABLE again AS FROM mart.mart_evse_hour ORDER BY evse_key DESC, slot_at DESC",
        "DELETE FROM mart.mart_evse_hour",
        "INSERT INTO mart.mart_evse_hour FROM again",
        "DROP TABLE again",
    )
    assert compare_homes(a, b) == []
    assert main([str(a), str(b)]) == 0
    assert capsys.readouterr().out == "the homes have the same rows\n"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE mart.mart_evse_hour SET observed_s = observed_s + 1 WHERE charging_s > 0",
         "mart.mart_evse_hour: 2 rows of 3 only in the first home, 2 of 3 only in the second; "
         "by key: observed_s in 2"),
        ("UPDATE mart.mart_evse_hour SET coverage = coverage * (1 + 1e-6) WHERE charging_s > 0",
         "by key: coverage in 2"),
        ("DELETE FROM warehouse.dim_evse",
         "warehouse.dim_evse: 3 rows of 3 only in the first home, 0 of 0 only in the second"),
        ("INSERT INTO warehouse.fact_poll FROM warehouse.fact_poll LIMIT 1",
         "warehouse.fact_poll: 0 rows of 6 only in the first home, 1 of 7 only in the second"),
        ("ALTER TABLE ops.missed_slots RENAME reason TO why",
         "ops.missed_slots: only the second home has why"),
        ("ALTER TABLE ops.missed_slots RENAME TO slots_missed",
         "ops.slots_missed: only the second home has it"),
    ],
)  # fmt: skip
def test_compare__a_planted_difference_in_the_warehouse_is_listed(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str], statement: str, expected: str
) -> None:
    a, b = pair
    change(b, statement)
    assert main([str(a), str(b)]) == 1
    printed = capsys.readouterr().out
    assert expected in printed
    assert printed.endswith("the homes differ\n")


@pytest.mark.parametrize("name", [FLAT, PUBLISHED])
@pytest.mark.parametrize(
    "rows",
    [
        ROWS.slice(1),
        pa.concat_tables([ROWS, ROWS.slice(1)]),
        ROWS.set_column(1, "observed_s", pa.array([3600, 3599])),
        ROWS.set_column(1, "observed_s", pa.array([3600, None])),
        ROWS.set_column(2, "share", pa.array([0.5, 0.33333])),
    ],
)
def test_compare__a_planted_difference_in_files_is_listed(
    pair: tuple[Path, Path], name: str, rows: pa.Table
) -> None:
    write(pair[1] / name, rows)
    folder, table = Path(name).parts[1:3]
    differences = compare_homes(*pair)
    assert differences[0].startswith(f"{folder}.{table}: ")
    assert not any(each.startswith(("warehouse.", "mart.")) for each in differences)


def test_compare__files_that_are_missing_are_listed(pair: tuple[Path, Path]) -> None:
    shutil.rmtree(pair[1] / "lake/published/mart_city_day")
    assert compare_homes(*pair) == ["published.mart_city_day: only the first home has it"]
    assert compare_homes(*pair, common=True) == []


def test_compare__renamed_tables_and_columns_are_mapped(pair: tuple[Path, Path]) -> None:
    change(
        pair[1],
        "ALTER TABLE warehouse.fact_charging_session RENAME bridged_poll_count TO blip_count",
        "ALTER TABLE ops.missed_slots RENAME TO slots_missed",
    )
    for path in (pair[1] / "lake/published/fact_charging_session").rglob("*.parquet"):
        rows = pq.ParquetFile(path).read()
        names = [name.replace("bridged_poll_count", "blip_count") for name in rows.column_names]
        write(path, rows.rename_columns(names))
    homes_of = [str(home) for home in pair]
    assert main(homes_of) == 1
    renames = [
        "--rename",
        ".bridged_poll_count=.blip_count",
        "--rename",
        "missed_slots=slots_missed",
    ]
    assert main([*homes_of, *renames]) == 0
    change(pair[1], "UPDATE warehouse.fact_charging_session SET blip_count = blip_count + 1")
    assert main([*homes_of, *renames]) == 1


def test_compare__an_ignored_column_is_left_out(pair: tuple[Path, Path]) -> None:
    a, b = pair
    change(b, "UPDATE mart.mart_evse_hour SET evse_key = evse_key + 1")
    assert main([str(a), str(b)]) == 1
    assert main([str(a), str(b), "--ignore", "evse_key"]) == 0


def test_compare__wrong_arguments_are_usage_errors(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = map(str, pair)
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments in ([a, str(empty)], [a, b, "--rename", "x"], [a, b, "--rename", ".x=y"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert "has no warehouse (charging.duckdb); load it" in errors
    assert "write OLD=NEW" in errors
