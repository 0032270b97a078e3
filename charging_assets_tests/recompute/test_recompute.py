"""The recomputation agrees with the warehouse, finds defects, and is independent of the package."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from charging_assets.acquisition.importer import import_paths
from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.archive.compaction import compact
from charging_assets.sources.feeds import load_feeds
from charging_assets.warehouse import sql_files
from charging_assets_tests import snippets
from charging_assets_tests.built_once import built_once
from charging_assets_tests.recompute import homes
from charging_assets_tests.recompute.comparison import WAREHOUSE, compare
from charging_assets_tests.recompute.figures import (
    Figures,
    Report,
    compare_figures,
    recompute,
    recomputed,
)

_FOLDER = Path(__file__).resolve().parent
_PACKAGE = "charging_assets_tests.recompute"


class Defect(NamedTuple):
    """A mistake in a statement, and the assets to derive again with it."""

    name: str
    statement: str
    text: str
    replacement: str
    assets: tuple[str, ...]


# What has gone wrong in figures, or nearly did.
DEFECTS = (
    Defect(
        "the window of a day leaves out when an EVSE appeared",
        "marts/mart_station_day",
        "SUM(day_s - late_s - early_s) AS window_s",
        "SUM(day_s - early_s) AS window_s",
        ("mart_station_day",),
    ),
    Defect(
        "polls of an EVSE in several places are joined by the hour, and fan out",
        "marts/mart_evse_hour",
        "            AND runs.first_slot_at <= polls.slot_at\n",
        "",
        ("mart_evse_hour",),
    ),
    Defect(
        "the seconds of a run include those before it",
        "marts/mart_evse_hour",
        "lasts.valid_before_s - firsts.valid_before_s AS valid_before_last_s",
        "lasts.valid_before_s AS valid_before_last_s",
        ("mart_evse_hour",),
    ),
    Defect(
        "an EVSE is still occupied after the end of its run",
        "marts/mart_station_hour",
        "-is_occupied AS occupied_change",
        "0 AS occupied_change",
        ("mart_station_hour",),
    ),
    Defect(
        "shares need more than 0.8 of the window, not 0.8 or more",
        "marts/mart_evse_hour",
        "WHEN observed_s * 5 >= window_s * 4 THEN",
        "WHEN observed_s * 5 > window_s * 4 THEN",
        ("mart_evse_hour",),
    ),
    Defect(
        "connectors are joined by the EVSE, not by the hour, and fan out",
        "facts/fact_charging_session",
        "            AND DATE_TRUNC('hour', segment_runs.slot_at) = evse_power.hour_at\n",
        "",
        ("fact_charging_session",),
    ),
    Defect(
        "two unknown polls are bridged",
        "facts/fact_charging_session",
        "AND poll_count = 1\n",
        "AND poll_count <= 2\n",
        ("fact_charging_session",),
    ),
    Defect(
        "every day has 24 hours",
        "marts/mart_city_day",
        "CONVERT_TIMEZONE(time_zone, 'UTC', DATEADD('day', 1, local_date)) AS day_to",
        "DATEADD('hour', 24, CONVERT_TIMEZONE(time_zone, 'UTC', local_date)) AS day_to",
        ("mart_city_day",),
    ),
    Defect(
        "sessions count again after every gap",
        "marts/mart_city_day",
        "NOT sessions.is_start_censored\n        AND sessions.slot_at >= :days_from",
        "sessions.slot_at >= :days_from",
        ("mart_city_day",),
    ),
    Defect(
        "a station with an unknown EVSE is certainly full",
        "marts/mart_station_hour",
        "AND unknown_count = 0",
        "",
        ("mart_station_hour",),
    ),
)


def with_defect(
    defect: Defect, home: Path, figures: Figures, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Report:
    """The report on a copy of a home, of these figures, whose tables are derived with a defect."""
    copy = folder / "home"
    copy.mkdir()
    shutil.copy(home / WAREHOUSE, copy)
    (copy / "lake").symlink_to(home / "lake")
    patched = homes.patched_sql(folder, defect.statement, defect.text, defect.replacement)
    sql_files.sql.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(sql_files, "sql_folder", lambda: patched)
            homes.derive(copy, *defect.assets)
    finally:
        sql_files.sql.cache_clear()
    return compare_figures(figures, copy)


def differing(report: Report) -> dict[str, list[str]]:
    """The tables that differ, and in which columns."""
    return {table.table: sorted(table.counts) for table in report.tables if table.total}


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("small")
    homes.write_small(home)
    homes.load(home)
    return home


@pytest.fixture(scope="module")
def dirty_week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def build(home: Path) -> None:
        homes.write_dirty_week(home)
        homes.load(home)

    return built_once(tmp_path_factory, "dirty_week", build)


@pytest.fixture(scope="module")
def dirty_figures(dirty_week: Path) -> Figures:
    return recomputed(dirty_week)


def test_program__imports_nothing_of_the_package() -> None:
    reached, left = set[str](), [f"{_PACKAGE}.__main__"]
    while left:
        module = left.pop()
        reached.add(module)
        name = module.removeprefix(_PACKAGE).removeprefix(".")
        tree = ast.parse((_FOLDER / f"{name or '__init__'}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: relative import"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for each in names:
                top = each.split(".")[0]
                is_internal = each.startswith(f"{_PACKAGE}.")
                allowed = {*sys.stdlib_module_names, "duckdb", "zstandard"}
                assert is_internal or top in allowed, f"{module} imports {each}"
                if is_internal:
                    module_name = ".".join(each.split(".")[:3])
                    if module_name not in reached:
                        left.append(module_name)
    others = {"__init__", "homes", "test_recompute"}
    modules = {path.stem for path in _FOLDER.glob("*.py")} - others
    assert reached == {f"{_PACKAGE}.{module}" for module in modules}


def test_recompute__small_home__has_no_differences(small_home: Path) -> None:
    report = recompute(small_home)
    assert differing(report) == {}
    assert [table.table for table in report.tables if not table.row_count] == []


@pytest.mark.parametrize(
    "order",
    [
        pytest.param((0, 1, 2, 3), marks=pytest.mark.slow),
        pytest.param((3, 2, 1, 0), marks=pytest.mark.slow),
        (1, 3, 0, 2),
    ],
)
def test_recompute__connectors_that_change__have_no_differences_in_any_order(
    order: tuple[int, ...], tmp_path: Path
) -> None:
    homes.write_connectors_that_change(tmp_path)
    homes.load_hours(tmp_path, order)
    report = recompute(tmp_path)
    assert differing(report) == {}
    rows = {table.table: table.row_count for table in report.tables}
    assert rows["warehouse.fact_charging_session"] == 12
    with duckdb.connect(str(tmp_path / WAREHOUSE)) as connection:
        gone = "SELECT connector_id FROM warehouse.dim_connector WHERE close_reason = 'disappeared'"
        assert connection.execute(gone).fetchall() == [("e1-goes",)]


def test_recompute__compacted_days__have_no_differences(small_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(small_home, home)
    compacted = compact(ArchiveLake(homes.lake_of(home)), "small")
    assert len(compacted) == 1
    assert not list(home.glob("lake/raw/**/*.ndjson.zst"))
    assert differing(recompute(home)) == {}


def test_recompute__planted_defect_in_a_small_home__is_detected(
    small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (defect,) = [each for each in DEFECTS if each.name == "two unknown polls are bridged"]
    report = with_defect(defect, small_home, recomputed(small_home), tmp_path, monkeypatch)
    assert "warehouse.fact_charging_session" in differing(report)


def test_command__prints_differences_and_fails(small_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(small_home, home)
    passed = _run(home)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "0 differences" in passed.stdout.splitlines()[-1]
    with duckdb.connect(str(home / WAREHOUSE)) as connection:
        connection.execute("UPDATE mart.mart_evse_hour SET charging_s = charging_s + 60")
        connection.execute("DELETE FROM mart.mart_operator_month")
    failed = _run(home)
    assert failed.returncode == 1
    assert "    charging_s: 9\n" in failed.stdout
    assert "no such row in the warehouse" in failed.stdout


def test_command__folder_that_is_no_home__names_it_and_the_remedy(tmp_path: Path) -> None:
    failed = _run(tmp_path)
    assert failed.returncode == 2
    assert str(tmp_path) in failed.stderr
    assert "charging-assets load" in failed.stderr


def test_recompute__warehouse_that_is_being_written__reads_a_copy(
    small_home: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(small_home, home)
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); "
            "sys.stdin.read()",
            str(home / WAREHOUSE),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        assert differing(recompute(home)) == {}
    finally:
        writer.communicate()


def test_compare__rows_on_one_side_and_columns_that_are_missing__are_differences() -> None:
    table_report = compare("t", ["k"], ["v"], [(1, 2.0), (2, None)], [(1, 2.5), (3, 1)], ["w"])
    assert table_report.counts == {"v": 1, "(row)": 2, "w": 1}
    assert table_report.examples["v"] == ["k 1: warehouse 2.5, recomputed 2.0"]


@pytest.mark.slow
def test_recompute__dirty_week__has_no_differences(
    dirty_week: Path, dirty_figures: Figures
) -> None:
    report = compare_figures(dirty_figures, dirty_week)
    assert differing(report) == {}
    rows = {table.table: table.row_count for table in report.tables}
    assert rows["fact_status, as polled rows"] > 30_000
    assert rows["warehouse.fact_charging_session"] > 120


@pytest.mark.slow
def test_recompute__tables_derived_again_without_a_defect__have_no_differences(
    dirty_week: Path, dirty_figures: Figures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tuple({asset: None for defect in DEFECTS for asset in defect.assets})
    no_defect = Defect("none", "marts/mart_evse_hour", "SELECT", "SELECT", assets)
    assert differing(with_defect(no_defect, dirty_week, dirty_figures, tmp_path, monkeypatch)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_recompute__planted_defect__is_detected(
    defect: Defect,
    dirty_week: Path,
    dirty_figures: Figures,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = with_defect(defect, dirty_week, dirty_figures, tmp_path, monkeypatch)
    changed = {f"mart.{asset}" for asset in defect.assets}
    changed |= {f"warehouse.{asset}" for asset in defect.assets}
    assert changed & differing(report).keys()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_recompute__broken_answers__have_no_differences(seed: int, tmp_path: Path) -> None:
    homes.write_broken_answers(tmp_path, seed)
    homes.load(tmp_path)
    report = recompute(tmp_path)
    assert differing(report) == {}
    (polls,) = [each for each in report.tables if each.table == "warehouse.fact_poll"]
    assert polls.row_count == 2 * 18


@pytest.mark.slow
def test_recompute__feed_with_separate_network_and_ids__has_no_differences(
    tmp_path: Path,
) -> None:
    homes.write_few_evses(tmp_path, days=1)
    record = {"network": "former", "ids_within": "place", "kind": None}
    homes.lake_of(tmp_path).put("flat/identities/feed=few.json", json.dumps(record).encode())
    homes.load(tmp_path)
    assert differing(recompute(tmp_path)) == {}


@pytest.mark.slow
@pytest.mark.samples
def test_recompute__real_polls__have_no_differences(samples: Path, tmp_path: Path) -> None:
    folders = [samples / "chargecloud_2022", samples / "chargecloud_2024_stuttgart"]
    report = import_paths(homes.lake_of(tmp_path), load_feeds()["chargecloud"], folders)
    assert (len(report.imported), report.problems) == (3, {})
    homes.load(tmp_path)
    compared = recompute(tmp_path)
    assert differing(compared) == {}
    (rows,) = [each for each in compared.tables if each.table == "fact_status, as polled rows"]
    assert rows.row_count > 2 * 2_428


def _run(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "charging_assets_tests.recompute", str(home)],
        cwd=_FOLDER.parents[1],
        env={**os.environ, **snippets.environment(home.parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )
