"""The ER diagram is up to date, and references have existing targets."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from charging_assets.schemas.catalog import TABLES, table
from charging_assets.schemas.diagram import TARGET, diagram

ROOT = Path(__file__).resolve().parents[2]


def test_diagram__is_not_behind_the_schema():
    drawn = (ROOT / TARGET).read_text(encoding="utf-8")
    assert drawn == diagram(), "run `python -m charging_assets.schemas.diagram`"


def test_diagram__boxes_do_not_overlap():
    root = ElementTree.fromstring(diagram())
    boxes = [
        tuple(int(each.attrib[name]) for name in ("x", "y", "width", "height"))
        for each in root.iter("{http://www.w3.org/2000/svg}rect")
        if each.attrib.get("class") == "b"
    ]
    assert len(boxes) == len(TABLES)
    for at, (x, y, width, height) in enumerate(boxes):
        for x2, y2, width2, height2 in boxes[at + 1 :]:
            apart = x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y
            assert apart


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
