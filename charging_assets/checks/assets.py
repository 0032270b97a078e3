"""The asset checks, for each hour.

Belongs here: Dagster's side of the rules: how a finding is shown, and what runs together. Does not
belong here: rules (`registry`), or what must never be loaded (guards in `modelling`, the gate in
`preprocessing`).

All rules of a layer run in one step, over one connection: a step costs more than a rule, and each
event that Dagster stores costs as much as a query.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

from charging_assets import clock
from charging_assets.checks.evaluate import applicable, found, found_nowhere, in_hour, opened
from charging_assets.checks.registry import FRESHNESS, hourly_by_step
from charging_assets.checks.rules import Finding, Row, Rule, Scene, Severity
from charging_assets.hours import Hour, hourly_partitions, neighbours
from charging_assets.lake.store import Lake
from charging_assets.text import count_noun
from charging_assets.warehouse.interface import Reader, Warehouse

_SEVERITY = {
    Severity.ERROR: dg.AssetCheckSeverity.ERROR,
    Severity.WARN: dg.AssetCheckSeverity.WARN,
}
# Greater numbers do not survive JSON in a browser.
_GREATEST = 2**53
# Metadata of a step that could not evaluate some checks: why, by hour.
UNCHECKED_HOURS = "unchecked_hours"
# Hours that are looked at together: a load waits for some seconds at most.
_HOURS_TOGETHER = 12
# A failure names so many checks: a range of hours can have hundreds.
_MOST_ERRORS = 10

# Partitioned checks are a preview in the Dagster release that the lock pins; its tests cover them.
warnings.filterwarnings("ignore", message="Specifying a partitions_def on an AssetCheckSpec")


def shown(finding: Finding) -> dict[str, Any]:
    """A finding as metadata: how many rows, a sample of them, what to do where there are some."""
    told: dict[str, Any] = {"failing_rows": finding.count}
    if finding.count:
        told["remedy"] = finding.rule.remedy
    if finding.population is not None:
        told["rows_checked"] = finding.population
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


def evaluate_hours(
    rules: Sequence[Rule], hours: Iterable[Hour], lake: Lake, warehouse: Warehouse
) -> Iterator[dg.AssetCheckEvaluation]:
    """The rules' results, each recorded under its hour, one hour's after the other's.

    Some neighbouring hours are looked at together; the warehouse is closed before their results are
    yielded, and opened again for the next ones, so that loads can run in between. Rules that read
    staging are left out for hours that staging no longer has.

    Raises:
        dagster.Failure: at the end, if some rule could not be evaluated for some hour; it names
            both. All other results are yielded before.
    """
    errors: list[str] = []
    unchecked: dict[str, str] = {}
    for hour, results, failures in _evaluated(rules, hours, lake, warehouse):
        for finding in results:
            # As an AssetCheckResult it would be recorded under no partition in a run of several
            # hours, and be an output too: an event more for each check.
            yield evaluation(finding, hour)
        errors += [f"{name} of {hour}: {error}" for name, error in failures.items()]
        if failures:
            unchecked[hour.key] = next(iter(failures.values()))
    if errors:
        raise dg.Failure(_cannot_evaluate(errors), metadata={UNCHECKED_HOURS: unchecked})


def _evaluated(
    rules: Sequence[Rule], hours: Iterable[Hour], lake: Lake, warehouse: Warehouse
) -> Iterator[tuple[Hour, list[Finding], dict[str, str]]]:
    """What the rules find in each hour, and why some could not be evaluated."""
    for group in neighbours(hours, _HOURS_TOGETHER):
        yield from _evaluated_group(rules, group, lake, warehouse)


def _evaluated_group(
    rules: Sequence[Rule], group: Sequence[Hour], lake: Lake, warehouse: Warehouse
) -> Iterator[tuple[Hour, list[Finding], dict[str, str]]]:
    evaluated: list[tuple[Hour, list[Finding], dict[str, str]]] = []
    try:
        with warehouse.reading() as reader:
            clear = found_nowhere(rules, group, lake, reader)
            for hour in group:
                evaluated.append((hour, *_evaluated_hour(rules, hour, lake, reader, clear)))
    except Exception as error:  # such as a warehouse that another program has locked
        if len(group) == 1:
            yield group[0], [], _failed(rules, error)
            return
        for hour in group:  # the others need not go without
            yield from _evaluated_group(rules, [hour], lake, warehouse)
        return
    yield from evaluated


def _evaluated_hour(
    rules: Sequence[Rule], hour: Hour, lake: Lake, reader: Reader, clear: Mapping[Rule, Finding]
) -> tuple[list[Finding], dict[str, str]]:
    try:
        with in_hour(hour, lake, reader) as scene:
            return _evaluate(applicable(rules, scene), scene, clear)
    except Exception as error:  # one hour must not cost the others
        return [], _failed(rules, error)


def _failed(rules: Sequence[Rule], error: Exception) -> dict[str, str]:
    reason = f"{type(error).__name__}: {error}"
    return {rule.name: reason for rule in rules}


def _evaluate(
    rules: Iterable[Rule], scene: Scene, clear: Mapping[Rule, Finding]
) -> tuple[list[Finding], dict[str, str]]:
    """What the rules find, of those that are not clear already: one must not cost the others."""
    results: list[Finding] = []
    errors: dict[str, str] = {}
    for rule in rules:
        try:
            results.append(clear[rule] if rule in clear else found(rule, scene))
        except Exception as error:
            errors[rule.name] = f"{type(error).__name__}: {error}"
    return results, errors


def _cannot_evaluate(errors: Sequence[str]) -> str:
    shown_errors = "; ".join(errors[:_MOST_ERRORS])
    more = f"; and {len(errors) - _MOST_ERRORS} more" if len(errors) > _MOST_ERRORS else ""
    return f"{count_noun(len(errors), 'check')} could not be evaluated: {shown_errors}{more}"


def _hourly_checks(name: str, rules: Sequence[Rule]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=name, specs=[_spec(rule, hourly_partitions()) for rule in rules], can_subset=True
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        lake: dg.ResourceParam[Lake],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> Iterator[Any]:
        hours = [Hour.parse(key) for key in context.partition_keys]
        yield from evaluate_hours(_selected(context, rules), hours, lake, warehouse)

    return check


@dg.multi_asset_check(
    name="freshness_checks", specs=[_spec(rule, None) for rule in FRESHNESS], can_subset=True
)
def freshness_checks(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
    feeds: dg.ResourceParam[Any],
) -> Iterator[Any]:
    """Of now, whichever hours a run is about; so their results are recorded under no partition."""
    now = clock.utc_now()
    with opened(Hour.of(now), lake, warehouse, now, feeds) as scene:
        results, errors = _evaluate(_selected(context, FRESHNESS), scene, {})
    yield from (evaluation(finding, None) for finding in results)
    if errors:
        raise dg.Failure(_cannot_evaluate([f"{name}: {error}" for name, error in errors.items()]))


def _selected(context: dg.AssetCheckExecutionContext, rules: Sequence[Rule]) -> list[Rule]:
    names = {key.name for key in context.selected_asset_check_keys}
    return [rule for rule in rules if rule.name in names]


CHECKS = [
    *(_hourly_checks(step, rules) for step, rules in hourly_by_step().items()),
    freshness_checks,
]
# Steps that only look at what is loaded: their failure undoes nothing.
CHECK_STEPS = frozenset(check.node_def.name for check in CHECKS)
