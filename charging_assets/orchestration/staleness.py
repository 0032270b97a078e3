"""Finds stale hours: archived hours that the warehouse does not have in their current version.

An hour is fresh if each of its feeds is staged from the current archive, every other modelling
asset is derived from these staged rows, the code of both is current, and the tables have as many
rows as the ledger counts. `stale_hours_of_days` does not count rows, which is expensive, so that it
can run every 30 seconds.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache

from charging_assets.acquisition.poll_hour import loadable_hours
from charging_assets.archive.identities import FeedIdentity, usable_identities
from charging_assets.archive.raw_archive import UNKNOWN_KIND, digest, keys_by_feed
from charging_assets.hours import FIRST_HOUR, Hour, to_naive_utc
from charging_assets.lake.flat_files import NO_FEED
from charging_assets.lake.store import Lake
from charging_assets.modelling import marts, plans
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import ASSET as STAGED
from charging_assets.modelling.staging import staging_version
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas import dimensions
from charging_assets.schemas.catalog import table
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.sources import UnusableKind, kind
from charging_assets.warehouse.interface import NoWarehouse, Warehouse
from charging_assets.warehouse.ledger import combine_inputs
from charging_assets.warehouse.plan import ALL_FEEDS, FeedHour, LoadInput

# The three dimensions share these tables; a column distinguishes their rows.
_SHARED_TABLES = (dimensions.ENTITY_OBSERVATION.name, dimensions.ENTITY_POLL.name)

# Part of the reason if a table does not have as many rows as the ledger counts.
MISCOUNTED = "the ledger counts"

# The reason of a loaded hour that became stale when an older hour was staged (`modelling.staging`).
CONTESTED = "a key of this hour belongs to an id of another hour"

_ANY_HOUR = Hour(FIRST_HOUR)
_LAST_HOUR = Hour.parse("9999-12-31T23")

# Row counts by table and hour and, in flat tables, by feed.
Counts = Mapping[tuple[str, Hour, str], int]
# Ledger rows by asset, hour and feed.
_Rows = Mapping[tuple[str, Hour, str], "_Row"]


@dataclass(frozen=True)
class StaleHour:
    """An archived hour that has to be loaded, and the reason.

    `state` identifies the archive and code to load: `digest#code`. `feeds` has the states of the
    feeds that have to be staged again; if it is empty, only tables of all feeds are stale.
    """

    hour: Hour
    reason: str
    state: str = ""
    feeds: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, str]:
        """The states of the stale parts, by a key of feed and hour, or of the hour alone."""
        if not self.feeds:
            return {self.hour.key: self.state}
        return {f"{self.hour.key} {feed}".strip(): state for feed, state in self.feeds.items()}

    def is_of(self, feed: str) -> bool:
        """Whether rows of a feed are stale in this hour."""
        return not self.feeds or feed in self.feeds


@dataclass(frozen=True)
class _Row:
    archive_digest: str | None
    input_digest: str
    code_version: str
    row_counts: Mapping[str, int]
    is_staged: bool


@dataclass(frozen=True)
class Staleness:
    """The state of all archived hours.

    Attributes:
        archived: the archived hours with the keys of their raw objects.
        loaded: hours with any row in the ledger.
        staged: hours that are in staging now.
        stale: the stale hours by asset, in load order.
        status_rows: the number of rows of flat_status that an hour was staged with.
    """

    archived: Mapping[Hour, Sequence[str]]
    loaded: frozenset[Hour]
    staged: frozenset[Hour]
    stale: Mapping[str, frozenset[Hour]]
    status_rows: Mapping[Hour, int]


@cache
def expected_versions() -> dict[str, str]:
    """The current code version of each modelling asset."""
    derived = {plan.asset: plan.code_version for plan in derived_plans(_ANY_HOUR)}
    return {STAGED: staging_version(flat_version()), **derived}


def stale_hours(lake: Lake, warehouse: Warehouse) -> list[StaleHour]:
    """The archived hours to load, oldest first."""
    archived = loadable_hours(lake)
    try:
        ledger, counts = _ledger(warehouse), _row_counts(warehouse)
    except NoWarehouse:
        # Nothing was ever loaded. A locked warehouse raises another error.
        ledger, counts = _Ledger({}), {}
    return _compare(lake, archived, ledger, counts)


def stale_hours_of_days(lake: Lake, warehouse: Warehouse, days: Sequence[date]) -> list[StaleHour]:
    """The stale hours of UTC days, without counting rows, oldest first.

    Lists each day of the archive and reads the ledger rows from the first to the last hour.
    """
    archived = loadable_hours(lake, days)
    if not archived:
        return []
    try:
        ledger = _ledger(warehouse, min(archived), max(archived))
    except NoWarehouse:
        ledger = _Ledger({})
    return _compare(lake, archived, ledger, None)


def staleness(lake: Lake, warehouse: Warehouse) -> Staleness:
    """The archived, loaded and stale hours by asset, to reload many hours at once."""
    archived = loadable_hours(lake)
    try:
        ledger, counts = _ledger(warehouse), _row_counts(warehouse)
    except NoWarehouse:
        ledger, counts = _Ledger({}), {}
    stale: dict[str, set[Hour]] = {asset: set() for asset in expected_versions()}
    identities = usable_identities(lake).identities
    for hour, keys in archived.items():
        digests = _digests(keys, identities)
        for reason in _reasons(hour, digests, expected_versions(), ledger, counts):
            stale[reason.asset].add(hour)
        # Staging an hour again makes all assets that are derived from it stale.
        if hour in stale[STAGED]:
            for hours in stale.values():
                hours.add(hour)
    return Staleness(
        archived=archived,
        loaded=ledger.hours,
        staged=frozenset(
            hour
            for hour, feed_rows in ledger.staging.items()
            if all(row.is_staged for row in feed_rows.values())
        ),
        stale={asset: frozenset(hours) for asset, hours in stale.items()},
        status_rows={
            hour: sum(row.row_counts.get("flat_status", 0) for row in feed_rows.values())
            for hour, feed_rows in ledger.staging.items()
        },
    )


class _Ledger:
    """The ledger's rows: those of staging by hour and feed, the others by asset and hour."""

    def __init__(self, rows: _Rows) -> None:
        self.staging: dict[Hour, dict[str, _Row]] = {}
        self.derived: dict[tuple[str, Hour], _Row] = {}
        for (asset, hour, feed), row in rows.items():
            if asset == STAGED:
                self.staging.setdefault(hour, {})[feed] = row
            else:
                self.derived[asset, hour] = row

    @property
    def hours(self) -> frozenset[Hour]:
        return frozenset({*self.staging, *(hour for _, hour in self.derived)})


@dataclass(frozen=True)
class _Reason:
    """Why an asset is stale in an hour; printed after "reason:"."""

    asset: str
    reason: str
    feed: str | None = None


def _digests(keys: Iterable[str], identities: Mapping[str, FeedIdentity]) -> dict[str, str]:
    """The archive digests of an hour by feed; an hour without polls has the feed `NO_FEED`."""
    by_feed = keys_by_feed(keys) or {NO_FEED: []}
    return {feed: digest(feed_keys, identities) for feed, feed_keys in by_feed.items()}


def _compare(
    lake: Lake,
    archived: Mapping[Hour, Sequence[str]],
    ledger: _Ledger,
    counts: Counts | None,
) -> list[StaleHour]:
    versions = expected_versions()
    code = hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:8]
    identities = usable_identities(lake).identities
    stale = []
    for hour, keys in archived.items():
        digests = _digests(keys, identities)
        reasons = list(_reasons(hour, digests, versions, ledger, counts))
        if reasons:
            # A feed that was removed from the archive has no digest.
            feeds = {
                reason.feed: f"{digests.get(reason.feed, '')}#{code}"
                for reason in reasons
                if reason.feed is not None
            }
            state = f"{digest(feed + feed_digest for feed, feed_digest in digests.items())}#{code}"
            if len(digests) == 1:
                state = f"{next(iter(digests.values()))}#{code}"
            stale.append(StaleHour(hour, _describe(reasons, len(digests)), state, feeds))
    return stale


def _describe(reasons: Sequence[_Reason], feed_count: int) -> str:
    """The first reason, with its feeds unless it applies to all feeds of the hour."""
    first = reasons[0]
    feeds = [
        reason.feed
        for reason in reasons
        if reason.feed is not None and reason.reason == first.reason
    ]
    if first.feed is None or feed_count == len(feeds):
        return first.reason
    return f"{', '.join(feeds)}: {first.reason}"


def _reasons(
    hour: Hour,
    digests: Mapping[str, str],
    versions: Mapping[str, str],
    ledger: _Ledger,
    counts: Counts | None,
) -> Iterator[_Reason]:
    """The stale assets and feeds of an hour, with reasons."""
    staged = ledger.staging.get(hour, {})
    for feed, archive_digest in digests.items():
        reason = _staging_reason(hour, feed, archive_digest, versions, ledger, counts)
        if reason:
            yield _Reason(STAGED, reason, feed)
    for feed in staged.keys() - digests.keys():
        yield _Reason(STAGED, "a feed that was loaded is no longer archived", feed)
    staged_input = combine_inputs(
        {feed: LoadInput(row.input_digest, row.archive_digest) for feed, row in staged.items()}
    )
    for asset, version in versions.items():
        if asset == STAGED:
            continue
        row = ledger.derived.get((asset, hour))
        if row is None:
            yield _Reason(asset, f"{asset} not yet loaded")
        elif row.code_version != version:
            yield _Reason(asset, f"the code or schema of {asset} changed")
        # A load that ended after staging left tables that are derived from earlier staged rows.
        elif not staged or row.input_digest != staged_input.digest:
            yield _Reason(asset, f"the hour was staged again after {asset} was loaded")
        elif reason := _miscounted(asset, hour, ALL_FEEDS, row, counts):
            yield _Reason(asset, reason)


def _staging_reason(
    hour: Hour,
    feed: str,
    archive_digest: str,
    versions: Mapping[str, str],
    ledger: _Ledger,
    counts: Counts | None,
) -> str | None:
    """Why a feed's hour has to be staged again; None if it is fresh."""
    staged = ledger.staging.get(hour, {})
    row = staged.get(feed)
    if row is None:
        is_derived = any((asset, hour) in ledger.derived for asset in versions)
        return CONTESTED if is_derived and not staged else "not yet staged"
    if row.archive_digest == archive_digest + UNKNOWN_KIND:
        return f"a feed kind is installed that was missing when {STAGED} was loaded"
    if row.archive_digest != archive_digest:
        return f"the polls or the feed's identity settings changed after {STAGED} was loaded"
    if row.code_version != versions[STAGED]:
        return f"the code or schema of {STAGED} changed"
    return _miscounted(STAGED, hour, feed, row, counts)


def _miscounted(asset: str, hour: Hour, feed: str, row: _Row, counts: Counts | None) -> str | None:
    for name, expected in row.row_counts.items():
        count = _row_count(asset, name, hour, feed, counts)
        if count is not None and row.is_staged and count != expected:
            return f"{name} has {count:,} rows, {MISCOUNTED} {expected:,}"
    return None


def _row_count(asset: str, name: str, hour: Hour, feed: str, counts: Counts | None) -> int | None:
    """The rows of a table in an hour; None if it was not counted or is not partitioned by hour."""
    if counts is None:
        return None
    if name in _SHARED_TABLES:
        name = f"{name}/{asset.removeprefix('dim_')}"
    elif table(name).hour_column is None:
        return None
    return counts.get((name, hour, feed), 0)


def _ledger(warehouse: Warehouse, first: Hour = _ANY_HOUR, last: Hour = _LAST_HOUR) -> _Ledger:
    rows = warehouse.query(
        "SELECT asset, feed, slot_at, archive_digest, input_digest, code_version, row_counts, "
        "is_staged FROM ops.ledger WHERE slot_at >= :first_at AND slot_at <= :last_at",
        {"first_at": to_naive_utc(first.start), "last_at": to_naive_utc(last.start)},
    ).to_pylist()
    missing_kinds = {
        (_hour(row["slot_at"]), row["feed"])
        for row in rows
        if row["asset"] == STAGED and (row["archive_digest"] or "").endswith(UNKNOWN_KIND)
    }
    still_missing = missing_kinds - _with_usable_kinds(warehouse, missing_kinds)
    return _Ledger(
        {
            (row["asset"], hour, row["feed"]): _Row(
                # Do not load the hour again while its kind is still missing.
                row["archive_digest"].removesuffix(UNKNOWN_KIND)
                if (hour, row["feed"]) in still_missing and row["archive_digest"]
                else row["archive_digest"],
                row["input_digest"],
                row["code_version"],
                json.loads(row["row_counts"]),
                row["is_staged"],
            )
            for row in rows
            for hour in [_hour(row["slot_at"])]
        }
    )


def _with_usable_kinds(warehouse: Warehouse, parts: Collection[FeedHour]) -> set[FeedHour]:
    """The feeds and hours whose kind was missing when they were loaded, and is usable now."""
    if not parts:
        return set()
    hours = {hour for hour, _ in parts}
    rows = warehouse.query(
        "SELECT DISTINCT feed, feed_kind, DATE_TRUNC('hour', slot_at) AS hour_at "
        "FROM warehouse.fact_poll WHERE outcome = 'unknown_kind' "
        "AND slot_at >= :first_at AND slot_at < :last_at",
        {"first_at": to_naive_utc(min(hours).start), "last_at": to_naive_utc(max(hours).end)},
    ).to_pylist()
    importlib.invalidate_caches()
    usable = {name for name in {row["feed_kind"] for row in rows} if _is_usable(name)}
    return {(_hour(row["hour_at"]), row["feed"]) for row in rows if row["feed_kind"] in usable}


def _is_usable(kind_name: str) -> bool:
    try:
        kind(kind_name)
    except UnusableKind:
        return False
    return True


def _row_counts(warehouse: Warehouse) -> Counts:
    counts: dict[tuple[str, Hour, str], int] = defaultdict(int)
    for flat_table in FLAT_TABLES:
        for row in warehouse.query(
            "SELECT feed, DATE_TRUNC('hour', slot_at) AS hour_at, COUNT(*) AS row_count "
            f"FROM {flat_table.full_name} GROUP BY 1, 2"
        ).to_pylist():
            counts[flat_table.name, _hour(row["hour_at"]), row["feed"]] = row["row_count"]
    hourly_marts = (mart for mart in marts.TABLES if mart.hour_column is not None)
    for derived in (*plans.FACTS, *hourly_marts):
        for row in warehouse.query(
            f"SELECT DATE_TRUNC('hour', slot_at) AS hour_at, COUNT(*) AS row_count "
            f"FROM {derived.full_name} GROUP BY 1"
        ).to_pylist():
            counts[derived.name, _hour(row["hour_at"]), ALL_FEEDS] = row["row_count"]
    for shared in _SHARED_TABLES:
        for row in warehouse.query(
            "SELECT entity_type, DATE_TRUNC('hour', slot_at) AS hour_at, COUNT(*) AS row_count "
            f"FROM warehouse.{shared} GROUP BY 1, 2"
        ).to_pylist():
            name = f"{shared}/{row['entity_type']}"
            counts[name, _hour(row["hour_at"]), ALL_FEEDS] = row["row_count"]
    return counts


def _hour(hour_at: datetime) -> Hour:
    return Hour.of(hour_at.replace(tzinfo=UTC))
