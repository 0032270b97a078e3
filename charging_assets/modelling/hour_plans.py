"""The plans of all tables that are derived from staged hours, in order."""

from __future__ import annotations

from charging_assets.hours import Hour, Span
from charging_assets.modelling import marts, plans
from charging_assets.modelling.sessions import session_plan
from charging_assets.warehouse.plan import Plan


def derived_plans(hour: Hour | Span) -> list[Plan]:
    """The plans of all dimensions, facts and marts, each after its upstream tables."""
    return [
        *(plans.dimension_plan(entity, hour) for entity in plans.ENTITIES),
        *(plans.fact_plan(table, hour) for table in plans.FACTS),
        session_plan(hour),
        *(marts.mart_plan(table, hour) for table in marts.TABLES),
    ]
