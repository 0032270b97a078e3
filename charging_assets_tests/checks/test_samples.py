"""Results of the checks on real responses, if the shared samples are present."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from charging_assets import deployments
from charging_assets.acquisition.importer import import_paths
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.checks.evaluate import HourContext
from charging_assets.checks.page import FIGURES
from charging_assets.checks.registry import HOURLY
from charging_assets.checks.rules import Finding, Severity
from charging_assets.hours import Hour
from charging_assets.publication.publish import publish
from charging_assets.sources.feeds import load_feeds
from charging_assets_tests.checks.rule_evaluation import evaluate_rules
from charging_assets_tests.checks.stores import BY_NAME, NOW
from charging_assets_tests.modelling import hours

pytestmark = pytest.mark.samples

HOURS = [Hour.parse("2022-01-11T20"), Hour.parse("2022-01-11T21")]


@pytest.fixture(scope="module")
def storage(samples: Path) -> deployments.Storage:
    memory = deployments.memory_storage()
    import_paths(memory.lake, load_feeds()["chargecloud"], [samples / "chargecloud_2022"])
    for hour in hours_archived(memory.lake):
        hours.load(memory.warehouse, memory.lake, hour)
        publish(memory.lake, memory.warehouse, hour)
    return memory


@pytest.fixture(scope="module")
def findings(storage: deployments.Storage) -> dict[Hour, dict[str, Finding]]:
    return {
        hour: {
            finding.rule.name: finding
            for finding in evaluate_rules(HOURLY, hour, storage.lake, storage.warehouse)
        }
        for hour in HOURS
    }


@pytest.mark.parametrize("hour", HOURS, ids=str)
@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure[3])
def test_figures__match_the_page(
    findings: dict[Hour, dict[str, Finding]], figure: tuple[str, int, str, str], hour: Hour
) -> None:
    assert findings[hour][figure[3]].count == figure[1]


@pytest.mark.parametrize("hour", HOURS, ids=str)
def test_rules__not_on_the_page_have_no_failing_rows(
    findings: dict[Hour, dict[str, Finding]], hour: Hour
) -> None:
    named = {figure[3] for figure in FIGURES}
    others = {name: finding.count for name, finding in findings[hour].items() if name not in named}
    assert {name: count for name, count in others.items() if count} == {}
    assert not [
        finding.rule.name
        for finding in findings[hour].values()
        if finding.rule.severity is Severity.ERROR and not finding.passed
    ]


def test_untrimmed_texts__are_those_that_the_page_states(storage: deployments.Storage) -> None:
    rows = BY_NAME["flat_polls__no_untrimmed_text"].find(_context(storage)).to_pylist()
    assert sum(row["text_count"] for row in rows) == 251


def test_connectors_of_3_kw__are_usually_correct(storage: deployments.Storage) -> None:
    context = _context(storage)
    weak = BY_NAME["flat_connectors__power_is_above_3_kw"].find(context).to_pylist()
    kinds = Counter((row["ampere"], row["voltage"]) for row in weak)
    assert kinds == {(13.0, 230.0): 375, (8.0, 400.0): 19, (16.0, 230.0): 8, (16.0, 400.0): 1}
    rule = BY_NAME["flat_connectors__power_agrees_with_current_and_voltage"]
    wrong = {row["connector_id"] for row in rule.find(context).to_pylist()}
    assert len(wrong & {row["connector_id"] for row in weak}) == 20


def _context(storage: deployments.Storage) -> HourContext:
    return HourContext(HOURS[0], storage.lake, storage.warehouse, NOW)
