"""One rule for every share, and nothing else that computes one."""

from __future__ import annotations

import ast
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from charging_assets.measures import (
    CERTAINLY_FULL,
    OCCUPIED,
    OPERABLE,
    POSSIBLY_FULL,
    SECONDS,
    SQL_DEFINITIONS,
    STATUS_COLUMNS,
    add_gaps,
    compute_measures,
    count_share,
    status_shares,
)
from charging_assets.warehouse.sql_files import sql, sql_names

PACKAGE = Path(__file__).resolve().parents[1] / "charging_assets"
# What shows figures of the marts, to people or in files.
MODULES = [
    *sorted((PACKAGE / "dashboard").rglob("*.py")),
    PACKAGE / "reports/report.py",
    PACKAGE / "cli/demo_report.py",
    PACKAGE / "cli/demo.py",
]
STATEMENTS = [*sql_names("dashboard"), *sql_names("reports")]
# Divisors of poll counts and of bar heights in a terminal.
LENGTHS = {"_CHART_ROWS", "top", "request.feed.cadence"}
# A product over the sessions at risk, not a share of time; its mean passes the rule afterwards.
ESTIMATES = {"dashboard/dwell"}
WHOLE = {
    **dict.fromkeys(SECONDS, 0), "observed_s": 800, "available_s": 500, "charging_s": 200,
    "unknown_s": 100, "window_s": 1000, "station_operable_s": 700, CERTAINLY_FULL: 70,
    POSSIBLY_FULL: 140, "session_count": 3, "session_exposure_s": 86_400, "dwell_mean_s": 600.0,
}  # fmt: skip


def divisions(source: str) -> list[str]:
    """What a module divides by anything but a number or a unit of time."""
    measures = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            by = ast.unparse(node.right)
            is_path = "_HERE" in ast.unparse(node) or "Path(" in ast.unparse(node)
            is_number = isinstance(node.right, ast.Constant) and isinstance(
                node.right.value, int | float
            )
            if not (is_path or is_number or by.startswith("timedelta(") or by in LENGTHS):
                measures.append(ast.unparse(node))
    return measures


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module__computes_no_share(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    assert divisions(source) == []
    assert "normalize" not in source  # a chart would divide what it is given


def test_divisions__are_detected() -> None:
    assert divisions("a / b\nx / 60\nt / timedelta(hours=1)\n_HERE / 'a'") == ["a / b"]


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name not in ESTIMATES])
def test_statement__divides_to_sort_only(name: str) -> None:
    """Its columns are sums: shares are computed from them by the one rule."""
    for division in sqlglot.parse_one(sql(name), read="redshift").find_all(exp.Div):
        order = division.find_ancestor(exp.Order)
        assert order is not None, division
        window = order.find_ancestor(exp.Window)  # a rank sorts, too
        assert window is None or isinstance(window.this, exp.RowNumber), division
    shares = {"utilisation", "occupancy", "availability", "reliability", "saturation", "coverage"}
    read = {column.name for column in sqlglot.parse_one(sql(name)).find_all(exp.Column)}
    assert not read & shares


# Every statement there is.
EVERY_STATEMENT = [
    name
    for folder in ("checks", "dashboard", "dimensions", "facts", "marts", "reports", "views")
    for name in sql_names(folder)
]
GROUPS = {frozenset(OPERABLE), frozenset(OCCUPIED)}


def plain(expression: exp.Expression) -> str:
    """An expression without qualifiers, and without what only sums up or casts all of it."""
    while isinstance(expression, exp.Cast | exp.Sum | exp.Paren):
        expression = expression.this
    expression = expression.copy()
    for column in expression.find_all(exp.Column):
        column.set("table", None)
    return expression.sql()


def metrics_in(statement: str) -> list[tuple[str, str]]:
    """The metrics that a statement computes itself, as (name, expression)."""
    metrics = []
    for select in sqlglot.parse_one(statement, read="redshift").find_all(exp.Select):
        for column in select.expressions:
            name = column.alias_or_name
            if name in SQL_DEFINITIONS and isinstance(column, exp.Alias):
                expression = plain(column.this)
                if expression not in (name, f"COALESCE({name}, 0)"):
                    metrics.append((name, expression))
    return metrics


def status_sums_in(statement: str) -> list[str]:
    """Sums of at least two statuses, whatever their name is."""
    columns = set(STATUS_COLUMNS.values())
    return [
        plain(total)
        for total in sqlglot.parse_one(statement, read="redshift").find_all(exp.Add)
        if not isinstance(total.parent, exp.Add)
        and {column.name for column in total.find_all(exp.Column)} <= columns
        and total.find(exp.Column)
    ]


@pytest.mark.parametrize("name", EVERY_STATEMENT)
def test_statement__computes_metrics_by_their_definition(name: str) -> None:
    statement = sql(name)
    for metric, expression in metrics_in(statement):
        assert expression == plain(sqlglot.parse_one(SQL_DEFINITIONS[metric], read="redshift"))
    not_working = "inoperative_s + out_of_order_s"  # its complement is `working_s`
    allowed = {SQL_DEFINITIONS["operable_s"], SQL_DEFINITIONS["occupied_s"], not_working}
    assert {*status_sums_in(statement)} <= allowed
    for choice in sqlglot.parse_one(statement, read="redshift").find_all(exp.In):
        words = frozenset(literal.name for literal in choice.expressions) & STATUS_COLUMNS.keys()
        if len(words) >= 3 and words <= {*OPERABLE}:
            assert words in GROUPS, choice


def test_definitions__are_each_used() -> None:
    used = {metric for name in EVERY_STATEMENT for metric, _ in metrics_in(sql(name))}
    assert used == SQL_DEFINITIONS.keys()


def test_definitions__find_a_metric_that_is_written_in_another_way() -> None:
    other = "SELECT SUM(t.available_s + t.charging_s) AS operable_s FROM t"
    assert metrics_in(other) == [("operable_s", "available_s + charging_s")]
    assert status_sums_in(other) == ["available_s + charging_s"]


def test_compute_measures__has_every_share_of_what_was_observed() -> None:
    assert compute_measures(WHOLE) == {
        "coverage": 0.8,
        "utilisation": 200 / 700,
        "occupancy": 200 / 700,
        "availability": 700 / 800,
        "reliability": 1.0,
        "unknown": 100 / 800,
        "saturation": 0.1,
        "sessions_per_evse": 3.0,
        "dwell_mean_s": 600.0,
    }
    assert compute_measures(WHOLE, POSSIBLY_FULL)["saturation"] == 0.2


def test_compute_measures__has_nothing_but_coverage_where_too_little_was_observed() -> None:
    measures = compute_measures({**WHOLE, "window_s": 1001})
    assert measures.pop("coverage") == pytest.approx(800 / 1001)
    assert set(measures.values()) == {None}
    assert set(status_shares({**WHOLE, "window_s": 1001}).values()) == {None}
    assert count_share(1, 79, 100) is None
    assert count_share(1, 80, 100) == 0.01


@pytest.mark.parametrize(("unknown", "expected"), [(640, 1.0), (641, None), (800, None)])
def test_compute_measures__has_no_reliability_of_a_status_that_is_mostly_unknown(
    unknown: int, expected: float | None
) -> None:
    row = {**WHOLE, "available_s": 0, "charging_s": 0, "unknown_s": unknown}
    assert compute_measures(row)["reliability"] == expected
    assert compute_measures(row)["unknown"] == unknown / 800


@given(st.dictionaries(st.sampled_from([*WHOLE]), st.integers(0, 10**6)))
def test_compute_measures__is_between_0_and_1_or_none(values: dict[str, int]) -> None:
    row = {**WHOLE, **values}
    statuses = [row[name] for name in SECONDS[1:-1]]
    row["observed_s"] = sum(statuses)
    measures = compute_measures(row)
    enough = row["observed_s"] * 5 >= row["window_s"] * 4
    for name in ("utilisation", "occupancy", "availability", "reliability", "unknown"):
        value = measures[name]
        assert value is None or (enough and 0 <= value <= 1)


def test_gaps__are_in_the_windows_of_their_hours() -> None:
    midnight = datetime(2026, 1, 13)
    row = {"hour": 23, "hour_count": 1, "observed_s": 3600, "operable_s": 3600, "charging_s": 0,
           "window_s": 3600}  # fmt: skip
    gap = {
        "gap_from": midnight, "gap_to": midnight + timedelta(hours=25, minutes=30), "evse_count": 2
    }  # fmt: skip
    cells = {cell["hour"]: cell for cell in add_gaps([row], [gap], lambda at: {"hour": at.hour})}
    assert list(cells) == list(range(24))
    assert cells[23]["window_s"] == 3600 + 7200
    assert cells[0]["window_s"] == 2 * 7200  # on two days
    assert cells[1]["window_s"] == 7200 + 3600  # up to half past one on the second
    assert cells[5] == {
        "hour": 5, "hour_count": 0, "observed_s": 0, "operable_s": 0, "available_s": 0,
        "charging_s": 0, "window_s": 7200,
    }  # fmt: skip
    assert compute_measures(cells[23])["utilisation"] is None
