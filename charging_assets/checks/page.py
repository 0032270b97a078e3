"""Render docs/checks.md, the list of all checks: `python -m charging_assets.checks.page`.

A test fails if the page is out of date.
"""

from __future__ import annotations

from pathlib import Path

from charging_assets.checks.registry import FRESHNESS, RULES
from charging_assets.checks.rules import Rule, Severity
from charging_assets.warehouse.sql_files import sql_folder

TARGET = Path("docs/checks.md")

_HEAD = """# Checks

Generated from the rules in `charging_assets/checks/` by `python -m charging_assets.checks.page`; do
not edit.

A check tests one hour of one asset. It runs after the asset in every run that loads hours; a run of
several hours records the results of each hour under that hour. A failed check shows the number of
failing rows, a sample of them and a remedy. An **error** means that the pipeline breaks a
guarantee; a **warning** means that the source or its polling needs a look: the data is stored as
published. Row balances and unique keys are also enforced before a load commits: if they are
violated, the load fails and the earlier rows stay. A check that cannot be evaluated fails its step,
whose error names the check and the hour; all other results are recorded.

The job `check_hours` (`first`, `last`) checks hours that are already loaded. Use it after `rebuild`
or `load_without_checks`, or to check an hour again: this release of Dagster's UI cannot execute
checks of partitioned assets without the assets. Checks that read staging are skipped for hours that
were pruned from staging.

**Freshness** checks test whether feeds are still polled and loaded; they do not depend on the hour
of a run. The job `check_freshness` evaluates them on its own schedule.
"""

_TAIL = """## Results on real responses of 2022

The sample has two polls of 38 places on 2022-01-11, in two hours, each with 1,162 stations, 2,428
EVSEs and 2,811 connectors. Both hours give the figures below; a test compares them with the checks.

| failing rows | number | check |
|---|---|---|
{figures}

Of the 403 connectors with 3 kW, 375 are domestic sockets with 13 A and 230 V, which is 3 kW, and 8
have 16 A and 230 V, which is 3.68 kW, truncated. The other 20 contradict their current and voltage
(8 or 16 A at 400 V on three phases); they are among the 43 with contradicting power.
"""

# A test compares these figures with the results of the checks on the shared samples.
FIGURES: tuple[tuple[str, int, str, str], ...] = (
    ("duplicate ids", 0, "", "flat_rejects__no_id_twice"),
    ("EVSEs that are `UNKNOWN`", 63, "2.6 %, below the limit of 5 %",
     "flat_status__status_is_known"),
    ("operators with a known status for less than 90 % of their EVSEs", 6, "",
     "flat_status__operators_report_status"),
    ("places that publish texts with surplus white space", 34, "251 texts",
     "flat_polls__no_untrimmed_text"),
    ("connectors with at most 3 kW", 403, "see below", "flat_connectors__power_is_above_3_kw"),
    ("connectors with 0 A or 0 V", 2, "", "flat_connectors__current_and_voltage_are_published"),
    ("connectors whose power contradicts current and voltage", 43, "",
     "flat_connectors__power_agrees_with_current_and_voltage"),
    ("stations that are not always open and publish no opening hours", 5, "",
     "flat_stations__hours_are_known"),
    ("EVSEs `CHARGING` while the parking sensor sees no car", 5, "", "flat_status__sensor_agrees"),
    ("EVSE-IDs with a `*` after the `E`, where the outlet begins", 56, "",
     "flat_evses__evse_id_form"),
    ("slots of the hour without a poll", 5, "the sample has one of six",
     "raw_api_snapshots__every_slot_was_polled"),
)  # fmt: skip


def page() -> str:
    """The page as Markdown, with a section per asset."""
    assets = dict.fromkeys(rule.asset for rule in RULES)
    parts = [_HEAD]
    for asset in assets:
        rows = [_row(rule) for rule in RULES if rule.asset == asset]
        head = "| check | rule | severity | remedy |\n|---|---|---|---|"
        parts.append("\n".join([f"## {asset}", "", head, *rows, ""]))
    return "\n".join([*parts, _TAIL.format(figures="\n".join(map(_figure, FIGURES)))])


def _figure(figure: tuple[str, int, str, str]) -> str:
    label, count, note, name = figure
    return f"| {label} | {count}{f', {note}' if note else ''} | `{name}` |"


def _row(rule: Rule) -> str:
    severity = "error" if rule.severity is Severity.ERROR else "warning"
    freshness = ", freshness" if rule in FRESHNESS else ""
    is_file = (sql_folder() / "checks" / f"{rule.name}.sql").is_file()
    name = f"[`{rule.name}`](../sql/checks/{rule.name}.sql)" if is_file else f"`{rule.name}`"
    return f"| {name} | {rule.description} | {severity}{freshness} | {rule.remedy} |"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
