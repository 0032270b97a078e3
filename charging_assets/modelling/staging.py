"""Staging: an hour's flat files in the warehouse, all or nothing.

Belongs here: the plan of `staged_tables`, and whether an hour is staged. Does not belong here:
what is derived from staging.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, timedelta

import pyarrow as pa

from charging_assets.modelling.versions import code_version
from charging_assets.partitions import Hour, Span, naive
from charging_assets.schemas.flat import FLAT_REJECTS, FLAT_TABLES
from charging_assets.storage import ledger
from charging_assets.storage.flat_files import FlatFile, StaleFlatFile, open_flat
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import Guard, Input, LoadRows, Plan, Step, hour_scope, window
from charging_assets.storage.sql_files import sql
from charging_assets.storage.warehouse import NoWarehouse, Warehouse

ASSET = "staged_tables"
# How long hours stay in staging; the flat files in the lake are the durable copy.
KEPT = timedelta(days=14)


def staging_version(flat_version: str) -> str:
    """The code version of staging flat files of a code version."""
    return f"{code_version(['checks/staged_balance'], FLAT_TABLES)}-{flat_version}"


def staging_plan(hour: Hour, files: Sequence[FlatFile]) -> Plan:
    """Replace the hour in every staging table; records in must be loaded or rejected."""
    archive_digest, flat_version = _made_from(hour, files)
    loads: list[Step] = [
        LoadRows(file.table, hour_scope(file.table, hour), file.read) for file in files
    ]
    return Plan(
        asset=ASSET,
        hour=hour,
        code_version=staging_version(flat_version),
        steps=(*loads, _balance(hour)),
        input_digest=_digest(files),
        archive_digest=archive_digest,
        skip_if_same=True,
    )


def staging_span_plan(files: Mapping[Hour, Sequence[FlatFile]]) -> Plan:
    """The same for several hours in one transaction, whether or not they are staged already.

    Their flat files are of one code version; their rows are in memory together.
    """
    span = Span(tuple(sorted(files)))
    made_from = {hour: _made_from(hour, files[hour]) for hour in span.hours}
    versions = {flat_version for _, flat_version in made_from.values()}
    if len(versions) != 1:
        raise StaleFlatFile(
            f"the flat tables of {span} were made by different code ({sorted(versions)}); "
            "materialize those of the older hours again"
        )
    by_table = list(zip(*(files[hour] for hour in span.hours), strict=True))
    loads: list[Step] = [
        LoadRows(of_table[0].table, hour_scope(of_table[0].table, span), _reader(of_table))
        for of_table in by_table
    ]
    return Plan(
        asset=ASSET,
        hour=span,
        code_version=staging_version(versions.pop()),
        steps=(*loads, _balance(span)),
        inputs={
            hour: Input(_digest(files[hour]), archive_digest)
            for hour, (archive_digest, _) in made_from.items()
        },
    )


def _reader(files: Sequence[FlatFile]) -> Callable[[], pa.Table]:
    return lambda: pa.concat_tables([file.read() for file in files])


def _balance(hour: Hour | Span) -> Guard:
    return Guard(
        name="staged_tables__rows_in_are_loaded_or_rejected",
        select=sql("checks/staged_balance"),
        params=window(hour),
        remedy=f"Materialize the flat tables of {hour} again; if it stays, this is a bug.",
    )


def _made_from(hour: Hour, files: Sequence[FlatFile]) -> tuple[str, str]:
    """Of which archive, and by which code, an hour's flat files are."""
    made_from = {(file.archive_digest, file.code_version) for file in files}
    if len(made_from) != 1:
        raise StaleFlatFile(
            f"the flat tables of {hour} were made from different archives or by different code "
            f"({sorted(made_from)}); materialize all flat tables of {hour} again"
        )
    ((archive_digest, flat_version),) = made_from
    return archive_digest, flat_version


def ensure_staged(warehouse: Warehouse, lake: Lake, hours: Sequence[Hour]) -> list[Hour]:
    """Stage hours again from their flat files if staging no longer has them; those that it did.

    Staging is a window, the lake is what lasts: an hour that was pruned is never taken for empty.
    """
    held = _staged_hours(warehouse, hours[0], hours[-1])
    missing = [hour for hour in hours if hour not in held]
    for hour in missing:
        warehouse.apply(staging_plan(hour, [open_flat(lake, table, hour) for table in FLAT_TABLES]))
    return missing


def _staged_hours(warehouse: Warehouse, first: Hour, last: Hour) -> set[Hour]:
    asked = {"asset": ASSET, "first_at": naive(first.start), "last_at": naive(last.start)}
    try:
        held = warehouse.query(ledger.STAGED, asked).to_pylist()
    except NoWarehouse:
        return set()
    return {Hour.of(row["slot_at"].replace(tzinfo=UTC)) for row in held}


def prune(warehouse: Warehouse, hour: Hour | Span) -> None:
    """Take an hour, or span, out of staging and say so in the ledger, in one transaction.

    Rejects stay: they are kept for longer than staging.
    """
    scopes = [
        (table, hour_scope(table, hour)) for table in FLAT_TABLES if table.schema == "staging"
    ]
    warehouse.execute(
        (ledger.UNSTAGE, {"asset": ASSET, **window(hour, "scope")}),
        *((f"DELETE FROM {table.full_name} WHERE {s.predicate}", s.params) for table, s in scopes),
    )


def prune_before(warehouse: Warehouse, first: Hour) -> int:
    """Take all hours before one out of staging, as `prune` does; how many they were."""
    asked = {"asset": ASSET, "first_at": naive(first.start)}
    try:
        held = warehouse.query(ledger.STAGED_BEFORE, asked).to_pylist()
    except NoWarehouse:
        return 0
    if held[0]["hour_count"]:
        tables = [table.full_name for table in FLAT_TABLES if table.schema == "staging"]
        warehouse.execute(
            (ledger.UNSTAGE_BEFORE, asked),
            *((f"DELETE FROM {name} WHERE slot_at < :first_at", asked) for name in tables),
        )
    return int(held[0]["hour_count"])


def prune_rejects_before(warehouse: Warehouse, first: Hour) -> None:
    """Drop the rejects of all hours before one; the archive could give them again."""
    gone = f"DELETE FROM {FLAT_REJECTS.full_name} WHERE slot_at < :first_at"
    with suppress(NoWarehouse):
        warehouse.query(f"SELECT 1 AS one FROM {FLAT_REJECTS.full_name} LIMIT 1")
        warehouse.execute((gone, {"first_at": naive(first.start)}))


def _digest(files: Sequence[FlatFile]) -> str:
    digests = sorted(f"{file.table.name}:{file.digest}" for file in files)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]
