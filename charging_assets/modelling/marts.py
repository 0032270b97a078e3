"""Plans of `dim_time` and the marts: their SQL, and the hours, days and months an hour affects.

An hour's mart rows depend on that hour only. Sums over days also depend on sessions: a neighbouring
hour can move the start or end of a session, and an hour that is loaded late can move the start of
sessions that end up to a week later. So the days from just before the hour until eight days after
it are summed again; days without loaded hours cost nothing. A month's window ends with the feed's
newest poll, so the month of the poll before the hour is summed again, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

from charging_assets.hours import Hour, Span, to_naive_utc
from charging_assets.modelling import plans
from charging_assets.modelling.sessions import NEAR, session_version
from charging_assets.modelling.versions import code_version
from charging_assets.schemas import dimensions, facts, marts
from charging_assets.schemas.table import Table
from charging_assets.warehouse.plan import (
    BindParams,
    Plan,
    ReplaceFromSelect,
    Scope,
    Step,
    hour_scope,
    window,
)
from charging_assets.warehouse.sql_files import sql

_LONGEST_DAY = timedelta(hours=25)
_LONGEST_MONTH = timedelta(days=31, hours=1)
_LATER = timedelta(days=8)

# The inputs of each table; the ledger row of the first one identifies the polls.
_UPSTREAM: dict[str, tuple[str, ...]] = {
    dimensions.DIM_TIME.name: ("fact_poll",),
    # It reads the connectors of entity_observation and connector_attributes, which the plan of
    # dim_connector fills; it does not read dim_connector itself.
    "mart_evse_hour": ("fact_status", "fact_poll", "dim_evse", "dim_connector"),
    "mart_station_hour": ("mart_evse_hour", "fact_status", "fact_poll"),
    "mart_station_day": (
        "mart_station_hour", "mart_evse_hour", "fact_charging_session", "fact_poll", "dim_station",
    ),
    "mart_city_day": ("mart_evse_hour", "fact_charging_session", "fact_poll", "mart_station_day"),
    "mart_operator_month": ("mart_station_day", "fact_poll"),
}  # fmt: skip
TABLES: tuple[Table, ...] = (dimensions.DIM_TIME, *marts.MART_TABLES)
_MONTH_TO_SUM = "marts/month_to_sum"
_BY_NAME = {table.name: table for table in TABLES}


def upstream_tables(table: Table) -> tuple[str, ...]:
    """The upstream assets of a mart or of `dim_time`."""
    return _UPSTREAM[table.name]


def mart_version(table: Table) -> str:
    """The code version of a mart; it changes with the versions of its upstream assets."""
    return code_version(_statements(table), [table], map(_version, upstream_tables(table)))


@cache
def _version(name: str) -> str:
    if name in _BY_NAME:
        return mart_version(_BY_NAME[name])
    if name == facts.FACT_CHARGING_SESSION.name:
        return session_version()
    for entity in plans.ENTITIES:
        if entity.dimension.name == name:
            return plans.dimension_version(entity)
    return plans.fact_version(next(fact for fact in plans.FACTS if fact.name == name))


def mart_plan(table: Table, hour: Hour | Span) -> Plan:
    """Replace the rows of a mart, or of `dim_time`, that the hour affects."""
    scope, params = _scope(table, hour)
    bind: tuple[Step, ...] = ()
    if table is marts.MART_OPERATOR_MONTH:
        # The first month is bound: that of the poll before the hour may be long ago.
        first_month = {"months_from": params.pop("months_from"), **window(hour)}
        bind = (BindParams(("months_from",), sql(_MONTH_TO_SUM), first_month),)
    return Plan(
        asset=table.name,
        hour=hour,
        code_version=mart_version(table),
        input_from=upstream_tables(table)[0],
        steps=(*bind, ReplaceFromSelect(table, scope, sql(_statement(table)), params)),
    )


def _statements(table: Table) -> list[str]:
    statements = [_statement(table)]
    return [*statements, _MONTH_TO_SUM] if table is marts.MART_OPERATOR_MONTH else statements


def _statement(table: Table) -> str:
    return f"{'dimensions' if table is dimensions.DIM_TIME else 'marts'}/{table.name}"


def _scope(table: Table, hour: Hour | Span) -> tuple[Scope, dict[str, datetime]]:
    """The scope and its parameters, which the SELECT uses as well."""
    if table.hour_column is not None:
        return hour_scope(table, hour), window(hour)
    days_from, days_to = hour.start - NEAR - _LONGEST_DAY, hour.end + _LATER
    if table is not marts.MART_OPERATOR_MONTH:
        return _period_scope("days", days_from, days_to)
    return _period_scope("months", days_from - _LONGEST_MONTH, days_to)


def _period_scope(unit: str, start: datetime, end: datetime) -> tuple[Scope, dict[str, datetime]]:
    params = {f"{unit}_from": to_naive_utc(start), f"{unit}_to": to_naive_utc(end)}
    return Scope(f"slot_at >= :{unit}_from AND slot_at < :{unit}_to", params), params
