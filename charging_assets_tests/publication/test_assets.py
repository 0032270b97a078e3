"""The publication asset, run by Dagster."""

import dagster as dg

from charging_assets import deployments
from charging_assets.lake.memory import MemoryLake
from charging_assets.publication.assets import published_tables
from charging_assets.resources import for_storage
from charging_assets_tests.modelling import hours


def test_published_tables__an_hour_writes_its_files():
    lake = MemoryLake()
    storage = deployments.Storage(lake, hours.loaded({0: hours.stand()}))
    resources = for_storage(storage, feeds={})
    done = dg.materialize([published_tables], partition_key=hours.HOUR.key, resources=resources)
    assert done.success
    assert "published/dim_evse/dim_evse.parquet" in lake.objects
