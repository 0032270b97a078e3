"""The asset checks, for each hour.

Belongs here: Dagster's side of the rules: how a finding is shown, and what runs together. Does not
belong here: rules (`registry`), or what must never be loaded (guards in `modelling`, the gate in
`preprocessing`).

All rules of a layer run in one step, over one connection: a step costs more than a rule, and each
event that Dagster stores costs as much as a query.
"""

import warnings
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

from charging_assets.checks.evaluate import found, opened
from charging_assets.checks.registry import FRESHNESS, hourly_by_step
from charging_assets.checks.rules import Finding, Row, Rule, Severity
from charging_assets.partitions import Hour, hourly_partitions
from charging_assets.plurals import counted
from charging_assets.storage.lake import Lake
from charging_assets.storage.warehouse import Warehouse

_SEVERITY = {
    Severity.ERROR: dg.AssetCheckSeverity.ERROR,
    Severity.WARN: dg.AssetCheckSeverity.WARN,
}
# Greater numbers do not survive JSON in a browser.
_GREATEST = 2**53

# Partitioned checks are a preview in the Dagster release that the lock pins; its tests cover them.
warnings.filterwarnings("ignore", message="Specifying a partitions_def on an AssetCheckSpec")


def shown(finding: Finding) -> dict[str, Any]:
    """A finding as metadata: how many rows, a sample of them, what to do."""
    told: dict[str, Any] = {
        "offending_rows": finding.count,
        "what_to_do": finding.rule.remedy,
    }
    if finding.population is not None:
        told["looked_at"] = finding.population
    if finding.sample:
        records = [dg.TableRecord({k: _cell(v) for k, v in row.items()}) for row in finding.sample]
        told["sample"] = dg.MetadataValue.table(records)
    return told


def said(finding: Finding) -> str:
    """A finding in a line, the first offending row named."""
    if not finding.count:
        return "nothing found"
    first: Row = finding.sample[0]
    row = ", ".join(f"{name}={value}" for name, value in first.items() if value is not None)
    rows = "1 row" if finding.count == 1 else f"{finding.count} rows"
    return f"{rows}, such as {row}"


def _cell(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _GREATEST:
        return str(value)
    if isinstance(value, Decimal):  # an engine's sum of whole numbers
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def evaluation(finding: Finding, hour: Hour | None) -> dg.AssetCheckEvaluation:
    """A finding as an event of its hour; of none where it is about now."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(finding.rule.asset),
        check_name=finding.rule.name,
        passed=finding.passed,
        severity=_SEVERITY[finding.rule.severity],
        description=said(finding),
        metadata=shown(finding),
        partition=hour.key if hour else None,
    )


def _spec(rule: Rule, partitions_def: dg.PartitionsDefinition[str] | None) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name=rule.name,
        asset=rule.asset,
        description=rule.description,
        additional_deps=list(rule.needs),
        partitions_def=partitions_def,
    )


def _evaluated(
    rules: Sequence[Rule], hour: Hour, lake: Lake, warehouse: Warehouse
) -> tuple[list[Finding], dict[str, str]]:
    """What the rules find, and why some could not be evaluated: one must not cost the others."""
    results: list[Finding] = []
    broken: dict[str, str] = {}
    with opened(hour, lake, warehouse) as scene:
        for rule in rules:
            try:
                results.append(found(rule, scene))
            except Exception as error:
                broken[rule.name] = f"{type(error).__name__}: {error}"
    return results, broken


def _checks(
    name: str, rules: Sequence[Rule], partitions_def: dg.PartitionsDefinition[str] | None
) -> dg.AssetChecksDefinition:
    by_name = {rule.name: rule for rule in rules}

    @dg.multi_asset_check(
        name=name, specs=[_spec(rule, partitions_def) for rule in rules], can_subset=True
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        lake: dg.ResourceParam[Lake],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> Iterator[Any]:
        selected = {key.name for key in context.selected_asset_check_keys}
        chosen = [rule for name, rule in by_name.items() if name in selected]
        hour = Hour.parse(context.partition_key)
        results, broken = _evaluated(chosen, hour, lake, warehouse)
        for finding in results:
            # As an AssetCheckResult it would be an output too: an event more for each check.
            yield evaluation(finding, hour if partitions_def else None)
        if broken:
            told = "; ".join(f"{name}: {error}" for name, error in broken.items())
            raise dg.Failure(f"{counted(len(broken), 'check')} could not be evaluated: {told}")

    return check


CHECKS = [
    *(_checks(step, rules, hourly_partitions()) for step, rules in hourly_by_step().items()),
    # Of now, whichever hour a run is about.
    _checks("freshness_checks", FRESHNESS, None),
]
