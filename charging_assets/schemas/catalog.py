"""All tables of the warehouse, in the order of their creation."""

from __future__ import annotations

from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.marts import MART_TABLES
from charging_assets.schemas.ops import OPS_TABLES
from charging_assets.schemas.table import Table
from charging_assets.schemas.warehouse import WAREHOUSE_TABLES

DATABASE_SCHEMAS = ("staging", "warehouse", "mart", "original", "ops")
TABLES: tuple[Table, ...] = (*FLAT_TABLES, *WAREHOUSE_TABLES, *MART_TABLES, *OPS_TABLES)


def table(name: str) -> Table:
    """The table with a name; KeyError if there is none."""
    return _BY_NAME[name]


_BY_NAME = {each.name: each for each in TABLES}
