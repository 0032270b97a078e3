"""Rules about values that are impossible, contradictory or unusable.

Most of these values come from the source. The rules report them; the data stays as published.
"""

from __future__ import annotations

from charging_assets.checks.keys import scope_of
from charging_assets.checks.rules import (
    CheckContext,
    Rule,
    Severity,
    from_flat_files,
    from_warehouse,
    from_warehouse_select,
)
from charging_assets.schemas import marts
from charging_assets.schemas.table import Table

_REPORT = "report it to the operator; the data stays as published"
_SET_IDS_WITHIN_PLACE = (
    "if these are different objects, ids of the feed are unique within a place only: set "
    '`ids_within = "place"` for the feed in your feeds file'
)
_OR_WITHIN_PARENT = ' (or `ids_within = "parent"` if EVSE uids are unique within a station only)'
_AND_RELOAD = " and load the hours again; otherwise report it to the operator"


def _evse_count(context: CheckContext) -> int:
    rows = context.query_flat_files("SELECT COUNT(DISTINCT evse_key) AS n FROM staging.flat_status")
    return int(rows.column("n")[0].as_py())


def _seconds_add_up(table: Table) -> Rule:
    statuses = [column.name for column in marts.STATUS_SECONDS[1:]]
    total = " + ".join(f"checked.{name}" for name in statuses)
    shares = [c.name for c in marts.METRICS if c.name in table.names]
    violations = [f"{total} <> checked.observed_s"]
    violations += [f"checked.{name} < 0 OR checked.{name} > 1" for name in shares]
    names = [*table.key, "observed_s", *statuses, *shares]
    return Rule(
        asset=table.name,
        rule="seconds_add_up",
        description="The seconds by status add up to `observed_s`; shares are between 0 and 1.",
        remedy="materialize the hour again; if it persists, report a bug",
        find=from_warehouse_select(
            f"SELECT {', '.join(f'checked.{name}' for name in names)} "
            f"FROM {table.full_name} AS checked "
            f"WHERE {scope_of(table)} AND ({' OR '.join(violations)}) "
            f"ORDER BY {', '.join(f'checked.{name}' for name in table.key)}"
        ),
        severity=Severity.ERROR,
        is_span_safe=True,
    )


RULES = (
    Rule(
        "flat_polls", "no_untrimmed_text",
        "Texts of stations have no leading, trailing or repeated white space as published.",
        "nothing: preprocessing trims texts; the raw response keeps them as published",
        from_flat_files("flat_polls__no_untrimmed_text"),
    ),
    Rule(
        "flat_polls", "no_schema_drift", "Responses contain no unknown fields.",
        "add columns for the fields to the source kind of the feed; no data is lost: unknown "
        "fields of stations, EVSEs and connectors are kept in `extra`, all others in the raw "
        "archive",
        from_flat_files("flat_polls__no_schema_drift"),
    ),
    Rule(
        "flat_polls", "clock_agrees",
        "The clock of the source differs from ours by at most 15 minutes.",
        "nothing: metrics use `slot_at`, from our clock; do not rely on `observed_at` meanwhile",
        from_flat_files("flat_polls__clock_agrees"),
    ),
    Rule(
        "flat_stations", "country_form",
        "The country is a code of two capital letters (ISO 3166-1 alpha-2).",
        f"add an unknown three-letter code to `preprocessing/clean`; otherwise {_REPORT}",
        from_flat_files("flat_stations__country_form"),
    ),
    Rule(
        "flat_stations", "coordinates_are_in_the_country",
        "The coordinates are within the bounding box of the station's country.",
        f"exclude the station from maps; {_REPORT}",
        from_flat_files("flat_stations__coordinates_are_in_the_country"),
    ),
    Rule(
        "flat_stations", "postal_code_form",
        "The postal code has the format of the station's country.",
        _REPORT, from_flat_files("flat_stations__postal_code_form"),
    ),
    Rule(
        "flat_stations", "hours_are_known",
        "A station that is not always open publishes its opening hours.",
        _REPORT, from_flat_files("flat_stations__hours_are_known"),
    ),
    Rule(
        "flat_stations", "one_id_is_one_station",
        "A station id in two places is the same station: nearby, or with the same name or address.",
        _SET_IDS_WITHIN_PLACE + _AND_RELOAD,
        from_flat_files("flat_stations__one_id_is_one_station"),
    ),
    Rule(
        "flat_evses", "one_id_is_one_evse",
        "An EVSE uid in two places is the same EVSE: with the same EVSE-ID or, without one, at the "
        "same station.",
        _SET_IDS_WITHIN_PLACE + _OR_WITHIN_PARENT + _AND_RELOAD,
        from_flat_files("flat_evses__one_id_is_one_evse"),
    ),
    Rule(
        "flat_evses", "evse_id_form",
        "The EVSE-ID is valid: country, operator, E, outlet, as in DE*REK*E00025*001.",
        f"join on `evse_key`, which does not depend on the EVSE-ID; {_REPORT}",
        from_flat_files("flat_evses__evse_id_form"),
    ),
    Rule(
        "flat_connectors", "power_agrees_with_current_and_voltage",
        "The power matches current, voltage and number of phases, within 10 % or 1 kW.",
        "energy bounds stay valid: they use the greater power; `power_class` uses the published "
        f"power; {_REPORT}",
        from_flat_files("flat_connectors__power_agrees_with_current_and_voltage"),
    ),
    Rule(
        "flat_connectors", "current_and_voltage_are_published",
        "Current, voltage and power are published and plausible.",
        "see `ops.flat_rejects` for implausible values; 0 is treated as unknown; report it to the "
        "operator",
        from_flat_files("flat_connectors__current_and_voltage_are_published"),
    ),
    Rule(
        "flat_connectors", "power_is_above_3_kw",
        "The power is above 3 kW; lower values are domestic sockets, or truncated to whole kW.",
        "compare with current and voltage: "
        "`flat_connectors__power_agrees_with_current_and_voltage` lists contradictions; "
        f"{_REPORT}",
        from_flat_files("flat_connectors__power_is_above_3_kw"),
    ),
    Rule(
        "flat_status", "status_is_ocpi", "The status is an OCPI status.",
        "see `ops.flat_rejects` for the published value; add a new status to "
        "`preprocessing/clean` and materialize the hour again",
        from_flat_files("flat_status__status_is_ocpi"),
    ),
    Rule(
        "flat_status", "status_is_known",
        "At most 5 % of the EVSEs are UNKNOWN in all polls of the hour.",
        f"UNKNOWN is never counted as available; {_REPORT}",
        from_flat_files("flat_status__status_is_known"), tolerated=0.05, population=_evse_count,
    ),
    Rule(
        "flat_status", "operators_report_status",
        "Each operator reports a known status for at least 90 % of its EVSEs.", _REPORT,
        from_flat_files("flat_status__operators_report_status"),
        needs=("flat_stations", "flat_evses"),
    ),
    Rule(
        "flat_status", "evse_agrees_with_connectors",
        "An EVSE is CHARGING if and only if one of its connectors is.",
        f"facts use the status of the EVSE and keep those of its connectors; {_REPORT}",
        from_flat_files("flat_status__evse_agrees_with_connectors"), needs=("flat_connectors",),
    ),
    Rule(
        "flat_status", "sensor_agrees",
        "No EVSE is CHARGING or BLOCKED while its parking sensor sees no car.",
        f"facts use the status of the EVSE and keep that of the sensor; {_REPORT}",
        from_flat_files("flat_status__sensor_agrees"),
    ),
    Rule(
        "dim_time", "hour_present",
        "The hour has a row for each polled time zone, and its local time matches its UTC offset.",
        "materialize dim_time for the hour again",
        from_warehouse("dim_time__hour_present"), Severity.ERROR, needs=("fact_poll",),
    ),
    Rule(
        "fact_charging_session", "bounds_are_in_order",
        "The bounds of a session are in order, and sessions of an EVSE do not overlap.",
        "materialize fact_charging_session for the hour again; if it persists, report a bug",
        from_warehouse("fact_charging_session__bounds_are_in_order"), Severity.ERROR,
        is_span_safe=True,
    ),
    *(_seconds_add_up(t) for t in marts.MART_TABLES),
)  # fmt: skip
