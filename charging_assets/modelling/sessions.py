"""The plan of charging sessions: which sessions an hour can change.

Belongs here: the window around an hour in which sessions are told anew. Does not belong here: what
a session is (`sql/facts/fact_charging_session.sql`).
"""

from __future__ import annotations

from datetime import timedelta

from charging_assets.modelling import plans
from charging_assets.modelling.versions import code_version
from charging_assets.partitions import Hour, Span, naive
from charging_assets.schemas import facts
from charging_assets.storage.plan import Bind, Plan, Replace, Scope, Temp
from charging_assets.storage.sql_files import sql

TABLE = facts.FACT_CHARGING_SESSION
_STATEMENTS = (
    "facts/touched_session",
    "facts/touched_session_evse",
    "facts/touched_session_start",
    "facts/fact_charging_session",
)
MADE_FROM = ("fact_status", "fact_poll", "dim_connector")
# Runs are linked over at most 2.5 cadences, twice with a single unknown poll between; a cadence is
# at most an hour.
NEAR = timedelta(hours=6)
# A session is cut after a week, at the end of a run, which is at most an hour long.
LONGEST = timedelta(days=7, hours=2)
# Idle time begins within two links of a session, five hours, and is counted for a day, to the end
# of a run, which is at most an hour long.
IDLE = timedelta(hours=30)


def session_version() -> str:
    """The code version of sessions; it changes with that of what they are made from."""
    upstream = [plans.fact_version(table) for table in plans.FACTS]
    upstream.append(plans.dimension_version(plans.CONNECTOR))
    return code_version(_STATEMENTS, [TABLE], upstream)


def session_plan(hour: Hour | Span) -> Plan:
    """Tell anew the sessions that the hour, or span of hours, can have changed.

    These are sessions of EVSEs with a session that reaches the hour or with CHARGING near it, from
    the earliest of such sessions on. What is read goes back at most as far as a session is long.
    """
    near = {
        "near_start": naive(hour.start - NEAR),
        "near_end": naive(hour.end + NEAR),
        "idle_start": naive(hour.start - NEAR - IDLE),
        "oldest_start": naive(hour.start - NEAR - LONGEST - IDLE),
    }
    asked = {"starts_to": near["near_end"]}
    scope = Scope(
        "evse_key IN (SELECT entity_key FROM touched_evse) "
        "AND slot_at >= :starts_from AND slot_at < :starts_to",
        asked,
    )
    return Plan(
        asset=TABLE.name,
        hour=hour,
        code_version=session_version(),
        input_from=facts.FACT_STATUS.name,
        steps=(
            Temp("touched_session", sql("facts/touched_session"), near),
            Temp("touched_evse", sql("facts/touched_session_evse"), near),
            Bind(("starts_from",), sql("facts/touched_session_start"), near),
            Replace(TABLE, scope, sql("facts/fact_charging_session"), asked),
        ),
    )
