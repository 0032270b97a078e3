"""docs/checks.md: every check, what it says and what to do.

Belongs here: rendering for people. `python -m charging_assets.checks.page` writes the page; a test
fails when it is behind the rules.
"""

from __future__ import annotations

from pathlib import Path

from charging_assets.checks.registry import FRESHNESS, RULES
from charging_assets.checks.rules import Rule, Severity
from charging_assets.warehouse.sql_files import sql_folder

TARGET = Path("docs/checks.md")

_HEAD = """# Checks

Rendered from the rules (`charging_assets/checks/`) by `python -m charging_assets.checks.page`; not
edited by hand.

Each check looks at one hour of one asset and runs after it, in every run that loads hours: of one
hour or of a range, which records each hour's results under that hour. A check that fails shows how
many rows break its rule, a sample of them and what to do. An **error** is a promise of this program
that does not hold; a **warning** is something that a source does, or did not do: the data are kept
as they came. What would spread (a balance that does not hold, doubled keys)
is refused before commit as well, so that the old rows stay. A check that cannot be evaluated fails
its step, which names the check and the hour; all other results are recorded.

The job `check_hours` (`first`, `last`) checks hours that are loaded already: after `rebuild` or
`load_without_checks`, or to check an hour again (this release of Dagster's UI cannot execute checks
of partitioned assets alone). Checks that read staging are left out once staging has lost the hour.

Rules marked *of now* ask whether feeds are still polled and loaded, whichever hour a run is about.
The job `check_freshness` evaluates them, with a schedule of its own.
"""

_TAIL = """## On the real answers of 2022

Two polls of 38 places on 2022-01-11 (1,162 stations, 2,428 EVSEs, 2,811 connectors), each in an
hour of its own. A test holds the checks to these figures, which are of each of the two.

| what there is | found | by |
|---|---|---|
{figures}

Of the 403 connectors of 3 kW, 375 are domestic sockets of 13 A and 230 V, which do give 3 kW, and 8
have 16 A and 230 V, 3.68 kW cut to whole kW. The other 20 contradict their current and voltage (8
or 16 A at 400 V on three phases); they are among the 43 that the rule on power finds.
"""

# Held by a test to what the checks find.
FIGURES: tuple[tuple[str, int, str, str], ...] = (
    ("ids that stand twice", 0, "", "flat_rejects__no_id_twice"),
    ("EVSEs that are `UNKNOWN`", 63, "2.6 %, let pass", "flat_status__status_is_known"),
    ("operators that know less than nine tenths of their EVSEs' status", 6, "",
     "flat_status__operators_report_status"),
    ("texts with stray white space", 251, "2 of them postal codes",
     "raw_api_snapshots__no_untrimmed_text"),
    ("connectors of 3 kW", 403, "see below", "flat_connectors__power_is_above_3_kw"),
    ("connectors with 0 A or 0 V", 2, "", "flat_connectors__current_and_voltage_are_published"),
    ("connectors whose power contradicts current and voltage", 43, "",
     "flat_connectors__power_agrees_with_current_and_voltage"),
    ("stations that are not open at all hours and do not say when they are", 5, "",
     "flat_stations__hours_are_known"),
    ("EVSEs `CHARGING` while the parking sensor sees no car", 5, "", "flat_status__sensor_agrees"),
    ("EVSE-IDs with a `*` behind the `E`, where an outlet begins", 56, "",
     "flat_evses__evse_id_form"),
    ("slots of the hour without a poll", 5, "the archive has one of six",
     "raw_api_snapshots__every_slot_was_polled"),
)  # fmt: skip


def page() -> str:
    """The whole page, as Markdown, by asset."""
    assets = dict.fromkeys(rule.asset for rule in RULES)
    parts = [_HEAD]
    for asset in assets:
        rows = [_row(rule) for rule in RULES if rule.asset == asset]
        head = "| check | says | if not | what to do |\n|---|---|---|---|"
        parts.append("\n".join([f"## {asset}", "", head, *rows, ""]))
    return "\n".join([*parts, _TAIL.format(figures="\n".join(map(_figure, FIGURES)))])


def _figure(figure: tuple[str, int, str, str]) -> str:
    what, count, note, name = figure
    return f"| {what} | {count}{f', {note}' if note else ''} | `{name}` |"


def _row(rule: Rule) -> str:
    weight = "error" if rule.severity is Severity.ERROR else "warning"
    when = ", of now" if rule in FRESHNESS else ""
    is_file = (sql_folder() / "checks" / f"{rule.name}.sql").is_file()
    name = f"[`{rule.name}`](../sql/checks/{rule.name}.sql)" if is_file else f"`{rule.name}`"
    return f"| {name} | {rule.description} | {weight}{when} | {rule.remedy} |"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
