"""Rules about completeness: expected polls, row balances between steps, volume, rejects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from charging_assets.archive.identities import usable_identities
from charging_assets.archive.raw_archive import (
    UNKNOWN_KIND,
    digest,
    feeds_archived,
    hour_keys,
    keys_by_feed,
    read,
)
from charging_assets.archive.raw_objects import CorruptArchive, slot_of_key
from charging_assets.checks.rules import (
    CheckContext,
    Rule,
    Severity,
    from_flat_files,
    from_warehouse,
)
from charging_assets.hours import slot_of
from charging_assets.lake.flat_files import StaleFlatFile, open_flat
from charging_assets.lake.store import Lake, LakeError
from charging_assets.modelling import plans
from charging_assets.modelling.staging import ASSET as STAGED
from charging_assets.preprocessing.flatten_hours import flatten_failure
from charging_assets.publication.publish import published_counts
from charging_assets.schemas.flat import FLAT_POLLS
from charging_assets.warehouse.interface import NoWarehouse

_RELOAD = "materialize the hour again from its raw objects; if it persists, report a bug"
_FIX_READER = (
    "compare the fragments in `ops.flat_rejects` with the raw object; fix the reader, then "
    "materialize the hour again: the raw archive still has all records"
)


def _unpolled_slots(context: CheckContext) -> list[dict[str, Any]]:
    """Slots without a poll, by the cadence of each feed, up to now."""
    rows = []
    for feed in feeds_archived(context.lake):
        keys = hour_keys(context.lake, [feed], context.hour)
        cadence = _cadence(context.lake, keys)
        if cadence is None:
            continue
        polled = {slot_of(slot_of_key(key), cadence) for key in keys}
        slot = context.hour.start
        while slot < context.hour.end and slot + cadence <= context.now:
            if slot not in polled:
                rows.append({"feed": feed, "slot_at": slot.isoformat()})
            slot += cadence
    return rows


def _cadence(lake: Lake, keys: Iterable[str]) -> timedelta | None:
    """The cadence of the first readable poll; None if there is none."""
    for key in keys:
        try:
            return timedelta(seconds=next(read(lake, key)).poll.cadence_s)
        except (CorruptArchive, LakeError, StopIteration):
            continue
    return None


def _unstaged_feeds(context: CheckContext) -> list[dict[str, Any]]:
    """Feeds of the hour that cannot be loaded from their current archive, with the reason.

    A feed with polls that were archived after flattening is not reported: the hour will be loaded
    again.
    """
    keys = hour_keys(context.lake, feeds_archived(context.lake), context.hour)
    by_feed, staged = keys_by_feed(keys), _staged_digests(context)
    identities = usable_identities(context.lake).identities
    rows = []
    for feed, feed_keys in by_feed.items():
        expected_digest = digest(feed_keys, identities)
        if staged.get(feed, "").removesuffix(UNKNOWN_KIND) == expected_digest:
            continue
        reason = flatten_failure(context.lake, feed, feed_keys)
        if reason is None and _flat_digest(context, feed) == expected_digest:
            reason = (
                "its flat files cannot be staged: see the metadata `failed_feeds` of staged_tables"
            )
        if reason is not None:
            rows.append(
                {
                    "feed": feed,
                    "hour": context.hour.key,
                    "reason": reason,
                    "raw_objects": context.lake.uri(feed_keys[0].rsplit("/", 1)[0]),
                    "has_earlier_rows": feed in staged,
                }
            )
    return rows


def _staged_digests(context: CheckContext) -> dict[str, str]:
    """The archive digest from which each feed of the hour was loaded; empty if unknown."""
    try:
        rows = context.query_warehouse(
            "SELECT feed, archive_digest FROM ops.ledger "
            "WHERE asset = :asset AND slot_at = :window_start",
            asset=STAGED,
        ).to_pylist()
    except NoWarehouse:
        return {}
    return {row["feed"]: row["archive_digest"] or "" for row in rows}


def _flat_digest(context: CheckContext, feed: str) -> str | None:
    try:
        file = open_flat(context.lake, FLAT_POLLS, feed, context.hour)
    except StaleFlatFile:
        return None
    return file.archive_digest.removesuffix(UNKNOWN_KIND)


def _unpublished(context: CheckContext) -> list[dict[str, Any]]:
    """Published files whose row count differs from the warehouse."""
    counts = published_counts(context.lake, context.warehouse, context.hour)
    return [
        {"file": key, "published_rows": published_rows, "warehouse_rows": warehouse_rows}
        for key, (published_rows, warehouse_rows) in counts.items()
        if published_rows != warehouse_rows
    ]


RULES = (
    Rule(
        "raw_api_snapshots", "every_slot_was_polled",
        "Each feed of the hour has a poll in every slot of its cadence, up to now.",
        "find out why nothing polled: a missed slot cannot be polled later; import the files of "
        "another archive if there is one",
        _unpolled_slots,
    ),
    Rule(
        "flat_polls", "every_place_answered",
        "Each polled place returned a usable response in every poll of the hour.",
        "nothing if the failure is transient; a place that fails for a day may have been renamed: "
        "check its outcome, and the list of places of the feed",
        from_flat_files("flat_polls__every_place_answered"),
    ),
    Rule(
        "flat_rejects", "no_id_twice", "No response contains an id more than once.",
        "one record per id is loaded, preferably one that is not REMOVED or PLANNED; the others "
        "are in `ops.flat_rejects`; if EVSE ids are unique within a station only, set "
        '`ids_within = "parent"` for the feed in your feeds file and load the hours again; '
        "otherwise report it to the operator",
        from_flat_files("flat_rejects__no_id_twice"),
    ),
    Rule(
        "staged_tables", "every_feed_is_staged",
        "Each feed of the hour is staged from its current archive.",
        "restore a damaged raw object from a backup, or fix the source kind of the feed, then "
        "materialize the hour again (`charging-assets load`); meanwhile the other feeds are "
        "loaded, and this feed keeps its earlier rows",
        _unstaged_feeds, Severity.ERROR,
    ),
    Rule(
        "staged_tables", "input_rows_are_loaded_or_rejected",
        "Every record in the responses of the hour is either staged or rejected; for statuses, in "
        "every poll.",
        _RELOAD, from_warehouse("staged_balance"), Severity.ERROR,
        reads_staging=True,
    ),
    Rule(
        "staged_tables", "no_two_ids_share_a_key",
        "No two published ids have the same key.",
        "the id that was published first is loaded; the others and their children are in "
        "`ops.flat_rejects`; 64-bit keys do not collide by chance: report it to the operator, and "
        "check what else it publishes",
        from_warehouse("staged_tables__no_two_ids_share_a_key"), is_span_safe=True,
    ),
    Rule(
        "staged_tables", "no_new_reject_code",
        "No reject code is new, compared with the past four weeks.",
        _FIX_READER, from_warehouse("staged_tables__no_new_reject_code"),
    ),
    Rule(
        "staged_tables", "no_place_is_rejected_completely",
        "No place has all its bodies, or all its records of an entity type, rejected.",
        _FIX_READER, from_warehouse("staged_tables__no_place_is_rejected_completely"),
        Severity.ERROR, reads_staging=True,
    ),
    *(
        Rule(
            entity.dimension.name, "versions_are_contiguous",
            "Each version ends where the next begins, and only the last is current.",
            _RELOAD, from_warehouse("version_overlaps", entity_type=entity.name), Severity.ERROR,
            is_span_safe=True,
        )
        for entity in plans.ENTITIES
    ),
    Rule(
        "fact_poll", "matches_staged_polls", "The fact has exactly the staged polls.",
        _RELOAD, from_warehouse("fact_poll__matches_staged_polls"), Severity.ERROR,
        reads_staging=True, is_span_safe=True,
    ),
    Rule(
        "fact_poll", "volume_matches_past_weeks",
        "Each place has about as many EVSEs, in as many good polls, as in the same hour of past "
        "weeks.",
        "compare the raw objects of the place: stations may have moved to another place, or the "
        "response may be incomplete; a sudden drop does not close any station",
        from_warehouse("fact_poll__volume_matches_past_weeks"),
    ),
    Rule(
        "fact_status", "covers_every_polled_row",
        "The runs of each place have the polled statuses of its staged runs, slot by slot.",
        _RELOAD, from_warehouse("fact_status_balance"), Severity.ERROR,
        reads_staging=True,
    ),
    Rule(
        "mart_station_hour", "seconds_match_its_evses",
        "For each feed, the seconds of its stations add up to those of its EVSEs.", _RELOAD,
        from_warehouse("mart_station_hour__seconds_match_its_evses"), Severity.ERROR,
        needs=("mart_evse_hour",),
    ),
    Rule(
        "published_tables", "files_have_the_rows_of_the_warehouse",
        "Each published file that the hour affects has as many rows as the warehouse.",
        "materialize published_tables for the hour again",
        _unpublished, Severity.ERROR,
    ),
)  # fmt: skip
