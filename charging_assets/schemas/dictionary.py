"""The data dictionary of all tables and columns, in Markdown.

`python -m charging_assets.schemas.dictionary` writes `docs/data-dictionary.md`; a test fails if the
file is outdated.
"""

from __future__ import annotations

from pathlib import Path

from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.render import sql_type
from charging_assets.schemas.table import Column, Reference, Table

TARGET = Path("docs/data-dictionary.md")

_HEAD = """# Data dictionary

Rendered from the schema (`charging_assets/schemas/`) by
`python -m charging_assets.schemas.dictionary`; do not edit it by hand. Times are UTC. Lengths are
in UTF-8 bytes. A range after a unit is the plausible range: a published number outside of it is set
to null, and recorded in `ops.flat_rejects` with the code `out_of_range`. The views of schema
`original` are in `sql/original/`, `mart.city_hour` is in `sql/views/`.
"""


def dictionary() -> str:
    """The dictionary as Markdown."""
    return "\n".join([_HEAD, *(_table(table) for table in TABLES)])


def _table(table: Table) -> str:
    lines = [
        f"## {table.full_name}",
        "",
        f"Grain: {table.grain}.  ",
        f"Key: `{', '.join(table.key)}`"
        + (f"; partitioned by the hour of `{table.hour_column}`." if table.hour_column else ".")
        + ("  " if table.references else ""),
        *(f"References: {_reference(each)}.  " for each in table.references),
        "",
        "| column | type | unit | meaning |",
        "|---|---|---|---|",
        *(_column(column) for column in table.columns),
        "",
    ]
    return "\n".join(lines)


def _reference(reference: Reference) -> str:
    columns, to_columns = ", ".join(reference.columns), ", ".join(reference.to_columns)
    as_of = ", the row valid at that time" if reference.as_of else ""
    return f"`{columns}` → `{reference.table}` (`{to_columns}`){as_of}"


def _column(column: Column) -> str:
    kind = sql_type(column).lower() + (" (JSON)" if column.is_json else "")
    needed = "" if column.nullable else ", not null"
    return f"| `{column.name}` | {kind}{needed} | {column.unit_and_range} | {column.meaning} |"


if __name__ == "__main__":
    TARGET.write_text(dictionary(), encoding="utf-8")
