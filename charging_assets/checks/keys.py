"""Rules about keys and references, rendered from the schema.

Belongs here: that keys are unique and never null, and that what a row refers to is there. Keys are
enforced before commit too; these rules show that it is so. Does not belong here: values (`domain`).
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from charging_assets.checks.rules import Find, Row, Rule, Scene, Severity
from charging_assets.modelling import plans
from charging_assets.schemas import dimensions, facts, marts, warehouse
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.table import Reference, Table

_FULL = {table.full_name: table for table in TABLES}
_ENTITY = {entity.dimension.name: entity.name for entity in plans.ENTITIES}
_HOUR = "held.slot_at >= :window_start AND held.slot_at < :window_end"

# What holds in an answer, where the schema only names what a warehouse refers to.
_PARENTS: dict[str, tuple[Reference, ...]] = {
    "flat_evses": (Reference(("feed", "place", "station_key"), "staging.flat_stations",
                             ("feed", "place", "station_key")),),
    "flat_connectors": (Reference(("feed", "place", "evse_key"), "staging.flat_evses",
                                  ("feed", "place", "evse_key")),),
    "flat_status": (Reference(("feed", "place", "evse_key"), "staging.flat_evses",
                              ("feed", "place", "evse_key")),),
}  # fmt: skip


def scope_of(table: Table) -> str:
    """The rows of a table, called `held`, that an hour is answerable for."""
    if table.name in _ENTITY:
        return (
            f"held.{table.key[0]} IN (SELECT sightings.entity_key "
            "FROM warehouse.entity_observation AS sightings "
            f"WHERE sightings.entity_type = '{_ENTITY[table.name]}' "
            "AND sightings.slot_at >= :window_start AND sightings.slot_at < :window_end)"
        )
    if table is facts.FACT_CHARGING_SESSION:
        return (
            "held.slot_at >= :past_start AND held.slot_at < :window_end "
            "AND held.last_slot_at >= :window_start"
        )
    if table is marts.MART_OPERATOR_MONTH:
        return "held.slot_at >= :months_from AND held.slot_at < :months_to"
    if table.hour_column is None:
        return "held.slot_at >= :days_from AND held.slot_at < :days_to"
    return _HOUR


def key_select(table: Table) -> str:
    """Keys that stand more than once, or with a null where there must be none."""
    key = ", ".join(f"held.{name}" for name in table.key)
    required = [column.name for column in table.columns if not column.nullable]
    is_null = " OR ".join(f"held.{name} IS NULL" for name in required)
    nulls = f"SUM(CASE WHEN {is_null} THEN 1 ELSE 0 END)"
    return (
        f"SELECT {key}, COUNT(*) AS row_count, {nulls} AS null_count "
        f"FROM {table.full_name} AS held WHERE {scope_of(table)} "
        f"GROUP BY {key} HAVING COUNT(*) > 1 OR {nulls} > 0 ORDER BY {key}"
    )


def reference_select(table: Table, reference: Reference) -> str:
    """Rows of a table that refer to a row which is not there."""
    told = ", ".join(f"held.{name}" for name in reference.columns)
    known = " AND ".join(f"held.{name} IS NOT NULL" for name in reference.columns)
    return (
        f"SELECT {told}, COUNT(*) AS row_count, MIN(held.{_time(table)}) AS first_at "
        f"FROM {table.full_name} AS held "
        f"LEFT JOIN {reference.table} AS found ON {_join(table, reference)} "
        f"WHERE {scope_of(table)} AND {known} AND found.{reference.to_columns[-1]} IS NULL "
        f"GROUP BY {told} ORDER BY {told}"
    )


def _join(table: Table, reference: Reference) -> str:
    pairs = zip(reference.columns, reference.to_columns, strict=True)
    terms = [
        f"DATE_TRUNC('hour', held.{name}) = found.{to}"
        if reference.table == dimensions.DIM_TIME.full_name and name == "slot_at"
        else f"held.{name} = found.{to}"
        for name, to in pairs
    ]
    if reference.as_of and "valid_from" in _FULL[reference.table].names:
        at = f"held.{_time(table)}"
        if table.hour_column is not None and table.schema == "mart":
            # A mart speaks of an hour; the version may begin or end within it.
            terms.append(f"found.valid_from < DATEADD(HOUR, 1, {at})")
        else:
            terms.append(f"found.valid_from <= {at}")
        terms.append(f"(found.valid_to IS NULL OR found.valid_to > {at})")
    return " AND ".join(terms)


def _time(table: Table) -> str:
    return "slot_at" if "slot_at" in table.names else "valid_from"


def _references(table: Table) -> list[Reference]:
    references = [*table.references, *_PARENTS.get(table.name, ())]
    if table is marts.MART_STATION_DAY:  # a day's station is that of its hours, which are judged
        return []
    return references


def _broken(table: Table, find: Callable[[Scene, str], pa.Table]) -> Find:
    """What is wrong with a table's keys, one row a key."""

    def rows(scene: Scene) -> list[Row]:
        doubled = find(scene, key_select(table)).to_pylist()
        found: list[Row] = [
            {"problem": "null" if row.pop("null_count") else "doubled", **row} for row in doubled
        ]
        for reference in _references(table):
            to = _FULL[reference.table].name
            lost = find(scene, reference_select(table, reference)).to_pylist()
            found += [{"problem": f"not in {to}", **row} for row in lost]
        return found

    return rows


def _in_flat_files(scene: Scene, select: str) -> pa.Table:
    return scene.in_flat_files(select)


def _in_warehouse(scene: Scene, select: str) -> pa.Table:
    return scene.in_warehouse(select)


def _rule(table: Table) -> Rule:
    references = _references(table)
    to = list(dict.fromkeys(_FULL[reference.table].name for reference in references))
    leads = f", and what it refers to is in {', '.join(to)}" if to else ""
    needs = [name for name in to if name not in _INNER]
    order = f"{', then '.join([*needs, table.name])}"
    return Rule(
        asset=table.name,
        rule="unique_not_null_fk",
        description=f"({', '.join(table.key)}) stands once, nothing that must be told is null"
        f"{leads}.",
        remedy=f"materialize {order} for the hour; if it stays, this is a bug",
        find=_broken(table, _in_flat_files if table in FLAT_TABLES else _in_warehouse),
        severity=Severity.ERROR,
        needs=tuple(needs),
        # A record of an hour's files must have its parent in the same hour.
        is_of_spans=table not in FLAT_TABLES,
    )


_CHECKED = [*FLAT_TABLES, *warehouse.WAREHOUSE_TABLES, *marts.MART_TABLES]
_INNER = {"entity_observation", "entity_poll", "entity_version", "station_attributes",
          "evse_attributes", "connector_attributes", "bridge_station_opening",
          "bridge_evse_capability", "bridge_evse_alias"}  # fmt: skip

RULES = tuple(_rule(table) for table in _CHECKED if table.name not in _INNER)
