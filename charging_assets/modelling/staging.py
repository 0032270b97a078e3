"""Staging: the plan that loads the flat files of hours into the warehouse, each feed atomically.

`staged_hours` decides which hours are loaded, and how long they stay.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC
from functools import cache, partial
from typing import Any

import pyarrow as pa

from charging_assets.archive.identities import effective_identities
from charging_assets.archive.raw_archive import UNKNOWN_KIND, digest, hour_keys, stream_places
from charging_assets.archive.raw_objects import CorruptArchive
from charging_assets.hours import Hour, Span, span_of
from charging_assets.lake.flat_files import FlatFile, StaleFlatFile
from charging_assets.lake.store import LakeError
from charging_assets.modelling.versions import code_version
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.preprocessing.identity import Identity
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.ops import KEY_CONFLICT
from charging_assets.schemas.table import Table
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
    Step,
    When,
    except_kept,
    hour_scope_except,
    window,
)
from charging_assets.warehouse.sql_files import sql, sql_names

ASSET = "staged_tables"


def staging_version(flat_version: str) -> str:
    """The code version of staging flat files of a code version."""
    statements = ["checks/staged_balance", *sql_names("staging")]
    return f"{code_version(statements, (*FLAT_TABLES, KEY_CONFLICT))}-{flat_version}"


# An hour's flat files by feed, each in the order of `FLAT_TABLES`; ids that are rejected by feed.
_Files = Mapping[FeedHour, Sequence[FlatFile]]
_Rejected = Mapping[FeedHour, Set[Identity]]


def staging_plan(
    hour: Hour, files: Sequence[FlatFile], kept: Collection[str] = frozenset()
) -> Plan:
    """Replace the hour in every staging table; records in must be loaded or rejected.

    Feeds that are loaded from the same files already are left as they are, and so are those in
    `kept`. Ids whose keys stand for ids of other hours are found in the warehouse: the plan is then
    made again without these ids.
    """
    return _plan(hour, group_by_feed(files), frozenset((hour, feed) for feed in kept), {})


def staging_span_plan(
    files: Mapping[Hour, Sequence[FlatFile]], kept: Collection[FeedHour] = frozenset()
) -> Plan:
    """The same for several hours in one transaction. Their rows are in memory together."""
    by_feed: dict[FeedHour, Sequence[FlatFile]] = {}
    for hour in sorted(files):
        by_feed |= group_by_feed(files[hour])
    return _plan(span_of(sorted(files)), by_feed, frozenset(kept), {})


def group_by_feed(files: Sequence[FlatFile]) -> dict[FeedHour, list[FlatFile]]:
    by_feed: dict[FeedHour, list[FlatFile]] = {}
    for file in files:
        by_feed.setdefault((file.hour, file.feed), []).append(file)
    return by_feed


def _plan(hour: Hour | Span, files: _Files, kept: frozenset[FeedHour], rejected: _Rejected) -> Plan:
    made_from = {part: provenance_of(part, of_part) for part, of_part in files.items()}
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
        return flatten(stream_places(lake, keys), identities, rejected)
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


def provenance_of(part: FeedHour, files: Sequence[FlatFile]) -> tuple[str, str]:
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


def _digest(files: Sequence[FlatFile], rejected: Set[Identity]) -> str:
    digests = sorted(f"{file.table.name}:{file.digest}" for file in files)
    digests += [f"rejected:{':'.join(map(str, identity))}" for identity in sorted(rejected)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]
