"""The ER diagram: every table with its key and references, as Mermaid, which GitHub renders.

`python -m charging_assets.schemas.diagram` writes `docs/er-diagram.md`; a test fails when the page
is behind the schema.
"""

from __future__ import annotations

from pathlib import Path

from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.render import sql_type
from charging_assets.schemas.table import Reference, Table

TARGET = Path("docs/er-diagram.md")

_HEAD = """# ER diagram

Rendered from the schema (`charging_assets/schemas/`) by
`python -m charging_assets.schemas.diagram`; not edited by hand. Each table is shown with its key
(PK) and the columns that refer to other tables (FK); all columns are in the
[data dictionary](data-dictionary.md). A dashed line leads to the row that is valid at the time of
the referring row.
"""
_SECTIONS = {
    "staging": "Flat tables of the last days, one per flat file.",
    "warehouse": "History, dimensions and facts.",
    "mart": "Sums and figures by hour, day and month.",
    "ops": "What loads record about themselves.",
}


def diagram() -> str:
    """The page: a diagram per database schema, in the order of the data flow."""
    return "\n".join([_HEAD, *(_section(schema, text) for schema, text in _SECTIONS.items())])


def _section(schema: str, text: str) -> str:
    tables = [table for table in TABLES if table.schema == schema]
    return "\n".join(
        [
            f"## {schema}",
            "",
            text,
            "",
            "<!-- output -->",
            "```mermaid",
            "erDiagram",
            *(line for table in tables for line in _entity(table)),
            *(_relationship(table, each) for table in tables for each in table.references),
            "```",
            "",
        ]
    )


def _entity(table: Table) -> list[str]:
    referring = {name for each in table.references for name in each.columns}
    lines = [f"    {table.name} {{"]
    for column in table.columns:
        marks = [
            mark for mark, names in (("PK", table.key), ("FK", referring)) if column.name in names
        ]
        if marks:
            # Mermaid takes no precision: its grammar has no commas in types.
            type_name = sql_type(column).split("(")[0].replace(" ", "_")
            lines.append(f"        {type_name} {column.name} {', '.join(marks)}")
    return [*lines, "    }"]


def _relationship(table: Table, reference: Reference) -> str:
    line = ".." if reference.as_of else "--"
    target = reference.table.split(".")[1]
    return f'    {table.name} }}o{line}|| {target} : "{", ".join(reference.columns)}"'


if __name__ == "__main__":
    TARGET.write_text(diagram(), encoding="utf-8")
