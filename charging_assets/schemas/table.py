"""The classes that define a table: columns with type, unit and meaning, key and grain."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum


class Type(Enum):
    """Column types that both engines and Parquet share. Timestamps are UTC, microseconds.

    Dates are in tables of users' own assets alone.
    """

    TEXT = "text"
    BOOLEAN = "boolean"
    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    DOUBLE = "double"
    TIMESTAMP = "timestamp"
    DATE = "date"


@dataclass(frozen=True)
class Column:
    """A column; `length` is the maximum number of UTF-8 bytes of a text, as Redshift counts.

    `is_json` marks a text with canonical JSON (sorted keys, no white space). `minimum` and
    `maximum` are the plausible range of a number, in its unit: a published value outside of it is
    set to null and recorded as a reject.
    """

    name: str
    type: Type
    meaning: str
    unit: str | None = None
    nullable: bool = True
    length: int = 0
    is_json: bool = False
    minimum: float | None = None
    maximum: float | None = None

    @property
    def unit_and_range(self) -> str:
        """Unit and plausible range as text: `kW, 0.5 to 1,500`. Empty without a unit."""
        if self.unit is None or self.minimum is None or self.maximum is None:
            return self.unit or ""
        return f"{self.unit}, {self.minimum:,g} to {self.maximum:,g}"


@dataclass(frozen=True)
class Reference:
    """Columns that refer to a row of another table, given by its full name.

    `as_of` marks a reference to the row that is valid at the time of the referring row.
    """

    columns: tuple[str, ...]
    table: str
    to_columns: tuple[str, ...]
    as_of: bool = False


@dataclass(frozen=True)
class Table:
    """A table of a database schema. `key` is unique and not null; `hour_column` is its partition.

    `distribution` and `sort_key` are physical attributes for Redshift; DuckDB ignores them.
    """

    schema: str
    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    hour_column: str | None = "slot_at"
    distribution: str = "AUTO"
    sort_key: tuple[str, ...] = ()
    order: tuple[str, ...] = field(default=())
    references: tuple[Reference, ...] = ()

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        referring = [name for reference in self.references for name in reference.columns]
        unknown = {*self.key, *self.sort_key, *self.order, *referring} - set(names)
        if unknown or len(set(names)) != len(names):
            raise ValueError(f"{self.full_name}: unknown {sorted(unknown)} or doubled columns")
        for column in self.columns:
            if column.type is Type.TEXT and column.length <= 0:
                raise ValueError(f"{self.full_name}.{column.name}: a text needs a length")

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def within(self, schema: str, name: str | None = None) -> Table:
        """The same table in another database schema."""
        return replace(self, schema=schema, name=name or self.name)


def text(name: str, length: int, meaning: str, *, nullable: bool = True) -> Column:
    return Column(name, Type.TEXT, meaning, nullable=nullable, length=length)


# Redshift limits the text of a row that a query passes on: "The combined length of columns
# processed in the SQL statement exceeded the query processing limit of 65535 characters" (8001).
MAX_ROW_BYTES = 65_535


def json(name: str, meaning: str, length: int = 60_000) -> Column:
    """JSON as text. The lengths of all texts of a table are at most `MAX_ROW_BYTES`."""
    return Column(name, Type.TEXT, meaning, length=length, is_json=True)


def key(name: str, meaning: str, *, nullable: bool = False) -> Column:
    return Column(name, Type.BIGINT, meaning, nullable=nullable)


def at(name: str, meaning: str, *, nullable: bool = False) -> Column:
    return Column(name, Type.TIMESTAMP, meaning, unit="UTC", nullable=nullable)


def flag(name: str, meaning: str, *, nullable: bool = True) -> Column:
    return Column(name, Type.BOOLEAN, meaning, nullable=nullable)


def number(
    name: str,
    meaning: str,
    unit: str | None = None,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Column:
    return Column(name, Type.DOUBLE, meaning, unit=unit, minimum=minimum, maximum=maximum)


def count(name: str, meaning: str, unit: str | None = None, *, nullable: bool = False) -> Column:
    return Column(name, Type.INTEGER, meaning, unit=unit, nullable=nullable)
