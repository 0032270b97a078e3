"""Plans of dimensions and facts: their SQL and the scope of rows they replace."""

from __future__ import annotations

from dataclasses import dataclass

from charging_assets.hours import Hour, Span
from charging_assets.modelling.staging import ASSET as STAGED
from charging_assets.modelling.versions import code_version
from charging_assets.schemas import bridges, dimensions, facts
from charging_assets.schemas.table import Table
from charging_assets.warehouse.plan import (
    BindParams,
    CreateTempTable,
    Guard,
    Plan,
    ReplaceFromSelect,
    Scope,
    hour_scope,
    key_scope,
    window,
)
from charging_assets.warehouse.sql_files import sql

_HISTORY = (
    "entity_observation",
    "entity_poll",
    "newest_hour",
    "affected_entity",
    "every_entity",
    "previous_version",
    "entity_reach",
    "entity_boundary",
    "entity_gap",
    "gap_reach",
    "entity_closing",
    "entity_version",
)
# For `bridge_evse_alias`, which pairs two EVSEs.
_ALIAS_TEMPS = ("new_alias", "affected_alias")


@dataclass(frozen=True)
class Entity:
    """An entity with history: its dimension, its attribute states and its bridges."""

    name: str
    dimension: Table
    attributes: Table
    bridges: tuple[Table, ...] = ()

    @property
    def key_column(self) -> str:
        return self.dimension.key[0]

    @property
    def statements(self) -> list[str]:
        names = [*_HISTORY, self.attributes.name, self.dimension.name]
        names += [bridge.name for bridge in self.bridges]
        names += _ALIAS_TEMPS if bridges.BRIDGE_EVSE_ALIAS in self.bridges else ()
        return [f"dimensions/{name}" for name in names]


STATION = Entity(
    "station",
    dimensions.DIM_STATION,
    dimensions.STATION_ATTRIBUTES,
    bridges=(bridges.BRIDGE_STATION_OPENING,),
)
EVSE = Entity(
    "evse",
    dimensions.DIM_EVSE,
    dimensions.EVSE_ATTRIBUTES,
    bridges=(bridges.BRIDGE_EVSE_CAPABILITY, bridges.BRIDGE_EVSE_ALIAS),
)
CONNECTOR = Entity("connector", dimensions.DIM_CONNECTOR, dimensions.CONNECTOR_ATTRIBUTES)
ENTITIES = (STATION, EVSE, CONNECTOR)
FACTS = (facts.FACT_POLL, facts.FACT_STATUS)


def dimension_version(entity: Entity) -> str:
    """The code version of a dimension."""
    tables = [
        dimensions.ENTITY_OBSERVATION,
        dimensions.ENTITY_POLL,
        dimensions.ENTITY_VERSION,
        entity.dimension,
        entity.attributes,
        *entity.bridges,
    ]
    return code_version(entity.statements, tables)


def dimension_plan(entity: Entity, hour: Hour | Span) -> Plan:
    """Replace the hour's observations and polls, then the versions of the affected entities.

    Affected entities are selected before the old rows are deleted, and all steps are one
    transaction. For an affected entity only the observations next to the hour are read. A span of
    hours is assumed to affect every entity: looking for the others would cost more.
    """
    affected_file = "affected_entity" if isinstance(hour, Hour) else "every_entity"
    params = {
        "entity_type": entity.name,
        "asset": entity.dimension.name,
        "code_version": dimension_version(entity),
        **window(hour),
    }
    hour_rows = {
        table: hour_scope(table, hour, entity_type=entity.name)
        for table in (dimensions.ENTITY_OBSERVATION, dimensions.ENTITY_POLL)
    }
    version_scope = key_scope("entity_key", "affected_entity", entity_type=entity.name)
    affected_scope = key_scope(entity.key_column, "affected_entity")

    def temp(name: str, file: str | None = None) -> CreateTempTable:
        return CreateTempTable(name, sql(f"dimensions/{file or name}"), params)

    return Plan(
        asset=entity.dimension.name,
        hour=hour,
        code_version=dimension_version(entity),
        input_from=STAGED,
        steps=(
            temp("new_observation", "entity_observation"),
            temp("new_poll", "entity_poll"),
            BindParams(("newest_at",), sql("dimensions/newest_hour"), params),
            temp("affected_entity", affected_file),
            temp("previous_version"),
            *(
                ReplaceFromSelect(
                    table, scope, f"SELECT * FROM new_{table.name.removeprefix('entity_')}"
                )
                for table, scope in hour_rows.items()
            ),
            BindParams(("reach_from", "reach_to"), sql("dimensions/entity_reach"), params),
            temp("entity_boundary"),
            temp("entity_gap"),
            BindParams(("gaps_from", "gaps_to"), sql("dimensions/gap_reach"), params),
            temp("entity_closing"),
            ReplaceFromSelect(
                dimensions.ENTITY_VERSION, version_scope, sql("dimensions/entity_version"), params
            ),
            # The attributes' SELECT reads the rows that its replacement deletes first.
            temp("new_attributes", entity.attributes.name),
            ReplaceFromSelect(entity.attributes, affected_scope, "SELECT * FROM new_attributes"),
            ReplaceFromSelect(
                entity.dimension, affected_scope, sql(f"dimensions/{entity.dimension.name}")
            ),
            *(temp(name) for name in _ALIAS_TEMPS if bridges.BRIDGE_EVSE_ALIAS in entity.bridges),
            *(
                ReplaceFromSelect(bridge, _bridge_scope(bridge), sql(f"dimensions/{bridge.name}"))
                for bridge in entity.bridges
            ),
        ),
    )


def _bridge_scope(bridge: Table) -> Scope:
    """The rows of affected entities; for aliases also of EVSEs with an affected former EVSE."""
    affected = "affected_alias" if bridge is bridges.BRIDGE_EVSE_ALIAS else "affected_entity"
    return key_scope(bridge.key[0], affected)


def fact_version(table: Table) -> str:
    """The code version of a fact."""
    return code_version([f"facts/{table.name}", *_guards(table)], [table])


def fact_plan(table: Table, hour: Hour | Span) -> Plan:
    """Replace the hour of a fact, and check the balance of rows before the commit."""
    params = window(hour)
    guards = [
        Guard(
            name=f"{table.name}__covers_every_polled_row",
            select=sql(name),
            params=params,
            remedy=f"Materialize staged_tables and {table.name} for {hour} again.",
        )
        for name in _guards(table)
    ]
    return Plan(
        asset=table.name,
        hour=hour,
        code_version=fact_version(table),
        input_from=STAGED,
        steps=(
            ReplaceFromSelect(table, hour_scope(table, hour), sql(f"facts/{table.name}"), params),
            *guards,
        ),
    )


def _guards(table: Table) -> list[str]:
    return ["checks/fact_status_balance"] if table is facts.FACT_STATUS else []
