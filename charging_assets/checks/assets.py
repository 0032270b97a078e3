"""The rules as Dagster asset checks, and how their findings are reported.

All rules of a layer run in one step, over one connection: a step costs more than a rule, and each
event that Dagster stores costs as much as a query.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

from charging_assets import clock
from charging_assets.checks.evaluate import (
    evaluate_over_span,
    evaluate_rule,
    filter_applicable,
    hour_context,
    open_context,
)
from charging_assets.checks.registry import FRESHNESS, hourly_by_step
from charging_assets.checks.rules import CheckContext, Finding, Row, Rule, Severity
from charging_assets.hours import Hour, consecutive_groups, hourly_partitions
from charging_assets.lake.store import Lake
from charging_assets.text import count_noun
from charging_assets.warehouse.interface import Reader, Warehouse

_SEVERITY = {
    Severity.ERROR: dg.AssetCheckSeverity.ERROR,
    Severity.WARN: dg.AssetCheckSeverity.WARN,
}
# JavaScript cannot represent greater integers exactly.
_MAX_SAFE_INTEGER = 2**53
# Metadata of a step that could not evaluate some checks: the reason, by hour.
UNCHECKED_HOURS = "unchecked_hours"
# Hours per reading session: a load that waits for the warehouse waits for a few seconds at most.
_HOURS_PER_GROUP = 12
# Errors listed in a failure: a range of hours can have hundreds.
_MAX_ERRORS_LISTED = 10

# Partitioned checks are a preview feature of the pinned Dagster release; tests cover their use.
warnings.filterwarnings("ignore", message="Specifying a partitions_def on an AssetCheckSpec")


def finding_metadata(finding: Finding) -> dict[str, Any]:
    """The metadata of a check result; remedy and sample only if there are failing rows."""
    metadata: dict[str, Any] = {"failing_rows": finding.count}
    if finding.count:
        metadata["remedy"] = finding.rule.remedy
    if finding.population is not None:
        metadata["rows_checked"] = finding.population
    if finding.sample:
        records = [dg.TableRecord({k: _cell(v) for k, v in row.items()}) for row in finding.sample]
        metadata["sample"] = dg.MetadataValue.table(records)
    return metadata


def describe_finding(finding: Finding) -> str:
    """One line: the number of failing rows, and the values of the first."""
    if not finding.count:
        return "no failing rows"
    first: Row = finding.sample[0]
    row = ", ".join(f"{name}={value}" for name, value in first.items() if value is not None)
    rows = "1 row" if finding.count == 1 else f"{finding.count} rows"
    return f"{rows}, such as {row}"


def _cell(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MAX_SAFE_INTEGER:
        return str(value)
    if isinstance(value, Decimal):  # the type of a sum of integers
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def to_evaluation(finding: Finding, hour: Hour | None) -> dg.AssetCheckEvaluation:
    """A finding as a Dagster event of its hour; without a partition if `hour` is None."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(finding.rule.asset),
        check_name=finding.rule.name,
        passed=finding.passed,
        severity=_SEVERITY[finding.rule.severity],
        description=describe_finding(finding),
        metadata=finding_metadata(finding),
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
    """Yield the results of the rules for each hour, with the hour as partition.

    Groups of consecutive hours share a reading session. It is closed before the results of a group
    are yielded, so that loads can run in between. Rules that read staging are left out for hours
    that were pruned from staging.

    Raises:
        dagster.Failure: at the end, if a rule could not be evaluated for an hour; it names both.
            All other results are yielded first.
    """
    errors: list[str] = []
    unchecked: dict[str, str] = {}
    for hour, results, failures in _evaluate_groups(rules, hours, lake, warehouse):
        for finding in results:
            # Dagster records an AssetCheckResult without a partition in a run of several hours, and
            # also as an output: one more event per check.
            yield to_evaluation(finding, hour)
        errors += [f"{name} of {hour}: {error}" for name, error in failures.items()]
        if failures:
            unchecked[hour.key] = next(iter(failures.values()))
    if errors:
        raise dg.Failure(_summarize_errors(errors), metadata={UNCHECKED_HOURS: unchecked})


def _evaluate_groups(
    rules: Sequence[Rule], hours: Iterable[Hour], lake: Lake, warehouse: Warehouse
) -> Iterator[tuple[Hour, list[Finding], dict[str, str]]]:
    """Each hour with its findings, and the errors of rules that could not be evaluated, by name."""
    for group in consecutive_groups(hours, _HOURS_PER_GROUP):
        yield from _evaluate_group(rules, group, lake, warehouse)


def _evaluate_group(
    rules: Sequence[Rule], group: Sequence[Hour], lake: Lake, warehouse: Warehouse
) -> Iterator[tuple[Hour, list[Finding], dict[str, str]]]:
    evaluated: list[tuple[Hour, list[Finding], dict[str, str]]] = []
    try:
        with warehouse.reading() as reader:
            passed = evaluate_over_span(rules, group, lake, reader)
            for hour in group:
                evaluated.append((hour, *_evaluate_hour(rules, hour, lake, reader, passed)))
    except Exception as error:  # for example, another program has locked the warehouse
        if len(group) == 1:
            yield group[0], [], _error_for_all(rules, error)
            return
        for hour in group:  # the lock may be released in time for some of them
            yield from _evaluate_group(rules, [hour], lake, warehouse)
        return
    yield from evaluated


def _evaluate_hour(
    rules: Sequence[Rule], hour: Hour, lake: Lake, reader: Reader, passed: Mapping[Rule, Finding]
) -> tuple[list[Finding], dict[str, str]]:
    try:
        with hour_context(hour, lake, reader) as context:
            return _evaluate_rules(filter_applicable(rules, context), context, passed)
    except Exception as error:  # the other hours can still be evaluated
        return [], _error_for_all(rules, error)


def _error_for_all(rules: Sequence[Rule], error: Exception) -> dict[str, str]:
    reason = f"{type(error).__name__}: {error}"
    return {rule.name: reason for rule in rules}


def _evaluate_rules(
    rules: Iterable[Rule], context: CheckContext, passed: Mapping[Rule, Finding]
) -> tuple[list[Finding], dict[str, str]]:
    """The findings, and the errors by rule name; rules in `passed` are not evaluated again."""
    results: list[Finding] = []
    errors: dict[str, str] = {}
    for rule in rules:
        try:
            results.append(passed[rule] if rule in passed else evaluate_rule(rule, context))
        except Exception as error:
            errors[rule.name] = f"{type(error).__name__}: {error}"
    return results, errors


def _summarize_errors(errors: Sequence[str]) -> str:
    listed = "; ".join(errors[:_MAX_ERRORS_LISTED])
    more = (
        f"; and {len(errors) - _MAX_ERRORS_LISTED} more" if len(errors) > _MAX_ERRORS_LISTED else ""
    )
    return f"{count_noun(len(errors), 'check')} could not be evaluated: {listed}{more}"


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
        yield from evaluate_hours(_selected_rules(context, rules), hours, lake, warehouse)

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
    """Freshness does not depend on the hours of a run, so the results have no partition."""
    now = clock.utc_now()
    with open_context(Hour.of(now), lake, warehouse, now, feeds) as check_context:
        results, errors = _evaluate_rules(_selected_rules(context, FRESHNESS), check_context, {})
    yield from (to_evaluation(finding, None) for finding in results)
    if errors:
        raise dg.Failure(_summarize_errors([f"{name}: {error}" for name, error in errors.items()]))


def _selected_rules(context: dg.AssetCheckExecutionContext, rules: Sequence[Rule]) -> list[Rule]:
    names = {key.name for key in context.selected_asset_check_keys}
    return [rule for rule in rules if rule.name in names]


CHECKS = [
    *(_hourly_checks(step, rules) for step, rules in hourly_by_step().items()),
    freshness_checks,
]
# Steps that only read: if one fails, what the run loaded stays loaded.
CHECK_STEPS = frozenset(check.node_def.name for check in CHECKS)
