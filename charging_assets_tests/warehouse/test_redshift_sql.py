"""Parameters in Redshift's SQL: bound, or inlined where they cannot be bound."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from charging_assets.warehouse.redshift.sql import inline_params, parameter_names, pick_params
from charging_assets.warehouse.sql_files import sql, sql_folder

FILES = sorted(
    str(path.relative_to(sql_folder()).with_suffix("")) for path in sql_folder().rglob("*.sql")
)


@pytest.mark.parametrize("name", FILES)
def test_parameters__are_those_that_the_parser_finds(name: str) -> None:
    tree = sqlglot.parse_one(sql(name), read="redshift")
    assert parameter_names(sql(name)) == {str(node.this) for node in tree.find_all(exp.Placeholder)}


def test_parameters__are_not_in_strings_names_comments_or_casts() -> None:
    tricky = "SELECT ':a', \":b\", x::c, 'it''s :d' -- :e\n/* :f\n:g */ FROM t WHERE y = :h"
    assert parameter_names(tricky) == {"h"}


def test_pick_params__selects_named_parameters_and_raises_for_missing_ones() -> None:
    assert pick_params("SELECT :a, :b, :a", {"a": 1, "b": 2, "c": 3}) == {"a": 1, "b": 2}
    assert pick_params("SELECT 1", {"a": 1}) is None
    with pytest.raises(KeyError, match="b"):
        pick_params("SELECT :a, :b", {"a": 1})


def test_inlined__writes_literals_of_every_type() -> None:
    values = {
        "t": datetime(2022, 1, 11, 20, 0, 0, 5), "s": "station", "i": -7, "f": 0.5, "b": True,
        "n": None,
    }  # fmt: skip
    assert inline_params("SELECT :t, :s, :i, :f, :b, :n, ':s' -- :s", values) == (
        "SELECT TIMESTAMP '2022-01-11 20:00:00.000005', 'station', -7, 0.5, TRUE, NULL, ':s' -- :s"
    )


@pytest.mark.parametrize(
    "value", ["it's", "back\\slash", "line\nbreak", datetime(2022, 1, 1, tzinfo=UTC), b"x", [1]]
)
def test_inlined__refuses_what_needs_quoting_rules(value: object) -> None:
    with pytest.raises(ValueError, match="the parameter a cannot be written into SQL"):
        inline_params("SELECT :a", {"a": value})


@given(st.text())
def test_inlined__a_text_stays_one_literal_or_is_refused(value: str) -> None:
    try:
        written = inline_params("SELECT :a AS a", {"a": value})
    except ValueError:
        return
    (literal,) = sqlglot.parse_one(written, read="redshift").find_all(exp.Literal)
    assert literal.this == value
