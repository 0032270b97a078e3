"""Staging: an hour's flat files in the warehouse, all or nothing.

Belongs here: the plan of `staged_tables`, and whether an hour is staged. Does not belong here:
what is derived from staging.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import UTC, timedelta
from functools import cache, partial
from itertools import groupby
from typing import Any

import pyarrow as pa

from charging_assets.acquisition.archive import digest, feeds_archived, hour_keys, read_places
from charging_assets.acquisition.identities import effective_identities
from charging_assets.acquisition.raw_objects import CorruptArchive
from charging_assets.modelling.versions import code_version
from charging_assets.partitions import HOURS_A_RUN, Hour, Span, naive, neighbours, spanned
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.preprocessing.identity import Identity
from charging_assets.schemas.flat import FLAT_REJECTS, FLAT_TABLES
from charging_assets.schemas.ops import KEY_CONFLICT
from charging_assets.storage import ledger
from charging_assets.storage.flat_files import FlatFile, StaleFlatFile, open_flat
from charging_assets.storage.lake import Lake, LakeError
from charging_assets.storage.plan import (
    Bind,
    Execute,
    Guard,
    Input,
    LoadError,
    LoadRows,
    Plan,
    Replan,
    SpanLoad,
    Step,
    Temp,
    When,
    hour_scope,
    window,
)
from charging_assets.storage.span_loads import apply_spans
from charging_assets.storage.sql_files import sql, sql_names
from charging_assets.storage.warehouse import NoWarehouse, Warehouse

ASSET = "staged_tables"
# How long hours stay in staging; the flat files in the lake are the durable copy.
KEPT = timedelta(days=14)
# So many staged rows are worked on by one statement: a month of 2,428 EVSEs, half a day of a
# hundred times as many. Each takes some 170 bytes of memory.
ROWS_A_SPAN = 12_000_000


def staging_version(flat_version: str) -> str:
    """The code version of staging flat files of a code version."""
    statements = ["checks/staged_balance", *sql_names("staging")]
    return f"{code_version(statements, (*FLAT_TABLES, KEY_CONFLICT))}-{flat_version}"


def staging_plan(
    hour: Hour, files: Sequence[FlatFile], rejected: Set[Identity] = frozenset()
) -> Plan:
    """Replace the hour in every staging table; records in must be loaded or rejected.

    Ids whose keys stand for ids of other hours are found in the warehouse. The plan is then made
    again with these ids `rejected`.
    """
    archive_digest, flat_version = _made_from(hour, files)
    return Plan(
        asset=ASSET,
        hour=hour,
        code_version=staging_version(flat_version),
        steps=(
            *_loads(hour, {hour: files}, {hour: rejected}),
            *_conflicts(hour, lambda lost: staging_plan(hour, files, rejected | lost[hour])),
            _balance(hour),
        ),
        input_digest=_digest(files, rejected),
        archive_digest=archive_digest,
        skip_if_same=True,
    )


def staging_span_plan(
    files: Mapping[Hour, Sequence[FlatFile]],
    rejected: Mapping[Hour, Set[Identity]] | None = None,
) -> Plan:
    """The same for several hours in one transaction, unless all of them are staged already.

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
    of_hours = {hour: (rejected or {}).get(hour, frozenset[Identity]()) for hour in span.hours}
    return Plan(
        asset=ASSET,
        hour=span,
        code_version=staging_version(versions.pop()),
        steps=(
            *_loads(span, files, of_hours),
            *_conflicts(
                span,
                lambda lost: staging_span_plan(
                    files, {hour: of_hours[hour] | lost[hour] for hour in span.hours}
                ),
            ),
            _balance(span),
        ),
        inputs={
            hour: Input(_digest(files[hour], of_hours[hour]), archive_digest)
            for hour, (archive_digest, _) in made_from.items()
        },
        skip_if_same=True,
    )


def _loads(
    hour: Hour | Span,
    files: Mapping[Hour, Sequence[FlatFile]],
    rejected: Mapping[Hour, Set[Identity]],
) -> list[Step]:
    """The rows of the flat files; of hours with rejected ids, those of flattening without them."""
    flattened = cache(lambda hour: _flattened(files[hour], rejected[hour]))

    def read(number: int) -> pa.Table:
        return pa.concat_tables(
            [
                flattened(each)[files[each][number].table.name]
                if rejected[each]
                else files[each][number].read()
                for each in hour.hours
            ]
        )

    return [
        LoadRows(file.table, hour_scope(file.table, hour), partial(read, number))
        for number, file in enumerate(files[hour.hours[0]])
    ]


def _flattened(files: Sequence[FlatFile], rejected: Set[Identity]) -> FlatHour:
    """An hour's flat tables without rejected ids, from the archive that its files were made of."""
    lake, hour = files[0].lake, files[0].hour
    identities = effective_identities(lake)
    try:
        keys = hour_keys(lake, feeds_archived(lake), hour)
        if digest(keys, identities) != files[0].archive_digest:
            raise LoadError(
                f"the archive of {hour} changed after its flat tables were made; materialize the "
                f"flat tables of {hour} again"
            )
        return flatten(read_places(lake, keys), identities, rejected)
    except (CorruptArchive, LakeError) as error:
        raise LoadError(f"{hour} has ids that share a key and cannot be read: {error}") from error


def _conflicts(
    hour: Hour | Span, plan_of: Callable[[Mapping[Hour, Set[Identity]]], Plan]
) -> list[Step]:
    """Make sure that each key stands for one id: the one that was published first of all hours.

    Where the hour has records of another, it is loaded by `plan_of` those ids, by hour, instead.
    Other hours that were staged before this was known lose their row in the ledger: they are stale.
    """
    params, table = window(hour), KEY_CONFLICT.full_name
    names = ", ".join(KEY_CONFLICT.names)

    def replan(found: Sequence[tuple[Any, ...]]) -> Plan:
        lost = defaultdict[Hour, set[Identity]](set)
        for hour_at, *identity in found:
            lost[Hour.of(hour_at.replace(tzinfo=UTC))].add(Identity(*identity))
        return plan_of(lost)

    steps: tuple[Step, ...] = (
        Execute(f"DELETE FROM {table} WHERE slot_at >= :window_start AND slot_at < :window_end",
                params),
        Execute(
            f"INSERT INTO {table} ({names}) "
            f"SELECT {names} FROM ({sql('staging/key_conflict')}) AS new_rows",
            params,
        ),
        Temp("key_claim", sql("staging/key_claim")),
        Replan(sql("staging/lost_claim"), replan, params),
        Temp("conflicting_hour", sql("staging/conflicting_hour"), params),
        Execute(
            "DELETE FROM ops.ledger WHERE asset = :asset "
            "AND slot_at IN (SELECT slot_at FROM conflicting_hour)",
            {"asset": ASSET},
        ),
        # A key that only one id has by now.
        Execute(
            f"DELETE FROM {table} WHERE entity_key IN (SELECT entity_key FROM contested_key) "
            "AND entity_key NOT IN (SELECT entity_key FROM key_claim WHERE claim_rank > 1)"
        ),
    )  # fmt: skip
    return [
        Bind(("underived_from", "underived_to"), sql("staging/underived_hours")),
        Temp("contested_key", sql("staging/contested_key"), params),
        When("SELECT entity_key FROM contested_key", steps),
    ]


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


def staging_load(files: Mapping[Hour, Sequence[FlatFile]]) -> SpanLoad:
    """Hours into staging, by spans of a UTC day at most: a transaction's rows are in memory."""

    def plan_of(span: Hour | Span) -> Plan:
        if isinstance(span, Hour):
            return staging_plan(span, files[span])
        return staging_span_plan({hour: files[hour] for hour in span.hours})

    rows = {hour: sum(file.row_count for file in of_hour) for hour, of_hour in files.items()}
    days = groupby(sorted(files), key=lambda hour: hour.start.date())
    return SpanLoad([span for _, of_day in days for span in _cut(list(of_day), rows)], plan_of)


def ensure_staged(
    warehouse: Warehouse, lake: Lake, hours: Sequence[Hour]
) -> tuple[list[Hour], dict[Hour, str]]:
    """Stage hours again from their flat files if staging no longer has them.

    Staging is a window, the lake is what lasts: an hour that was pruned is never taken for empty.

    Returns:
        The hours that were staged again, and those that could not be, with the reason.
    """
    held = _staged_hours(warehouse, hours[0], hours[-1])
    files: dict[Hour, list[FlatFile]] = {}
    failed: dict[Hour, str] = {}
    for hour in hours:
        if hour not in held:
            try:
                files[hour] = [open_flat(lake, table, hour) for table in FLAT_TABLES]
            except (StaleFlatFile, LakeError) as error:
                failed[hour] = f"{type(error).__name__}: {error}"
    for result in apply_spans(warehouse, staging_load(files)):
        if result.error is not None:
            failed[result.span.hours[0]] = result.error
    return [hour for hour in files if hour not in failed], failed


def spans_to_derive(warehouse: Warehouse, hours: Sequence[Hour]) -> list[Hour | Span]:
    """Hours as spans of a week, or of `ROWS_A_SPAN` staged rows, without a missing hour in between.

    What is derived from the hours of a span is loaded by one statement.
    """
    if not hours:
        return []
    asked = {"asset": ASSET, "start_at": naive(hours[0].start), "end_at": naive(hours[-1].end)}
    try:
        found = warehouse.query(ledger.ROWS_OF_SPAN, asked).to_pylist()
    except NoWarehouse:
        found = []
    rows = {Hour.of(row["slot_at"].replace(tzinfo=UTC)): row["row_count"] for row in found}
    return _cut(hours, rows)


def _cut(hours: Sequence[Hour], rows: Mapping[Hour, int]) -> list[Hour | Span]:
    spans: list[Hour | Span] = []
    for group in neighbours(hours, HOURS_A_RUN):
        span: list[Hour] = []
        row_count = 0
        for hour in group:
            if span and row_count + rows.get(hour, 0) > ROWS_A_SPAN:
                spans.append(spanned(span))
                span, row_count = [], 0
            span.append(hour)
            row_count += rows.get(hour, 0)
        spans.append(spanned(span))
    return spans


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


def _digest(files: Sequence[FlatFile], rejected: Set[Identity]) -> str:
    digests = sorted(f"{file.table.name}:{file.digest}" for file in files)
    digests += [f"rejected:{':'.join(map(str, identity))}" for identity in sorted(rejected)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]
