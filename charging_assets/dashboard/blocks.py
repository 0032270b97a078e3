"""The building blocks of a page: figures, charts, tables, form fields, notes.

They contain no HTML, which is in `templates/`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Row = dict[str, Any]
ROWS_A_PAGE = 25


@dataclass(frozen=True)
class Figure:
    """A number with its unit, period, coverage and definition.

    `raw` is the unrounded number, for programs that read the page. `is_old` marks a figure of the
    last known state.
    """

    id: str
    label: str
    value: str
    period: str
    coverage: str
    definition: str
    raw: float | int | None = None
    unit: str = ""
    is_old: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart as SVG with a text description; `table` is the id of the table with its numbers."""

    id: str
    title: str
    svg: str
    description: str
    caption: str
    definition: str
    table: str
    is_wide: bool = False


@dataclass(frozen=True)
class Column:
    """A column: its name in CSV files, its heading, and how values are formatted and linked.

    A column that is `in_files`, such as a key, is left out on the page.
    """

    name: str
    label: str
    format: Callable[[Any], str] = lambda value: "–" if value is None else str(value)
    link: Callable[[Row], str | None] | None = None
    is_number: bool = False
    definition: str | None = None
    css: Callable[[Row], str] | None = None
    in_files: bool = False


@dataclass(frozen=True)
class Table:
    """Rows with a caption. The page shows them in parts, the CSV file has all of them."""

    id: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    caption: str = ""
    is_folded: bool = False

    @property
    def visible_columns(self) -> list[Column]:
        """The columns shown on the page."""
        return [column for column in self.columns if not column.in_files]

    def page(self, number: int) -> tuple[list[Row], int, int]:
        """One page of rows, its number and the number of pages; beyond the last page, the last."""
        count = max(1, -(-len(self.rows) // ROWS_A_PAGE))
        number = min(max(number, 1), count)
        return list(self.rows[(number - 1) * ROWS_A_PAGE : number * ROWS_A_PAGE]), number, count

    def csv(self) -> str:
        """All rows as CSV (RFC 4180), with unrounded numbers and times in ISO 8601."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([column.name for column in self.columns])
        for row in self.rows:
            writer.writerow([_csv_value(row.get(column.name)) for column in self.columns])
        return out.getvalue()


@dataclass(frozen=True)
class FormField:
    """A field of the page's form: a selection, a date or a text."""

    name: str
    label: str
    value: str
    kind: str = "select"
    options: Sequence[tuple[str, str]] = ()
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class Note:
    """A sentence at the top of the page, with at most one link; a warning is highlighted."""

    text: str
    href: str = ""
    link: str = ""
    is_warning: bool = False


@dataclass(frozen=True)
class Definition:
    """The definition of a figure; `id` is its anchor, `source` a URL with more information."""

    id: str
    title: str
    formula: str
    text: str
    source: str = ""


@dataclass
class Page:
    """The content of one page; `options` are the active ones, as they appear in file names."""

    name: str
    title: str
    lead: str = ""
    notes: list[Note] = field(default_factory=list)
    form_fields: list[FormField] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.id == name), None)


def _csv_value(value: Any) -> Any:
    """A value for CSV. Text that a spreadsheet would run as a formula is quoted."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return "" if value is None else value


def total(rows: Iterable[Row], name: str) -> int:
    """The sum of a column; null counts as 0."""
    return sum(row[name] or 0 for row in rows)
