"""The SQL files: one SELECT each, with the same meaning in Redshift and DuckDB."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp

from charging_assets.preprocessing.duplicates import liveness
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.catalog import table as table_of
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.sql_files import sql, sql_folder, sql_names
from charging_assets.warehouse.transpile import bind_params, transpile

FILES = sorted(
    str(path.relative_to(sql_folder()).with_suffix("")) for path in sql_folder().rglob("*.sql")
)
TEMPS = {
    "new_observation": "dimensions/entity_observation",
    "new_poll": "dimensions/entity_poll",
    "affected_entity": "dimensions/affected_entity",
    "previous_version": "dimensions/previous_version",
    "entity_boundary": "dimensions/entity_boundary",
    "entity_gap": "dimensions/entity_gap",
    "entity_closing": "dimensions/entity_closing",
    "contested_key": "staging/contested_key",
    "key_claim": "staging/key_claim",
    "new_alias": "dimensions/new_alias",
    "affected_alias": "dimensions/affected_alias",
    "affected_session": "facts/affected_session",
    "affected_evse": "facts/affected_session_evse",
}
BY_NAME = {table.name: table for table in TABLES}
FILLED = [name for name in FILES if name.split("/")[1] in BY_NAME]

# Redshift's documented reserved words, without those that every statement uses as such.
_WORDS = """
    aes128 aes256 all allowoverwrite analyse analyze and any array as asc authorization az64
    backup between binary blanksasnull both bytedict bzip2 case cast check collate column constraint
    create credentials cross current_date current_time current_timestamp current_user
    current_user_id default deferrable deflate defrag delta delta32k desc disable distinct do else
    emptyasnull enable encode encrypt encryption end except explicit false for foreign freeze from
    full globaldict256 globaldict64k grant group gzip having identity ignore ilike in initially
    inner intersect interval into is isnull join leading left like limit localtime localtimestamp
    lun luns lzo lzop minus mostly16 mostly32 mostly8 natural new not notnull null nulls off offline
    offset oid old on only open or order outer overlaps parallel partition percent permissions
    pivot placing primary raw readratio recover references rejectlog resort respect restore right
    select session_user similar snapshot some sysdate system table tag tdes text255 text32k then
    timestamp to top trailing true truncatecolumns union unique unnest unpivot user using verbose
    wallet when where with without
"""
RESERVED = set(_WORDS.split())


def parsed(name: str) -> exp.Expression:
    return sqlglot.parse_one(sql(name), read="redshift")


def code(name: str) -> str:
    """The statement without comments."""
    return "\n".join(line.split("--")[0] for line in sql(name).splitlines())


def outputs(name: str) -> list[str]:
    tree = parsed(name)
    assert isinstance(tree, exp.Query)
    return tree.named_selects


def test_sql_names__lists_every_folder() -> None:
    folders = {name.split("/")[0] for name in FILES}
    assert sorted(name for folder in folders for name in sql_names(folder)) == FILES
    assert {"facts/fact_status", "dimensions/dim_station", "original/time"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_file__is_one_select(name: str) -> None:
    statements = sqlglot.parse(sql(name), read="redshift", error_level=sqlglot.ErrorLevel.RAISE)
    assert len(statements) == 1
    assert isinstance(statements[0], exp.Select | exp.SetOperation)


@pytest.mark.parametrize("name", FILES)
def test_file__names_its_grain_and_its_scope(name: str) -> None:
    lines = sql(name).splitlines()
    end = next(at for at, line in enumerate(lines) if not line.startswith("--"))
    head = "\n".join(lines[:end])
    assert re.match(r"-- Grain: (the one row|one row(,|:| per \w))", head)
    assert re.search(r"^-- Scope: \w", head, re.MULTILINE)


@pytest.mark.parametrize("name", FILES)
def test_file__its_head_documents_every_parameter(name: str) -> None:
    head = sql(name).split("\nWITH", 1)[0].split("\nSELECT", 1)[0]
    assert {f":{parameter}" for parameter in transpile(sql(name))[1]} <= set(
        re.findall(r":\w+", head)
    )


def sort_orders(tree: exp.Expression) -> set[str]:
    """By what the aggregates of a statement sort that Redshift computes by sorting."""
    orders = set()
    for node in tree.find_all(exp.Median, exp.PercentileCont, exp.GroupConcat):
        if isinstance(node, exp.Median):
            orders.add(node.this.sql("redshift"))
            continue
        # WITHIN GROUP stands around the aggregate, or, of LISTAGG, inside it.
        within = node.parent if isinstance(node.parent, exp.WithinGroup) else node
        order = within.find(exp.Order)
        orders.add(", ".join(each.this.sql("redshift") for each in order) if order else "")
    return orders


@pytest.mark.parametrize("name", FILES)
def test_file__has_no_two_aggregates_that_sort_differently(name: str) -> None:
    """Redshift refuses them: "they must all use the same ORDER BY values"."""
    assert len(sort_orders(parsed(name))) <= 1


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("SELECT MEDIAN(a), MEDIAN(b) FROM t", 2),
        ("SELECT MEDIAN(a), LISTAGG(b, ',') WITHIN GROUP (ORDER BY b) FROM t", 2),
        ("WITH m AS (SELECT MEDIAN(a) AS x FROM t) SELECT MEDIAN(x + 1) FROM m", 2),
        ("SELECT PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY a), MEDIAN(b) FROM t", 2),
        ("SELECT PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY a), MEDIAN(a) FROM t", 1),
        ("SELECT SUM(a), AVG(b) FROM t", 0),
    ],
)
def test_sort_orders__are_counted(statement: str, count: int) -> None:
    assert len(sort_orders(sqlglot.parse_one(statement, read="redshift"))) == count


FORBIDDEN = {
    "LISTAGG DISTINCT": r"LISTAGG\s*\(\s*DISTINCT",
    "an aggregate's FILTER": r"\bFILTER\s*\(",
    "QUALIFY": r"\bQUALIFY\b",
    "DISTINCT ON": r"DISTINCT\s+ON\b",
    "differences of weeks": r"DATEDIFF\s*\(\s*'?w(ee)?k",
    "clocks": r"\b(GETDATE|SYSDATE|NOW|TIMEOFDAY|CURRENT_(TIMESTAMP|DATE|TIME)|LOCALTIME)\b",
    "named windows": r"\bWINDOW\s+\w+\s+AS\b|\bOVER\s+\w",
    "::": r"::",
    "IGNORE NULLS": r"IGNORE\s+NULLS",
    "IS DISTINCT FROM": r"IS\s+(NOT\s+)?DISTINCT\s+FROM",
    "JSON operators": r"->>?",
    "chance": r"\b(RANDOM|RAND|UUID)\w*\s*\(",
    "GROUP BY ALL": r"GROUP\s+BY\s+ALL|ORDER\s+BY\s+ALL",
    "USING": r"\bUSING\s*\(",
    "LATERAL": r"\bLATERAL\b",
    "EXCLUDE": r"\*\s+(EXCLUDE|EXCEPT|REPLACE)\s*\(",
    "generated rows": r"\bGENERATE_SERIES\b|\bUNNEST\b",
    "backslashes": r"\\",
}


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("name", FILES)
def test_file__does_without_what_the_engines_read_differently(name: str, what: str) -> None:
    assert not re.search(FORBIDDEN[what], code(name), re.IGNORECASE)


@pytest.mark.parametrize("name", FILES)
def test_file__casts_before_it_divides(name: str) -> None:
    """Redshift divides integers to integers, DuckDB does not."""
    for division in parsed(name).find_all(exp.Div):
        dividend = division.left.unnest()
        assert isinstance(dividend, exp.Cast), division
        assert dividend.to.is_type("double", "decimal", "float"), division


@pytest.mark.parametrize("name", FILES)
def test_file__has_no_correlated_subquery(name: str) -> None:
    """Redshift refuses several patterns of them; joins and set operations say the same."""
    assert list(parsed(name).find_all(exp.Exists)) == []
    for subquery in parsed(name).find_all(exp.In):
        inner = subquery.args.get("query")
        if inner is None:
            continue
        inner_tables = {table.alias_or_name for table in inner.find_all(exp.Table)}
        assert {column.table for column in inner.find_all(exp.Column)} <= inner_tables, name


@pytest.mark.parametrize("name", FILES)
def test_file__casts_texts_that_it_selects(name: str) -> None:
    """A bare text in a SELECT has no type on Redshift, and the statement around it then fails."""
    for select in parsed(name).find_all(exp.Select):
        for projection in select.expressions:
            inner = projection.this if isinstance(projection, exp.Alias) else projection
            assert not isinstance(inner, exp.Placeholder), projection
            assert not (isinstance(inner, exp.Literal) and inner.is_string), projection
            assert not isinstance(inner, exp.Null), projection


@pytest.mark.parametrize("name", FILES)
def test_file__uses_no_reserved_word_as_a_name(name: str) -> None:
    names = {identifier.name.lower() for identifier in parsed(name).find_all(exp.Identifier)}
    assert names & RESERVED == set()


def test_tables__use_no_reserved_word_as_a_name() -> None:
    names = {table.name for table in TABLES} | {name for table in TABLES for name in table.names}
    assert names & RESERVED == set()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables__keys_are_never_null(table: object) -> None:
    """Redshift's primary keys are promises: a column that may be null is refused."""
    declared = table_of(table.name)  # type: ignore[attr-defined]
    assert [name for name in declared.key if declared.column(name).nullable] == []


@pytest.mark.parametrize("name", FILLED)
def test_file__columns_are_those_of_its_table(name: str) -> None:
    assert outputs(name) == list(BY_NAME[name.split("/")[1]].names)


@pytest.mark.parametrize("name", FILES)
def test_file__names_each_of_its_columns_once(name: str) -> None:
    columns = outputs(name)
    assert "*" not in columns and "" not in columns
    assert len(columns) == len(set(columns))


@pytest.fixture(scope="module")
def warehouse() -> DuckDBWarehouse:
    """An empty warehouse with the temp tables that loads make."""
    made = DuckDBWarehouse(None)
    temps = [(f"CREATE TABLE main.{temp} AS {sql(name)}", PARAMS) for temp, name in TEMPS.items()]
    made.execute(*temps)
    return made


AT = "2022-01-11 20:00:00"
PARAMS = {
    "entity_type": "station",
    "asset": "dim_station",
    "code_version": "",
    "feed": "chargecloud",
    "window_start": "2022-01-11 20:00:00",
    "window_end": "2022-01-11 21:00:00",
    **dict.fromkeys(("now_at", "from_date", "to_date"), AT),
    **dict.fromkeys(("place", "operator_name", "time_zone"), ""),
    **dict.fromkeys(("station_key", "evse_key", "is_open_only", "min_power_kw", "near_s"), 1),
    **dict.fromkeys(("runs_from", "runs_to"), AT),
    **dict.fromkeys(("underived_from", "underived_to"), AT),
    **dict.fromkeys(("newest_at", "reach_from", "reach_to", "gaps_from", "gaps_to"), AT),
    **dict.fromkeys(("near_start", "near_end", "oldest_start", "idle_start", "starts_from"), AT),
    **dict.fromkeys(
        ("past_start", "now_at", "starts_to", "days_from", "days_to", "months_from", "months_to"),
        AT,
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_file__runs_on_an_empty_warehouse(warehouse: DuckDBWarehouse, name: str) -> None:
    _, values = bind_params(sql(name), PARAMS)
    rows = warehouse.query(sql(name), values)
    assert rows.column_names == outputs(name)
    is_total = "-- Grain: one row:" in sql(name)
    assert rows.num_rows == is_total


def _orders_of_dormancy(name: str) -> list[str]:
    """The expressions by which a file ranks statuses that are REMOVED."""
    statement = sqlglot.parse_one(sql(name), read="redshift")
    for column in statement.find_all(exp.Column):
        column.set("table", None)
    cases = {case.sql("redshift") for case in statement.find_all(exp.Case)}
    return [case for case in cases if "'REMOVED'" in case]


# Which place counts, of those that publish an EVSE, is decided in all of them, and nowhere else.
CHOOSES_A_PLACE = [
    "dashboard/now_stations", "dashboard/station_runs", "dimensions/entity_observation",
    "facts/fact_charging_session", "marts/mart_evse_hour", "marts/mart_station_hour",
]  # fmt: skip


def test_places__are_chosen_by_one_expression_that_agrees_with_flattening() -> None:
    assert [name for name in FILES if _orders_of_dormancy(name)] == CHOOSES_A_PLACE
    dormancy = {s: liveness(None) - liveness(s) for s in ("REMOVED", "PLANNED")}
    whens = " ".join(f"WHEN '{status}' THEN {rank}" for status, rank in dormancy.items())
    for name in CHOOSES_A_PLACE:
        assert _orders_of_dormancy(name) == [f"CASE status {whens} ELSE 0 END"], name


def test_places__no_other_statement_ranks_the_places_of_statuses() -> None:
    """A choice among places that is by name alone takes an EVSE from where it is REMOVED."""
    ranking = []
    for name in FILES:
        statement = sqlglot.parse_one(sql(name), read="redshift")
        tables = {table.name for table in statement.find_all(exp.Table)}
        orders = [
            order.expressions[0].this
            for window in statement.find_all(exp.Window)
            if (order := window.args.get("order"))
        ]
        by_place = any(isinstance(by, exp.Column) and by.name == "place" for by in orders)
        if by_place and tables & {"fact_status", "flat_status"}:
            ranking.append(name)
    assert ranking == []


INTEGERS = {exp.DataType.Type.INT, exp.DataType.Type.BIGINT, exp.DataType.Type.SMALLINT}


@pytest.mark.parametrize("name", FILES)
def test_sql__quotients_are_not_rounded_by_a_cast(name: str) -> None:
    """What Redshift does with halves in a cast of a double to an integer is not documented."""
    quotients = [
        cast.sql()
        for cast in parsed(name).find_all(exp.Cast)
        if cast.to.this in INTEGERS and isinstance(cast.this.unnest(), exp.Div)
    ]
    assert quotients == []


@pytest.mark.parametrize("name", FILES)
def test_sql__no_subquery_is_under_or(name: str) -> None:
    """Redshift cannot make a join of it: a nested loop, where it accepts the statement at all."""
    under_or = [
        subquery.sql()
        for subquery in parsed(name).find_all(exp.In, exp.Exists)
        if (subquery.args.get("query") or isinstance(subquery, exp.Exists))
        and subquery.find_ancestor(exp.Or, exp.Select).__class__ is exp.Or
    ]
    assert under_or == []
