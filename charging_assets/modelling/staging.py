"""Staging: load the flat files of hours into the warehouse, each feed atomically."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from functools import cache, partial
from itertools import groupby
from typing import Any

import pyarrow as pa

from charging_assets.archive.identities import effective_identities, usable_identities
from charging_assets.archive.raw_archive import (
    UNKNOWN_KIND,
    digest,
    feeds_archived,
    hour_keys,
    hours_of_days,
    keys_by_feed,
    read_places,
)
from charging_assets.archive.raw_objects import CorruptArchive
from charging_assets.hours import HOURS_A_RUN, Hour, Span, consecutive_groups, span_of, to_naive_utc
from charging_assets.lake.flat_files import (
    FlatFile,
    HourFiles,
    StaleFlatFile,
    flat_feeds,
    open_hour,
)
from charging_assets.lake.store import Lake, LakeError
from charging_assets.modelling.versions import code_version
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.preprocessing.flatten_hours import flatten_failure
from charging_assets.preprocessing.identity import Identity
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas.flat import FLAT_REJECTS, FLAT_TABLES
from charging_assets.schemas.ops import KEY_CONFLICT
from charging_assets.schemas.table import Table
from charging_assets.warehouse import ledger
from charging_assets.warehouse.interface import NoWarehouse, Warehouse
from charging_assets.warehouse.plan import (
    BindParams,
    CreateTempTable,
    Execute,
    FeedHour,
    Guard,
    LoadError,
    LoadInput,
    Plan,
    ReplaceFromArrow,
    Replan,
    SpanLoad,
    Step,
    When,
    except_kept,
    hour_scope,
    hour_scope_except,
    window,
)
from charging_assets.warehouse.span_loads import apply_spans
from charging_assets.warehouse.sql_files import sql, sql_names

ASSET = "staged_tables"
# How long hours stay in staging; the flat files in the lake are the durable copy.
STAGING_RETENTION = timedelta(days=14)
# Staged rows that one statement processes at most: a month of 2,428 EVSEs, half a day of a
# hundred times as many. Each takes some 170 bytes of memory.
ROWS_A_SPAN = 12_000_000


def staging_version(flat_version: str) -> str:
    """The code version of staging flat files of a code version."""
    statements = ["checks/staged_balance", *sql_names("staging")]
    return f"{code_version(statements, (*FLAT_TABLES, KEY_CONFLICT))}-{flat_version}"


# An hour's flat files by feed, each in the order of `FLAT_TABLES`; ids that are rejected by feed.
_Files = Mapping[FeedHour, Sequence[FlatFile]]
_Rejected = Mapping[FeedHour, Set[Identity]]


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


def staging_plan(
    hour: Hour, files: Sequence[FlatFile], kept: Collection[str] = frozenset()
) -> Plan:
    """Replace the hour in every staging table; records in must be loaded or rejected.

    Feeds that are loaded from the same files already are left as they are, and so are those in
    `kept`. Ids whose keys stand for ids of other hours are found in the warehouse: the plan is then
    made again without these ids.
    """
    return _plan(hour, _by_feed(files), frozenset((hour, feed) for feed in kept), {})


def staging_span_plan(
    files: Mapping[Hour, Sequence[FlatFile]], kept: Collection[FeedHour] = frozenset()
) -> Plan:
    """The same for several hours in one transaction. Their rows are in memory together."""
    by_feed: dict[FeedHour, Sequence[FlatFile]] = {}
    for hour in sorted(files):
        by_feed |= _by_feed(files[hour])
    return _plan(span_of(sorted(files)), by_feed, frozenset(kept), {})


def _by_feed(files: Sequence[FlatFile]) -> dict[FeedHour, list[FlatFile]]:
    by_feed: dict[FeedHour, list[FlatFile]] = {}
    for file in files:
        by_feed.setdefault((file.hour, file.feed), []).append(file)
    return by_feed


def _plan(hour: Hour | Span, files: _Files, kept: frozenset[FeedHour], rejected: _Rejected) -> Plan:
    made_from = {part: _made_from(part, of_part) for part, of_part in files.items()}
    of_parts = {part: rejected.get(part, frozenset[Identity]()) for part in files}

    def without(lost: Mapping[FeedHour, Set[Identity]]) -> Plan:
        more = {part: of_parts[part] | lost.get(part, frozenset()) for part in files}
        return _plan(hour, files, kept, more)

    def narrow(changed: Collection[FeedHour]) -> Plan:
        changed_files = {part: files[part] for part in files if part in changed}
        rest = kept | (files.keys() - changed_files.keys())
        hours = span_of(sorted({each for each, _ in changed_files}))
        return replace(_plan(hours, changed_files, rest, rejected), skip_if_same=False)

    return Plan(
        asset=ASSET,
        hour=hour,
        code_version=staging_version(flat_version()),
        steps=(
            *_loads(hour, files, kept, of_parts),
            *_conflicts(hour, kept, without),
            _balance(hour, files, kept),
        ),
        inputs={
            part: LoadInput(
                _digest(files[part], of_parts[part]), archive_digest, staging_version(version)
            )
            for part, (archive_digest, version) in made_from.items()
        },
        by_feed=True,
        kept=kept,
        narrow=narrow,
        skip_if_same=True,
    )


def _loads(
    hour: Hour | Span, files: _Files, kept: frozenset[FeedHour], rejected: _Rejected
) -> list[Step]:
    """The rows of the flat files; of feeds with rejected ids, those of flattening without them."""
    flattened = cache(lambda part: _flatten_without(files[part], rejected[part]))

    def read(number: int, table: Table) -> pa.Table:
        return pa.concat_tables(
            [
                flattened(part)[table.name] if rejected[part] else of_part[number].read()
                for part, of_part in files.items()
            ]
        )

    return [
        ReplaceFromArrow(table, hour_scope_except(table, hour, kept), partial(read, number, table))
        for number, table in enumerate(FLAT_TABLES)
    ]


def _flatten_without(files: Sequence[FlatFile], rejected: Set[Identity]) -> FlatHour:
    """Flatten a feed's hour again without rejected ids, from the archive of its files."""
    lake, hour, feed = files[0].lake, files[0].hour, files[0].feed
    identities = effective_identities(lake, [feed])
    try:
        keys = hour_keys(lake, [feed], hour)
        if digest(keys, identities) != files[0].archive_digest.removesuffix(UNKNOWN_KIND):
            raise LoadError(
                f"the archive of {hour} changed after its flat tables were made; materialize the "
                f"flat tables of {hour} again"
            )
        return flatten(read_places(lake, keys), identities, rejected)
    except (CorruptArchive, LakeError) as error:
        raise LoadError(
            f"{hour} of feed {feed} has ids that share a key and cannot be read: {error}"
        ) from error


def _conflicts(
    hour: Hour | Span,
    kept: frozenset[FeedHour],
    plan_of: Callable[[Mapping[FeedHour, Set[Identity]]], Plan],
) -> list[Step]:
    """Make sure that each key stands for one id: the one that was published first of all hours.

    Where a feed's hour has records of another, it is loaded by `plan_of` those ids instead. Feeds
    and hours that were staged before this was known lose their row in the ledger: they are stale.
    """
    params, table = window(hour), KEY_CONFLICT.full_name
    names = ", ".join(KEY_CONFLICT.names)

    def replan(rows: Sequence[tuple[Any, ...]]) -> Plan:
        lost = defaultdict[FeedHour, set[Identity]](set)
        for hour_at, feed, *identity in rows:
            lost[Hour.of(hour_at.replace(tzinfo=UTC)), feed].add(Identity(*identity))
        return plan_of(lost)

    loaded = except_kept("hour_at", hour, kept)
    steps: tuple[Step, ...] = (
        Execute(f"DELETE FROM {table} WHERE slot_at >= :window_start AND slot_at < :window_end",
                params),
        Execute(
            f"INSERT INTO {table} ({names}) "
            f"SELECT {names} FROM ({sql('staging/key_conflict')}) AS new_rows",
            params,
        ),
        CreateTempTable("key_claim", sql("staging/key_claim")),
        CreateTempTable("lost_claim", sql("staging/lost_claim"), params),
        Replan(
            "SELECT hour_at, feed, entity_type, entity_key, identity_hash FROM lost_claim "
            f"WHERE TRUE{loaded.predicate}",
            replan,
            loaded.params,
        ),
        # The rest are ids of feeds that this load does not change.
        *(
            Execute(
                "DELETE FROM ops.ledger WHERE asset = :asset AND feed = :feed "
                "AND slot_at IN (SELECT hour_at FROM lost_claim WHERE feed = :feed)",
                {"asset": ASSET, "feed": feed},
            )
            for feed in sorted({feed for _, feed in kept})
        ),
        CreateTempTable("conflicting_hour", sql("staging/conflicting_hour"), params),
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
        BindParams(("underived_from", "underived_to"), sql("staging/underived_hours")),
        CreateTempTable("contested_key", sql("staging/contested_key"), params),
        When("SELECT entity_key FROM contested_key", steps),
    ]


def _balance(hour: Hour | Span, files: _Files, kept: frozenset[FeedHour]) -> Guard:
    """Records in are loaded or rejected: of the feeds that are loaded, where others are kept."""
    select, params = sql("checks/staged_balance"), dict[str, Any](window(hour))
    if kept:
        feeds = sorted({feed for _, feed in files})
        params |= {f"feed_{number}": feed for number, feed in enumerate(feeds)}
        names = ", ".join(f":feed_{number}" for number in range(len(feeds)))
        select = f"SELECT * FROM ({select}) AS unbalanced WHERE feed IN ({names})"
    return Guard(
        name="staged_tables__input_rows_are_loaded_or_rejected",
        select=select,
        params=params,
        remedy=f"Materialize the flat tables of {hour} again; if it persists, report a bug.",
    )


def _made_from(part: FeedHour, files: Sequence[FlatFile]) -> tuple[str, str]:
    """The archive digest and code version of the flat files of a feed's hour."""
    hour, feed = part
    part_name = f"{hour} of feed {feed}" if feed else str(hour)
    if [file.table for file in files] != list(FLAT_TABLES):
        missing = {table.name for table in FLAT_TABLES} - {file.table.name for file in files}
        raise StaleFlatFile(
            f"{', '.join(sorted(missing))} of {part_name} cannot be used or has no file; "
            f"materialize all flat tables of {hour} again"
        )
    made_from = {(file.archive_digest, file.code_version) for file in files}
    if len(made_from) != 1:
        raise StaleFlatFile(
            f"the flat tables of {part_name} were made from different archives or by different "
            f"code ({sorted(made_from)}); materialize all flat tables of {hour} again"
        )
    ((archive_digest, version),) = made_from
    return archive_digest, version


def staging_input(tables: Mapping[Hour, Sequence[HourFiles]]) -> StagingInput:
    """The flat files of hours, given for each table. A feed needs a usable file of every table."""
    files: dict[Hour, list[FlatFile]] = {}
    failed: dict[Hour, dict[str, str]] = {}
    for hour, of_hour in tables.items():
        errors: dict[str, str] = {}
        for of_table in of_hour:
            errors = {**of_table.errors, **errors}
        by_feed = _by_feed([file for of_table in of_hour for file in of_table.files])
        files[hour] = []
        for (_, feed), of_feed in sorted(by_feed.items()):
            try:
                _made_from((hour, feed), of_feed)
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
        by_feed = {feed: of_feed for (_, feed), of_feed in _by_feed(files[hour]).items()}
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


def _digest(files: Sequence[FlatFile], rejected: Set[Identity]) -> str:
    digests = sorted(f"{file.table.name}:{file.digest}" for file in files)
    digests += [f"rejected:{':'.join(map(str, identity))}" for identity in sorted(rejected)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]
