"""Which hours the warehouse lacks, by what the ledger and the tables say.

Belongs here: the comparison of archive, ledger and rows. Does not belong here: loading.

An hour is complete when each of its feeds is staged from its archive as it is now, every other
modelling asset is made from what is staged, both by the code as it is now, and all rows that the
ledger counts are there. Counting rows reads tables; `stale_hours` leaves it out, so that days can
be looked at every half minute.
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
from charging_assets.warehouse.ledger_rows import combine_inputs
from charging_assets.warehouse.plan import ALL_FEEDS, FeedHour, LoadInput

# The three dimensions share these tables, each with rows of its own type.
_BY_TYPE = (dimensions.ENTITY_OBSERVATION.name, dimensions.ENTITY_POLL.name)

# In the reason of an hour whose tables do not hold what the ledger counts.
MISCOUNTED = "the ledger counts"

# The reason of a loaded hour that staging an older one made stale (`modelling.staging`).
CONTESTED = "a key of the hour stands for an id of another hour"

_ANY_HOUR = Hour(FIRST_HOUR)
_LAST_HOUR = Hour.parse("9999-12-31T23")

# The rows of tables, by hour and, in flat tables, by feed.
Counts = Mapping[tuple[str, Hour, str], int]
# Ledger rows by asset, hour and feed.
_Rows = Mapping[tuple[str, Hour, str], "_Row"]


@dataclass(frozen=True)
class Pending:
    """An archived hour that the warehouse lacks, and why.

    `state` is what the hour should be loaded from, and by which code: `digest#code`. `feeds` are
    the states of the feeds that have to be staged again, by feed; where there are none, only tables
    of all feeds are stale.
    """

    hour: Hour
    reason: str
    state: str = ""
    feeds: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, str]:
        """The states of what is stale, by a key of the feed and hour, or of the hour alone."""
        if not self.feeds:
            return {self.hour.key: self.state}
        return {f"{self.hour.key} {feed}".strip(): state for feed, state in self.feeds.items()}

    def is_of(self, feed: str) -> bool:
        """Whether a feed's rows of the hour are not all what they should be."""
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

    `known` are the archived hours with their raw objects; `loaded` have any ledger row; `staged`
    are in staging now; `stale` are the archived hours whose rows an asset lacks, or has from other
    polls or code, by asset in the order of loading; `status_rows` is how many rows of flat_status
    an hour was staged with.
    """

    known: Mapping[Hour, Sequence[str]]
    loaded: frozenset[Hour]
    staged: frozenset[Hour]
    stale: Mapping[str, frozenset[Hour]]
    status_rows: Mapping[Hour, int]


@cache
def expected_versions() -> dict[str, str]:
    """The code version that each modelling asset's rows should have."""
    derived = {plan.asset: plan.code_version for plan in derived_plans(_ANY_HOUR)}
    return {STAGED: staging_version(flat_version()), **derived}


def pending_hours(lake: Lake, warehouse: Warehouse) -> list[Pending]:
    """The archived hours to load, oldest first."""
    known = loadable_hours(lake)
    try:
        ledger, counts = _ledger(warehouse), _row_counts(warehouse)
    except NoWarehouse:
        # Nothing was ever loaded. A warehouse that is locked is not taken for an empty one.
        ledger, counts = _Ledger({}), {}
    return _compared(lake, known, ledger, counts)


def stale_hours(lake: Lake, warehouse: Warehouse, days: Sequence[date]) -> list[Pending]:
    """The hours of some UTC days whose ledger is not of their archive or code, oldest first.

    Cost: a listing of each day, and the ledger rows between the first day and the last.
    """
    known = loadable_hours(lake, days)
    if not known:
        return []
    try:
        ledger = _ledger(warehouse, min(known), max(known))
    except NoWarehouse:
        ledger = _Ledger({})
    return _compared(lake, known, ledger, None)


def staleness(lake: Lake, warehouse: Warehouse) -> Staleness:
    """What is known, loaded and stale of every asset, for those who load many hours at once."""
    known = loadable_hours(lake)
    try:
        ledger, counts = _ledger(warehouse), _row_counts(warehouse)
    except NoWarehouse:
        ledger, counts = _Ledger({}), {}
    stale: dict[str, set[Hour]] = {asset: set() for asset in expected_versions()}
    identities = usable_identities(lake).identities
    for hour, keys in known.items():
        for found in _reasons(
            hour, _digests(keys, identities), expected_versions(), ledger, counts
        ):
            stale[found.asset].add(hour)
        # What is derived from an hour that will be staged anew is of another staging then.
        if hour in stale[STAGED]:
            for hours in stale.values():
                hours.add(hour)
    return Staleness(
        known=known,
        loaded=ledger.hours,
        staged=frozenset(
            hour
            for hour, of_feeds in ledger.staging.items()
            if all(row.is_staged for row in of_feeds.values())
        ),
        stale={asset: frozenset(hours) for asset, hours in stale.items()},
        status_rows={
            hour: sum(row.row_counts.get("flat_status", 0) for row in of_feeds.values())
            for hour, of_feeds in ledger.staging.items()
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
    """Why an asset is stale for an hour: a clause that reads well after "reason:"."""

    asset: str
    reason: str
    feed: str | None = None


def _digests(keys: Iterable[str], identities: Mapping[str, FeedIdentity]) -> dict[str, str]:
    """The archive digests of an hour's feeds; of an hour without polls that of no feed."""
    by_feed = keys_by_feed(keys) or {NO_FEED: []}
    return {feed: digest(of_feed, identities) for feed, of_feed in by_feed.items()}


def _compared(
    lake: Lake,
    known: Mapping[Hour, Sequence[str]],
    ledger: _Ledger,
    counts: Counts | None,
) -> list[Pending]:
    versions = expected_versions()
    code = hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:8]
    identities = usable_identities(lake).identities
    pending = []
    for hour, keys in known.items():
        digests = _digests(keys, identities)
        found = list(_reasons(hour, digests, versions, ledger, counts))
        if found:
            # A feed that is gone from the archive has no digest.
            feeds = {
                each.feed: f"{digests.get(each.feed, '')}#{code}"
                for each in found
                if each.feed is not None
            }
            state = f"{digest(feed + of_feed for feed, of_feed in digests.items())}#{code}"
            if len(digests) == 1:
                state = f"{next(iter(digests.values()))}#{code}"
            pending.append(Pending(hour, _describe(found, len(digests)), state, feeds))
    return pending


def _describe(found: Sequence[_Reason], feed_count: int) -> str:
    """The first reason, with the feeds that it is of where others of the hour are loaded."""
    first = found[0]
    feeds = [each.feed for each in found if each.feed is not None and each.reason == first.reason]
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
    """What is stale of an hour, and why."""
    staged = ledger.staging.get(hour, {})
    for feed, archive_digest in digests.items():
        reason = _staging_reason(hour, feed, archive_digest, versions, ledger, counts)
        if reason:
            yield _Reason(STAGED, reason, feed)
    for feed in staged.keys() - digests.keys():
        yield _Reason(STAGED, "a feed that was loaded is no longer archived", feed)
    made_from = combine_inputs(
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
        # A load that was cut off after staging: what is derived is still of the flat files before.
        elif not staged or row.input_digest != made_from.digest:
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
    """Why a feed's hour has to be staged again."""
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
        held = _held(asset, name, hour, feed, counts)
        if held is not None and row.is_staged and held != expected:
            return f"{name} has {held:,} rows, {MISCOUNTED} {expected:,}"
    return None


def _held(asset: str, name: str, hour: Hour, feed: str, counts: Counts | None) -> int | None:
    """The rows that a table holds of an hour; None where it is not partitioned by hour."""
    if counts is None:
        return None
    if name in _BY_TYPE:
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
    lacking = {
        (_hour(row["slot_at"]), row["feed"])
        for row in rows
        if row["asset"] == STAGED and (row["archive_digest"] or "").endswith(UNKNOWN_KIND)
    }
    still_lacking = lacking - _with_kinds_again(warehouse, lacking)
    return _Ledger(
        {
            (row["asset"], hour, row["feed"]): _Row(
                # A kind that is still missing is no reason to load the hour again.
                row["archive_digest"].removesuffix(UNKNOWN_KIND)
                if (hour, row["feed"]) in still_lacking and row["archive_digest"]
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


def _with_kinds_again(warehouse: Warehouse, parts: Collection[FeedHour]) -> set[FeedHour]:
    """Those of which a kind that was missing when they were loaded can be used now."""
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
    for found in FLAT_TABLES:
        for row in warehouse.query(
            "SELECT feed, DATE_TRUNC('hour', slot_at) AS hour_at, COUNT(*) AS row_count "
            f"FROM {found.full_name} GROUP BY 1, 2"
        ).to_pylist():
            counts[found.name, _hour(row["hour_at"]), row["feed"]] = row["row_count"]
    hourly = (table for table in marts.TABLES if table.hour_column is not None)
    for found in (*plans.FACTS, *hourly):
        for row in warehouse.query(
            f"SELECT DATE_TRUNC('hour', slot_at) AS hour_at, COUNT(*) AS row_count "
            f"FROM {found.full_name} GROUP BY 1"
        ).to_pylist():
            counts[found.name, _hour(row["hour_at"]), ALL_FEEDS] = row["row_count"]
    for shared in _BY_TYPE:
        for row in warehouse.query(
            "SELECT entity_type, DATE_TRUNC('hour', slot_at) AS hour_at, COUNT(*) AS row_count "
            f"FROM warehouse.{shared} GROUP BY 1, 2"
        ).to_pylist():
            name = f"{shared}/{row['entity_type']}"
            counts[name, _hour(row["hour_at"]), ALL_FEEDS] = row["row_count"]
    return counts


def _hour(hour_at: datetime) -> Hour:
    return Hour.of(hour_at.replace(tzinfo=UTC))
