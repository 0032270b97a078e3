"""Two assets of your own in the code location of charging_assets: frames in, tables out."""

import dagster as dg
import pandas as pd

from charging_assets import definitions
from charging_assets.frames import MartCityDay
from charging_assets.hours import backfill_policy, hourly_partitions


@dg.asset(io_manager_key="warehouse_io_manager", group_name="own", pool="warehouse_writer")
def city_ranking(mart_city_day: MartCityDay) -> pd.DataFrame:
    """Cities by the share of observed time spent charging: the table user_tables.city_ranking."""
    seconds = mart_city_day.groupby("place")[["observed_s", "charging_s"]].sum().reset_index()
    seconds["charging_share"] = seconds["charging_s"] / seconds["observed_s"]
    return seconds.sort_values("charging_share", ascending=False)


@dg.asset(
    key_prefix="own",  # the table own.full_stations
    io_manager_key="warehouse_io_manager",
    partitions_def=hourly_partitions(),
    backfill_policy=backfill_policy(),
    group_name="own",
    pool="warehouse_writer",
)
def full_stations(mart_station_hour: pd.DataFrame) -> pd.DataFrame:
    """Stations without a free EVSE for some of the hour; a run of many hours gets one frame."""
    full = mart_station_hour[mart_station_hour["saturated_s"] > 0]
    return full[["slot_at", "feed", "station_key", "saturated_s"]]


@dg.definitions
def defs() -> dg.Definitions:
    ours = dg.Definitions(assets=[city_ranking, full_stations])
    return dg.Definitions.merge(definitions.defs(), ours)
