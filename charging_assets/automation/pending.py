"""Which hours the warehouse lacks, by what the ledger and the tables say.

Belongs here: the comparison of archive, ledger and rows. Does not belong here: loading.

An hour is complete when every modelling asset has a ledger row made from the hour's archive as it
is now, by the code as it is now, and all rows that the ledger counts are there. Counting rows reads
tables; `stale_hours` leaves it out, so that days can be looked at every half minute.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

from charging_assets.acquisition.archive import UNKNOWN_KIND, digest
from charging_assets.acquisition.hour import hours_known
from charging_assets.acquisition.identities import effective_identities
from charging_assets.kinds import UnusableKind, kind
from charging_assets.modelling import marts, plans
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import ASSET as STAGED
from charging_assets.modelling.staging import staging_version
from charging_assets.partitions import FIRST_HOUR, Hour, naive
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas import dimensions
from charging_assets.schemas.catalog import table
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.storage.lake import Lake
from charging_assets.storage.warehouse import NoWarehouse, Warehouse

# The three dimensions share these tables, each with rows of its own type.
_BY_TYPE = (dimensions.ENTITY_SIGHTING.name, dimensions.ENTITY_POLL.name)

# In the reason of an hour whose tables do not hold what the ledger counts.
MISCOUNTED = "the ledger counts"

# The reason of a loaded hour that staging an older one made stale (`modelling.staging`).
CONTESTED = "a key of the hour stands for an id of another hour"

_ANY_HOUR = Hour(FIRST_HOUR)
_LAST_HOUR = Hour.parse("9999-12-31T23")

Counts = Mapping[tuple[str, Hour], int]


@dataclass(frozen=True)
class Pending:
    """An archived hour that the warehouse lacks, and why.

    `state` is what the hour should be loaded from, and by which code: `digest#code`.
    """

    hour: Hour
    reason: str
    state: str = ""


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
    known = hours_known(lake)
    try:
        ledger, counts = _ledger(warehouse), _row_counts(warehouse)
    except NoWarehouse:
        # Nothing was ever loaded. A warehouse that is locked is not taken for an empty one.
        ledger, counts = {}, {}
    return _compared(lake, known, ledger, counts)


def stale_hours(lake: Lake, warehouse: Warehouse, days: Sequence[date]) -> list[Pending]:
    """The hours of some UTC days whose ledger is not of their archive or code, oldest first.

    Cost: a listing of each day, and the ledger rows between the first day and the last.
    """
    known = hours_known(lake, days)
    if not known:
        return []
    try:
        ledger = _ledger(warehouse, min(known), max(known))
    except NoWarehouse:
        ledger = {}
    return _compared(lake, known, ledger, None)


def staleness(lake: Lake, warehouse: Warehouse) -> Staleness:
    """What is known, loaded and stale of every asset, for those who load many hours at once."""
    known = hours_known(lake)
    try:
        ledger, counts = _ledger(warehouse), _row_counts(warehouse)
    except NoWarehouse:
        ledger, counts = {}, {}
    stale: dict[str, set[Hour]] = {asset: set() for asset in expected_versions()}
    identities = effective_identities(lake)
    for hour, keys in known.items():
        for asset, _ in _reasons(
            hour, digest(keys, identities), expected_versions(), ledger, counts
        ):
            stale[asset].add(hour)
        # What is derived from an hour that will be staged anew is of another staging then.
        if hour in stale[STAGED]:
            for hours in stale.values():
                hours.add(hour)
    staging = {hour: row for (asset, hour), row in ledger.items() if asset == STAGED}
    return Staleness(
        known=known,
        loaded=frozenset(hour for _, hour in ledger),
        staged=frozenset(hour for hour, row in staging.items() if row.is_staged),
        stale={asset: frozenset(hours) for asset, hours in stale.items()},
        status_rows={hour: row.row_counts.get("flat_status", 0) for hour, row in staging.items()},
    )


def _compared(
    lake: Lake,
    known: Mapping[Hour, Sequence[str]],
    ledger: Mapping[tuple[str, Hour], _Row],
    counts: Counts | None,
) -> list[Pending]:
    versions = expected_versions()
    code = hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:8]
    identities = effective_identities(lake)
    digests = {hour: digest(keys, identities) for hour, keys in known.items()}
    return [
        Pending(hour, reason, f"{archive_digest}#{code}")
        for hour, archive_digest in digests.items()
        if (reason := _reason(hour, archive_digest, versions, ledger, counts))
    ]


def _reason(
    hour: Hour,
    archive_digest: str,
    versions: Mapping[str, str],
    ledger: Mapping[tuple[str, Hour], _Row],
    counts: Counts | None,
) -> str | None:
    reasons = _reasons(hour, archive_digest, versions, ledger, counts)
    return next((reason for _, reason in reasons), None)


def _reasons(
    hour: Hour,
    archive_digest: str,
    versions: Mapping[str, str],
    ledger: Mapping[tuple[str, Hour], _Row],
    counts: Counts | None,
) -> Iterator[tuple[str, str]]:
    """The assets that are stale for an hour, and why: a clause that reads well after "reason:"."""
    staged = ledger.get((STAGED, hour))
    for asset, version in versions.items():
        row = ledger.get((asset, hour))
        if row is None and asset == STAGED:
            is_derived = any((other, hour) in ledger for other in versions)
            yield asset, CONTESTED if is_derived else "not yet staged"
        elif row is None:
            yield asset, f"{asset} not yet loaded"
        elif row.archive_digest == archive_digest + UNKNOWN_KIND:
            yield asset, f"a feed kind is installed that was missing when {asset} was loaded"
        elif row.archive_digest != archive_digest:
            yield (
                asset,
                f"the polls or the feed's identity settings changed after {asset} was loaded",
            )
        elif row.code_version != version:
            yield asset, f"the code or schema of {asset} changed"
        # A load that was cut off after staging: what is derived is still of the flat files before.
        elif staged is None or row.input_digest != staged.input_digest:
            yield asset, f"the hour was staged again after {asset} was loaded"
        elif reason := _miscounted(asset, hour, row, counts):
            yield asset, reason


def _miscounted(asset: str, hour: Hour, row: _Row, counts: Counts | None) -> str | None:
    for name, expected in row.row_counts.items():
        held = _held(asset, name, hour, counts)
        if held is not None and row.is_staged and held != expected:
            return f"{name} has {held:,} rows, {MISCOUNTED} {expected:,}"
    return None


def _held(asset: str, name: str, hour: Hour, counts: Counts | None) -> int | None:
    """The rows that a table holds of an hour; None where it is not partitioned by hour."""
    if counts is None:
        return None
    if name in _BY_TYPE:
        name = f"{name}/{asset.removeprefix('dim_')}"
    elif table(name).hour_column is None:
        return None
    return counts.get((name, hour), 0)


def _ledger(
    warehouse: Warehouse, first: Hour = _ANY_HOUR, last: Hour = _LAST_HOUR
) -> dict[tuple[str, Hour], _Row]:
    rows = warehouse.query(
        "SELECT asset, slot_at, archive_digest, input_digest, code_version, row_counts, is_staged "
        "FROM ops.ledger WHERE slot_at >= :first_at AND slot_at <= :last_at",
        {"first_at": naive(first.start), "last_at": naive(last.start)},
    ).to_pylist()
    lacking = {
        _hour(row["slot_at"])
        for row in rows
        if (row["archive_digest"] or "").endswith(UNKNOWN_KIND)
    }
    still_lacking = lacking - _with_kinds_again(warehouse, lacking)
    return {
        (row["asset"], hour): _Row(
            # A kind that is still missing is no reason to load the hour again.
            row["archive_digest"].removesuffix(UNKNOWN_KIND)
            if hour in still_lacking and row["archive_digest"]
            else row["archive_digest"],
            row["input_digest"],
            row["code_version"],
            json.loads(row["row_counts"]),
            row["is_staged"],
        )
        for row in rows
        for hour in [_hour(row["slot_at"])]
    }


def _with_kinds_again(warehouse: Warehouse, hours: Collection[Hour]) -> set[Hour]:
    """Those of the hours of which a kind that was missing when they were loaded can be used now."""
    if not hours:
        return set()
    rows = warehouse.query(
        "SELECT DISTINCT feed_kind, DATE_TRUNC('hour', slot_at) AS hour_at "
        "FROM warehouse.fact_poll WHERE outcome = 'unknown_kind' "
        "AND slot_at >= :first_at AND slot_at < :last_at",
        {"first_at": naive(min(hours).start), "last_at": naive(max(hours).end)},
    ).to_pylist()
    importlib.invalidate_caches()
    usable = {name for name in {row["feed_kind"] for row in rows} if _is_usable(name)}
    return {_hour(row["hour_at"]) for row in rows if row["feed_kind"] in usable}


def _is_usable(kind_name: str) -> bool:
    try:
        kind(kind_name)
    except UnusableKind:
        return False
    return True


def _row_counts(warehouse: Warehouse) -> Counts:
    counts: dict[tuple[str, Hour], int] = defaultdict(int)
    hourly = (table for table in marts.TABLES if table.hour_column is not None)
    for found in (*FLAT_TABLES, *plans.FACTS, *hourly):
        for row in warehouse.query(
            f"SELECT DATE_TRUNC('hour', slot_at) AS hour_at, COUNT(*) AS row_count "
            f"FROM {found.full_name} GROUP BY 1"
        ).to_pylist():
            counts[found.name, _hour(row["hour_at"])] = row["row_count"]
    for shared in _BY_TYPE:
        for row in warehouse.query(
            "SELECT entity_type, DATE_TRUNC('hour', slot_at) AS hour_at, COUNT(*) AS row_count "
            f"FROM warehouse.{shared} GROUP BY 1, 2"
        ).to_pylist():
            counts[f"{shared}/{row['entity_type']}", _hour(row["hour_at"])] = row["row_count"]
    return counts


def _hour(hour_at: datetime) -> Hour:
    return Hour.of(hour_at.replace(tzinfo=UTC))
