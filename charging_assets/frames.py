"""The tables as dagster-pandas types, for inputs of your own assets.

    from charging_assets.frames import MartCityDay

    @dg.asset(partitions_def=hourly_partitions(), io_manager_key="warehouse_io_manager")
    def busy_cities(mart_city_day: MartCityDay) -> pd.DataFrame: ...

A type is named as its table, in camel case; its columns, types and nulls are those of the one
schema and are checked before the asset runs. An input that is annotated with `pandas.DataFrame` is
checked in the same way; the type adds its name and columns to what Dagster's UI shows of the input.
"""

from __future__ import annotations

from typing import Any

from charging_assets.schemas.catalog import TABLES

_BY_NAME = {"".join(part.title() for part in table.name.split("_")): table for table in TABLES}


def __getattr__(name: str) -> Any:
    if name not in _BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Late: pandas takes a second to import.
    from charging_assets.schemas.pandas_types import pandas_type

    return pandas_type(_BY_NAME[name])
