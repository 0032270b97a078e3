"""The report asset: one self-contained file for a day or a month."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from charging_assets.lake.store import LocalLake
from charging_assets.publication.publish import publish
from charging_assets.reports.report import ReportConfig, utilisation_report
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours

# 21:00 to 22:00 in Berlin: one EVSE is free for half an hour, and charges for half an hour.
POLLS = {
    minute: hours.stand("AVAILABLE" if minute < 30 else "CHARGING") for minute in range(0, 60, 10)
}


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    folder = tmp_path_factory.mktemp("home")
    lake, warehouse = LocalLake(folder / "lake"), DuckDBWarehouse(folder / "charging.duckdb")
    polled = hours.lake_of(POLLS)
    hours.load(warehouse, polled)
    publish(lake, warehouse, hours.HOUR)
    return {"lake": lake, "warehouse": warehouse}


def build(resources: Mapping[str, object], **config: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [utilisation_report],
        partition_key="2022-01-11",
        resources=dict(resources),
        run_config=dg.RunConfig(ops={"utilisation_report": ReportConfig(**config)}),
        selection=[utilisation_report],
        raise_on_error=False,
    )


def page_of(result: dg.ExecuteInProcessResult) -> Path:
    (event,) = result.asset_materializations_for_node("utilisation_report")
    return Path(str(event.metadata["page"].value))


def test_report__of_a_day_is_one_file_with_its_figures(resources: Mapping[str, object]) -> None:
    page = page_of(build(resources))
    html = page.read_text(encoding="utf-8")
    assert "11 Jan 2022" in html
    assert re.search(r'id="figure-city-sessions" data-raw="1"', html)
    # A page that needs nothing else: no scripts, no linked styles, no pictures from anywhere.
    assert not re.search(r"<script|<link|src=|url\((?!#)|@import", html)
    pictures = sorted(path.name for path in page.parent.glob("*.png"))
    assert "city-heat.png" in pictures
    assert all((page.parent / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_report__of_a_month_in_german(resources: Mapping[str, object]) -> None:
    page = page_of(build(resources, length="month", language="de"))
    assert page.parent.name == "2022-01-de"
    html = page.read_text(encoding="utf-8")
    assert 'lang="de"' in html
    # Days that are still to come are no gaps: the month ends with its newest data.
    assert "01.01.2022\u00a0– 11.01.2022" in html
    assert "31.01.2022" not in html


def test_report__is_previewed_and_linked(resources: Mapping[str, object]) -> None:
    (event,) = build(resources).asset_materializations_for_node("utilisation_report")
    assert "data:image/svg+xml;base64," in str(event.metadata["preview"].value)
    assert len(str(event.metadata["preview"].value)) < 100_000  # it stays in the event log
    assert str(event.metadata["link"].value).startswith("file://")


def test_report__of_a_day_without_data_fails_with_the_reason(
    resources: Mapping[str, object],
) -> None:
    result = dg.materialize(
        [utilisation_report], partition_key="2023-05-01", resources=dict(resources),
        raise_on_error=False,
    )  # fmt: skip
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "nothing of test is loaded" in str(failure.step_failure_data.error)
