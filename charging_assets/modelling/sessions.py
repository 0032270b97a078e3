"""The plan of charging sessions: which sessions an hour can change.

What a session is, is defined in `sql/facts/fact_charging_session.sql`.
"""

from __future__ import annotations

from datetime import timedelta

from charging_assets.hours import Hour, Span, to_naive_utc
from charging_assets.modelling import plans
from charging_assets.modelling.versions import code_version
from charging_assets.schemas import facts
from charging_assets.warehouse.plan import (
    BindParams,
    CreateTempTable,
    Plan,
    ReplaceFromSelect,
    Scope,
)
from charging_assets.warehouse.sql_files import sql

TABLE = facts.FACT_CHARGING_SESSION
_STATEMENTS = (
    "facts/affected_session",
    "facts/affected_session_evse",
    "facts/affected_session_start",
    "facts/fact_charging_session",
)
UPSTREAM = ("fact_status", "fact_poll", "dim_connector")
# Two runs are linked over a gap of at most 2.5 cadences, and over two such gaps with one unknown
# poll between them; a cadence is at most an hour.
NEAR = timedelta(hours=6)
# A session ends after a week, at the end of a run, which is at most an hour long.
LONGEST = timedelta(days=7, hours=2)
# Idle time starts within two gaps (five hours) of a session and is counted for a day, to the end of
# a run, which is at most an hour long.
IDLE = timedelta(hours=30)
# How far behind the start of a session its runs, its end and its idle time can be.
REACH = LONGEST + NEAR + IDLE


def session_version() -> str:
    """The code version of sessions; it changes with the versions of their upstream assets."""
    upstream = [plans.fact_version(table) for table in plans.FACTS]
    upstream.append(plans.dimension_version(plans.CONNECTOR))
    upstream += [f"{limit}" for limit in (NEAR, LONGEST, IDLE)]
    return code_version(_STATEMENTS, [TABLE], upstream)


def session_plan(hour: Hour | Span) -> Plan:
    """Replace the sessions that the hour, or span of hours, may have changed.

    These are the sessions of EVSEs that have a session overlapping the hour or CHARGING near it,
    from the earliest such session on. Reads go back at most the maximum length of a session.
    """
    near = {
        "near_start": to_naive_utc(hour.start - NEAR),
        "near_end": to_naive_utc(hour.end + NEAR),
        "idle_start": to_naive_utc(hour.start - NEAR - IDLE),
        "oldest_start": to_naive_utc(hour.start - NEAR - LONGEST - IDLE),
    }
    starts_to = {"starts_to": near["near_end"]}
    params = {**starts_to, "runs_to": near["near_end"] + REACH}
    scope = Scope(
        "evse_key IN (SELECT entity_key FROM affected_evse) "
        "AND slot_at >= :starts_from AND slot_at < :starts_to",
        starts_to,
    )
    return Plan(
        asset=TABLE.name,
        hour=hour,
        code_version=session_version(),
        input_from=facts.FACT_STATUS.name,
        steps=(
            CreateTempTable("affected_session", sql("facts/affected_session"), near),
            CreateTempTable("affected_evse", sql("facts/affected_session_evse"), near),
            BindParams(
                ("starts_from", "runs_from"),
                sql("facts/affected_session_start"),
                {"near_start": near["near_start"], "near_s": int(NEAR.total_seconds())},
            ),
            ReplaceFromSelect(TABLE, scope, sql("facts/fact_charging_session"), params),
        ),
    )
