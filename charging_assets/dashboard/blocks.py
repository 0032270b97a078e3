"""What a page is made of: figures, charts, tables, notes.

Belongs here: the parts that every page shares, without a word of HTML. Does not belong here: how
they look (`templates/`), or what they say.
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
    """A number with what makes it honest: its unit, period, coverage and definition.

    `raw` is the number unrounded, for those who read the page by program. A figure that is only
    last known `is_old`.
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
    """A drawing with a description; the numbers stand in the table that it names."""

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
    """A column: its name in files, its heading, and how its values are told and linked.

    One that is `in_files` only says what nobody reads, such as a key.
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
    """Rows under a caption; a page shows some of them, the CSV has all."""

    id: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    caption: str = ""
    is_folded: bool = False

    @property
    def visible_columns(self) -> list[Column]:
        """The columns that pages show."""
        return [column for column in self.columns if not column.in_files]

    def page(self, number: int) -> tuple[list[Row], int, int]:
        """The rows of a page (of the last for one past it), its number, and how many there are."""
        count = max(1, -(-len(self.rows) // ROWS_A_PAGE))
        number = min(max(number, 1), count)
        return list(self.rows[(number - 1) * ROWS_A_PAGE : number * ROWS_A_PAGE]), number, count

    def csv(self) -> str:
        """All rows as comma-separated values (RFC 4180), numbers unrounded, times in ISO 8601."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([column.name for column in self.columns])
        for row in self.rows:
            writer.writerow([_csv_value(row.get(column.name)) for column in self.columns])
        return out.getvalue()


@dataclass(frozen=True)
class FormField:
    """A field of the page's form: a list to choose from, or a date, or text."""

    name: str
    label: str
    value: str
    kind: str = "select"
    options: Sequence[tuple[str, str]] = ()
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class Note:
    """A sentence above everything else, with at most one link; one that `warns` stands out."""

    text: str
    href: str = ""
    link: str = ""
    is_warning: bool = False


@dataclass(frozen=True)
class Definition:
    """What a figure means; `id` is what pages link to, `source` an address to read on at."""

    id: str
    title: str
    formula: str
    text: str
    source: str = ""


@dataclass
class Page:
    """One page, ready to be shown; `options` are those that are set, as file names have them."""

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
    """A value as files hold it. Spreadsheets run what begins like a formula: it is quoted."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return "" if value is None else value


def total(rows: Iterable[Row], name: str) -> int:
    """The sum of a column; null counts as nothing."""
    return sum(row[name] or 0 for row in rows)
