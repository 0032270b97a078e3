"""The ER diagram is up to date, and references have existing targets."""

import re
from pathlib import Path

import pytest

from charging_assets.schemas.catalog import TABLES, table
from charging_assets.schemas.diagram import TARGET, diagram

ROOT = Path(__file__).resolve().parents[2]
# The lines of an `erDiagram`, as Mermaid's grammar has them.
_LINE = re.compile(
    r"    [a-z_]+ \{|        [A-Z_]+ [a-z_]+ (PK|FK|PK, FK)|    \}"
    r"|    [a-z_]+ \}o(--|\.\.)\|\| [a-z_]+ : \"[a-z_, ]+\""
)


def test_diagram__is_not_behind_the_schema():
    page = (ROOT / TARGET).read_text(encoding="utf-8")
    assert page == diagram(), "run `python -m charging_assets.schemas.diagram`"


def test_diagram__has_every_table_once_and_every_reference():
    blocks = re.findall(r"```mermaid\nerDiagram\n(.*?)\n```", diagram(), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert all(map(_LINE.fullmatch, lines))
    entities = sorted(line.split()[0] for line in lines if line.endswith("{"))
    assert entities == sorted(each.name for each in TABLES)
    assert sum("}o" in line for line in lines) == sum(len(each.references) for each in TABLES)


@pytest.mark.parametrize("each", TABLES, ids=lambda each: each.full_name)
def test_references__lead_to_columns_of_the_same_type(each):
    for reference in each.references:
        schema, name = reference.table.split(".")
        target = table(name)
        assert target.schema == schema
        assert len(reference.columns) == len(reference.to_columns)
        for column, to_column in zip(reference.columns, reference.to_columns, strict=True):
            assert each.column(column).type is target.column(to_column).type
        # Without a time, a reference leads to one row at most.
        assert reference.as_of or set(reference.to_columns) == set(target.key)
