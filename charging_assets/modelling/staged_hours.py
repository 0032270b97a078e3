"""Which hours are in staging: loads from flat files, spans to derive, hours to prune."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from functools import partial
from itertools import groupby

from charging_assets.archive.identities import usable_identities
from charging_assets.archive.raw_archive import (
    UNKNOWN_KIND,
    digest,
    feeds_archived,
    hour_keys,
    hours_of_days,
    keys_by_feed,
)
from charging_assets.hours import HOURS_A_RUN, Hour, Span, consecutive_groups, span_of, to_naive_utc
from charging_assets.lake.flat_files import (
    FlatFile,
    HourFiles,
    StaleFlatFile,
    flat_feeds,
    open_hour,
)
from charging_assets.lake.store import Lake, LakeError
from charging_assets.modelling.staging import (
    ASSET,
    group_by_feed,
    provenance_of,
    staging_plan,
    staging_span_plan,
)
from charging_assets.preprocessing.flatten_hours import flatten_failure
from charging_assets.schemas.flat import FLAT_REJECTS, FLAT_TABLES
from charging_assets.warehouse import ledger
from charging_assets.warehouse.interface import NoWarehouse, Warehouse
from charging_assets.warehouse.plan import Plan, SpanLoad, hour_scope, window
from charging_assets.warehouse.span_loads import apply_spans

# How long hours stay in staging; the flat files in the lake are the durable copy.
STAGING_RETENTION = timedelta(days=14)
# Staged rows that one statement processes at most: seven weeks of 2,428 EVSEs, half a day of a
# hundred times as many. Each takes some 170 bytes of memory.
ROWS_A_SPAN = 12_000_000


@dataclass(frozen=True)
class StagingInput:
    """Input of staging: flat files of all feeds, by hour.

    `failed` are feeds whose flat files of an hour cannot be used, or not be made from the present
    archive, and why. They may have earlier usable files.
    """

    files: Mapping[Hour, Sequence[FlatFile]]
    failed: Mapping[Hour, Mapping[str, str]] = field(default_factory=dict)

    def kept(self, hour: Hour) -> frozenset[str]:
        """The feeds of an hour that are left as they are: they have no usable files."""
        return frozenset(self.failed.get(hour, ())) - {file.feed for file in self.files[hour]}


def staging_input(tables: Mapping[Hour, Sequence[HourFiles]]) -> StagingInput:
    """The flat files of hours, given for each table. A feed needs a usable file of every table."""
    files: dict[Hour, list[FlatFile]] = {}
    failed: dict[Hour, dict[str, str]] = {}
    for hour, of_hour in tables.items():
        errors: dict[str, str] = {}
        for of_table in of_hour:
            errors = {**of_table.errors, **errors}
        by_feed = group_by_feed([file for of_table in of_hour for file in of_table.files])
        files[hour] = []
        for (_, feed), of_feed in sorted(by_feed.items()):
            try:
                provenance_of((hour, feed), of_feed)
            except StaleFlatFile as error:
                errors.setdefault(feed, f"{type(error).__name__}: {error}")
            else:
                files[hour] += of_feed
        if errors:
            failed[hour] = errors
    return StagingInput(files, failed)


def add_failed_feeds(lake: Lake, staged: StagingInput) -> StagingInput:
    """Also name feeds whose flat files are not of their archive, as it cannot be flattened.

    A poll that was archived since the hour was flattened is no failure.

    Raises:
        LakeError: the archive cannot be listed.
    """
    hours = sorted(staged.files)
    if len(hours) == 1:
        archived = {hours[0]: hour_keys(lake, feeds_archived(lake), hours[0])}
    else:
        archived = hours_of_days(lake, sorted({hour.start.date() for hour in hours}))
    identities = usable_identities(lake).identities
    failed = {hour: dict(errors) for hour, errors in staged.failed.items()}
    for hour in hours:
        made_from = {file.feed: file.archive_digest for file in staged.files[hour]}
        for feed, keys in keys_by_feed(archived.get(hour, ())).items():
            current = made_from.get(feed, "").removesuffix(UNKNOWN_KIND)
            if current != digest(keys, identities) and feed not in failed.get(hour, {}):
                reason = flatten_failure(lake, feed, keys)
                if reason is not None:
                    failed.setdefault(hour, {})[feed] = reason
    return StagingInput(staged.files, failed)


def staging_load(staged: StagingInput) -> SpanLoad:
    """Hours into staging, by spans of a UTC day at most: a transaction's rows are in memory.

    Feeds of an hour share its transaction. Where it cannot be loaded, each feed is loaded alone.
    """
    files = staged.files

    def plan_of(span: Hour | Span) -> Plan:
        kept = [(hour, feed) for hour in span.hours for feed in staged.kept(hour)]
        return staging_span_plan({hour: files[hour] for hour in span.hours}, kept)

    def plans_by_feed(hour: Hour) -> Mapping[str, Callable[[], Plan]]:
        by_feed = {feed: of_feed for (_, feed), of_feed in group_by_feed(files[hour]).items()}
        feeds = by_feed.keys() | staged.kept(hour)
        return {
            feed: partial(staging_plan, hour, of_feed, feeds - {feed})
            for feed, of_feed in by_feed.items()
        }

    failed = {
        hour: "; ".join(staged.failed.get(hour, {}).values()) for hour in files if not files[hour]
    }
    hours = sorted(hour for hour in files if hour not in failed)
    rows = {hour: sum(file.row_count for file in files[hour]) for hour in hours}
    days = groupby(hours, key=lambda hour: hour.start.date())
    return SpanLoad(
        [span for _, of_day in days for span in _cut(list(of_day), rows)],
        plan_of,
        failed,
        {hour: errors for hour, errors in staged.failed.items() if hour not in failed},
        plans_by_feed,
    )


def ensure_staged(
    warehouse: Warehouse, lake: Lake, hours: Sequence[Hour]
) -> tuple[list[Hour], dict[Hour, str]]:
    """Stage hours again from their flat files if staging no longer has them, of any feed.

    Staging holds recent hours only, the lake holds all: a pruned hour is never taken for empty. An
    hour is not derived while a feed of it that was loaded is not in staging, since its rows would
    be lost.

    Returns:
        The hours that were staged again, and those that could not be, with the reason.
    """
    missing = set(hours) - _staged_hours(warehouse, hours[0], hours[-1])
    if not missing:
        return [], {}
    tables: dict[Hour, list[HourFiles]] = {}
    failed: dict[Hour, str] = {}
    feeds = flat_feeds(lake, FLAT_TABLES[0])
    for hour in sorted(missing):
        try:
            tables[hour] = [open_hour(lake, table, hour, feeds) for table in FLAT_TABLES]
        except (StaleFlatFile, LakeError) as error:
            failed[hour] = f"{type(error).__name__}: {error}"
    load = staging_load(staging_input(tables))
    errors = {hour: "; ".join(load.failed_feeds[hour].values()) for hour in load.failed_feeds}
    for result in apply_spans(warehouse, load):
        if result.error is not None:
            errors[result.span.hours[0]] = result.error
    failed |= load.failed
    if errors:
        staged = _staged_hours(warehouse, hours[0], hours[-1])
        failed |= {hour: error for hour, error in errors.items() if hour not in staged}
    return [hour for hour in tables if hour not in failed], failed


def spans_to_derive(warehouse: Warehouse, hours: Sequence[Hour]) -> list[Hour | Span]:
    """Hours as spans of a week, or of `ROWS_A_SPAN` staged rows, without a missing hour in between.

    What is derived from the hours of a span is loaded by one statement.
    """
    if not hours:
        return []
    params = {
        "asset": ASSET,
        "start_at": to_naive_utc(hours[0].start),
        "end_at": to_naive_utc(hours[-1].end),
    }
    try:
        counts = warehouse.query(ledger.ROWS_OF_SPAN, params).to_pylist()
    except NoWarehouse:
        counts = []
    rows = {Hour.of(row["slot_at"].replace(tzinfo=UTC)): row["row_count"] for row in counts}
    return _cut(hours, rows)


def _cut(hours: Sequence[Hour], rows: Mapping[Hour, int]) -> list[Hour | Span]:
    spans: list[Hour | Span] = []
    for group in consecutive_groups(hours, HOURS_A_RUN):
        span: list[Hour] = []
        row_count = 0
        for hour in group:
            if span and row_count + rows.get(hour, 0) > ROWS_A_SPAN:
                spans.append(span_of(span))
                span, row_count = [], 0
            span.append(hour)
            row_count += rows.get(hour, 0)
        spans.append(span_of(span))
    return spans


def _staged_hours(warehouse: Warehouse, first: Hour, last: Hour) -> set[Hour]:
    params = {
        "asset": ASSET,
        "first_at": to_naive_utc(first.start),
        "last_at": to_naive_utc(last.start),
    }
    try:
        rows = warehouse.query(ledger.STAGED, params).to_pylist()
    except NoWarehouse:
        return set()
    return {Hour.of(row["slot_at"].replace(tzinfo=UTC)) for row in rows}


def prune(warehouse: Warehouse, hour: Hour | Span) -> None:
    """Delete an hour, or span, from staging and mark it in the ledger, in one transaction.

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
    """Delete all hours before `first` from staging, as `prune` does; return their number."""
    params = {"asset": ASSET, "first_at": to_naive_utc(first.start)}
    try:
        rows = warehouse.query(ledger.STAGED_BEFORE, params).to_pylist()
    except NoWarehouse:
        return 0
    if rows[0]["hour_count"]:
        tables = [table.full_name for table in FLAT_TABLES if table.schema == "staging"]
        warehouse.execute(
            (ledger.UNSTAGE_BEFORE, params),
            *((f"DELETE FROM {name} WHERE slot_at < :first_at", params) for name in tables),
        )
    return int(rows[0]["hour_count"])


def prune_rejects_before(warehouse: Warehouse, first: Hour) -> None:
    """Delete the rejects of all hours before `first`; they can be made again from the archive."""
    statement = f"DELETE FROM {FLAT_REJECTS.full_name} WHERE slot_at < :first_at"
    with suppress(NoWarehouse):
        warehouse.query(f"SELECT 1 AS one FROM {FLAT_REJECTS.full_name} LIMIT 1")
        warehouse.execute((statement, {"first_at": to_naive_utc(first.start)}))
