"""Rules about keys, rendered from the schema: unique, not null, and every foreign key resolves.

A load enforces keys before it commits; these rules verify the stored data.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from charging_assets.checks.rules import CheckContext, Find, Row, Rule, Severity
from charging_assets.modelling import plans
from charging_assets.schemas import dimensions, facts, marts, warehouse
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.table import Reference, Table

_BY_FULL_NAME = {table.full_name: table for table in TABLES}
_ENTITY_TYPE = {entity.dimension.name: entity.name for entity in plans.ENTITIES}
_HOUR = "checked.slot_at >= :window_start AND checked.slot_at < :window_end"

# References between flat files, which the schema declares for warehouse tables only.
_FLAT_REFERENCES: dict[str, tuple[Reference, ...]] = {
    "flat_evses": (Reference(("feed", "place", "station_key"), "staging.flat_stations",
                             ("feed", "place", "station_key")),),
    "flat_connectors": (Reference(("feed", "place", "evse_key"), "staging.flat_evses",
                                  ("feed", "place", "evse_key")),),
    "flat_status": (Reference(("feed", "place", "evse_key"), "staging.flat_evses",
                              ("feed", "place", "evse_key")),),
}  # fmt: skip


def scope_of(table: Table) -> str:
    """The SQL condition for the rows that belong to an hour; the table has the alias `checked`."""
    if table.name in _ENTITY_TYPE:
        return (
            f"checked.{table.key[0]} IN (SELECT observed.entity_key "
            "FROM warehouse.entity_observation AS observed "
            f"WHERE observed.entity_type = '{_ENTITY_TYPE[table.name]}' "
            "AND observed.slot_at >= :window_start AND observed.slot_at < :window_end)"
        )
    if table is facts.FACT_CHARGING_SESSION:
        return (
            "checked.slot_at >= :past_start AND checked.slot_at < :window_end "
            "AND checked.last_slot_at >= :window_start"
        )
    if table is marts.MART_OPERATOR_MONTH:
        return "checked.slot_at >= :months_from AND checked.slot_at < :months_to"
    if table.hour_column is None:
        return "checked.slot_at >= :days_from AND checked.slot_at < :days_to"
    return _HOUR


def key_select(table: Table) -> str:
    """A SELECT of duplicate keys, and of keys with a null in a required column."""
    key = ", ".join(f"checked.{name}" for name in table.key)
    required = [column.name for column in table.columns if not column.nullable]
    is_null = " OR ".join(f"checked.{name} IS NULL" for name in required)
    nulls = f"SUM(CASE WHEN {is_null} THEN 1 ELSE 0 END)"
    return (
        f"SELECT {key}, COUNT(*) AS row_count, {nulls} AS null_count "
        f"FROM {table.full_name} AS checked WHERE {scope_of(table)} "
        f"GROUP BY {key} HAVING COUNT(*) > 1 OR {nulls} > 0 ORDER BY {key}"
    )


def reference_select(table: Table, reference: Reference) -> str:
    """A SELECT of foreign keys without a row in the referenced table."""
    columns = ", ".join(f"checked.{name}" for name in reference.columns)
    is_set = " AND ".join(f"checked.{name} IS NOT NULL" for name in reference.columns)
    return (
        f"SELECT {columns}, COUNT(*) AS row_count, MIN(checked.{_time(table)}) AS first_at "
        f"FROM {table.full_name} AS checked "
        f"LEFT JOIN {reference.table} AS referenced ON {_join(table, reference)} "
        f"WHERE {scope_of(table)} AND {is_set} AND referenced.{reference.to_columns[-1]} IS NULL "
        f"GROUP BY {columns} ORDER BY {columns}"
    )


def _join(table: Table, reference: Reference) -> str:
    pairs = zip(reference.columns, reference.to_columns, strict=True)
    terms = [
        f"DATE_TRUNC('hour', checked.{name}) = referenced.{to}"
        if reference.table == dimensions.DIM_TIME.full_name and name == "slot_at"
        else f"checked.{name} = referenced.{to}"
        for name, to in pairs
    ]
    if reference.as_of and "valid_from" in _BY_FULL_NAME[reference.table].names:
        at = f"checked.{_time(table)}"
        if table.hour_column is not None and table.schema == "mart":
            # A mart row covers an hour; the version may begin or end within it.
            terms.append(f"referenced.valid_from < {at} + INTERVAL '1 hour'")
        else:
            terms.append(f"referenced.valid_from <= {at}")
        terms.append(f"(referenced.valid_to IS NULL OR referenced.valid_to > {at})")
    return " AND ".join(terms)


def _time(table: Table) -> str:
    return "slot_at" if "slot_at" in table.names else "valid_from"


def _references(table: Table) -> list[Reference]:
    references = [*table.references, *_FLAT_REFERENCES.get(table.name, ())]
    if table is marts.MART_STATION_DAY:  # references are checked in the mart of hours, its source
        return []
    return references


def _find_violations(table: Table, find: Callable[[CheckContext, str], pa.Table]) -> Find:
    """A `find` for the keys and references of a table: one row per problem and key."""

    def rows(context: CheckContext) -> list[Row]:
        invalid_keys = find(context, key_select(table)).to_pylist()
        violations: list[Row] = [
            {"problem": "null" if row.pop("null_count") else "duplicate", **row}
            for row in invalid_keys
        ]
        for reference in _references(table):
            to = _BY_FULL_NAME[reference.table].name
            orphans = find(context, reference_select(table, reference)).to_pylist()
            violations += [{"problem": f"not in {to}", **row} for row in orphans]
        return violations

    return rows


def _query_flat_files(context: CheckContext, select: str) -> pa.Table:
    return context.query_flat_files(select)


def _query_warehouse(context: CheckContext, select: str) -> pa.Table:
    return context.query_warehouse(select)


def _rule(table: Table) -> Rule:
    references = _references(table)
    to = list(dict.fromkeys(_BY_FULL_NAME[reference.table].name for reference in references))
    resolves = f"; foreign keys to {', '.join(to)} resolve" if to else ""
    needs = [name for name in to if name not in _NOT_ASSETS]
    order = ", then ".join([*needs, table.name])
    return Rule(
        asset=table.name,
        rule="unique_not_null_fk",
        description=f"({', '.join(table.key)}) is unique; required columns are not null{resolves}.",
        remedy=f"materialize {order} for the hour; if it persists, report a bug",
        find=_find_violations(
            table, _query_flat_files if table in FLAT_TABLES else _query_warehouse
        ),
        severity=Severity.ERROR,
        needs=tuple(needs),
        # The parent of a record in flat files must be in the files of the same hour.
        is_span_safe=table not in FLAT_TABLES,
    )


_CHECKED = [*FLAT_TABLES, *warehouse.WAREHOUSE_TABLES, *marts.MART_TABLES]
# Tables that are written together with an asset and are not assets themselves.
_NOT_ASSETS = {"entity_observation", "entity_poll", "entity_version", "station_attributes",
          "evse_attributes", "connector_attributes", "bridge_station_opening",
          "bridge_evse_capability", "bridge_evse_alias"}  # fmt: skip

RULES = tuple(_rule(table) for table in _CHECKED if table.name not in _NOT_ASSETS)
