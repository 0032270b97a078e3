"""The metrics page defines the columns of the marts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from charging_assets.schemas import marts

PAGE = (Path(__file__).resolve().parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
DEFINED = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (.+?) \|", PAGE, re.MULTILINE))))
NAMES = ("slot_at", "local_date", "local_month", "power_class", "max_power_kw", "operator_name")


@pytest.mark.parametrize("table", marts.MART_TABLES, ids=lambda table: table.name)
def test_page__defines_every_measure_of_a_mart(table: marts.Table) -> None:
    identifying = {"feed", "place", "evse_key", "station_key", "station_name", *NAMES}
    assert set(table.names) - identifying - DEFINED == set()


def test_page__defines_nothing_that_no_mart_has() -> None:
    mart_columns = {name for table in marts.MART_TABLES for name in table.names}
    assert {name for name in DEFINED if name.endswith(("_s", "_count"))} <= mart_columns
