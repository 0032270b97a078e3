"""Rules about how much there is: nothing lost, nothing doubled, nothing missing.

Belongs here: balances between steps, expected slots and places, comparison with past weeks, what
quarantine holds. Does not belong here: single values (`domain`), keys (`keys`).
"""

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
from charging_assets.checks.rules import Rule, Scene, Severity, flat, warehouse
from charging_assets.hours import slot_of
from charging_assets.lake.flat_files import StaleFlatFile, open_flat
from charging_assets.lake.store import Lake, LakeError
from charging_assets.modelling import plans
from charging_assets.modelling.staging import ASSET as STAGED
from charging_assets.preprocessing.flatten_hours import flatten_failure
from charging_assets.publication.publish import published_counts
from charging_assets.schemas.flat import FLAT_POLLS
from charging_assets.warehouse.interface import NoWarehouse

_BUG = "materialize the hour again from its raw objects; if it stays, this is a bug"
_QUARANTINE = "look at the fragments in `ops.flat_rejects` and at the raw object; once the reader "
_QUARANTINE += "is mended, materialize the hour again: nothing was lost"


def _unpolled_slots(scene: Scene) -> list[dict[str, Any]]:
    """Slots of the feed's cadence in which it has no poll, up to now."""
    rows = []
    for feed in feeds_archived(scene.lake):
        keys = hour_keys(scene.lake, [feed], scene.hour)
        cadence = _cadence(scene.lake, keys)
        if cadence is None:
            continue
        polled = {slot_of(slot_of_key(key), cadence) for key in keys}
        slot = scene.hour.start
        while slot < scene.hour.end and slot + cadence <= scene.now:
            if slot not in polled:
                rows.append({"feed": feed, "slot_at": slot.isoformat()})
            slot += cadence
    return rows


def _cadence(lake: Lake, keys: Iterable[str]) -> timedelta | None:
    """The cadence of the first poll that can be read; a damaged one is no reason not to check."""
    for key in keys:
        try:
            return timedelta(seconds=next(read(lake, key)).poll.cadence_s)
        except (CorruptArchive, LakeError, StopIteration):
            continue
    return None


def _unstaged_feeds(scene: Scene) -> list[dict[str, Any]]:
    """Feeds of the hour that cannot be loaded from their archive as it is, and why.

    A poll that was archived after the hour was flattened is none: the hour is loaded again.
    """
    keys = hour_keys(scene.lake, feeds_archived(scene.lake), scene.hour)
    by_feed, staged = keys_by_feed(keys), _staged_digests(scene)
    identities = usable_identities(scene.lake).identities
    rows = []
    for feed, of_feed in by_feed.items():
        wanted = digest(of_feed, identities)
        if staged.get(feed, "").removesuffix(UNKNOWN_KIND) == wanted:
            continue
        reason = flatten_failure(scene.lake, feed, of_feed)
        if reason is None and _flat_digest(scene, feed) == wanted:
            reason = "its flat files cannot be staged: see `failed_feeds` of staged_tables"
        if reason is not None:
            rows.append(
                {
                    "feed": feed,
                    "hour": scene.hour.key,
                    "reason": reason,
                    "raw_objects": scene.lake.uri(of_feed[0].rsplit("/", 1)[0]),
                    "has_earlier_rows": feed in staged,
                }
            )
    return rows


def _staged_digests(scene: Scene) -> dict[str, str]:
    """The archive digests of what is loaded of the hour, by feed."""
    try:
        rows = scene.in_warehouse(
            "SELECT feed, archive_digest FROM ops.ledger "
            "WHERE asset = :asset AND slot_at = :window_start",
            asset=STAGED,
        ).to_pylist()
    except NoWarehouse:
        return {}
    return {row["feed"]: row["archive_digest"] or "" for row in rows}


def _flat_digest(scene: Scene, feed: str) -> str | None:
    try:
        file = open_flat(scene.lake, FLAT_POLLS, feed, scene.hour)
    except StaleFlatFile:
        return None
    return file.archive_digest.removesuffix(UNKNOWN_KIND)


def _unpublished(scene: Scene) -> list[dict[str, Any]]:
    """Published files whose rows are not as many as the warehouse has."""
    counts = published_counts(scene.lake, scene.warehouse, scene.hour)
    return [
        {"file": key, "published_rows": held, "warehouse_rows": wanted}
        for key, (held, wanted) in counts.items()
        if held != wanted
    ]


RULES = (
    Rule(
        "raw_api_snapshots", "every_slot_was_polled",
        "Each feed of the hour has a poll in every slot of its cadence, up to now.",
        "what was not asked is lost: look why nothing polled; import files that others archived",
        _unpolled_slots,
    ),
    Rule(
        "flat_polls", "every_place_answered",
        "Each place that was asked gave a usable answer in every poll of the hour.",
        "nothing, if it passes by itself; a place that fails for a day may have been renamed: "
        "look at its outcome, and at the feed's list of places",
        flat("flat_polls__every_place_answered"),
    ),
    Rule(
        "flat_rejects", "no_id_twice", "No answer holds an id more than once.",
        "of the records of an id one that is not REMOVED or PLANNED counts, the others are in "
        "`ops.flat_rejects`; if EVSE ids are unique at their station only, set "
        '`ids_within = "parent"` for the feed and load again, else tell the operator',
        flat("flat_rejects__no_id_twice"),
    ),
    Rule(
        "staged_tables", "every_feed_is_staged",
        "Each feed of the hour is staged from its archive as it is.",
        "other feeds of the hour are loaded, and of this one what was loaded before; restore a "
        "damaged raw object from a backup, or mend the feed's kind, and materialize the hour again "
        "(`charging-assets load`)",
        _unstaged_feeds, Severity.ERROR,
    ),
    Rule(
        "staged_tables", "input_rows_are_loaded_or_rejected",
        "Every record in the hour's answers is a staged row or a reject.",
        _BUG, warehouse("staged_balance"), Severity.ERROR,
        reads_staging=True,
    ),
    Rule(
        "staged_tables", "no_two_ids_share_a_key",
        "The key of each published id stands for no other id.",
        "of ids with the same 64-bit key the one that was published first is loaded, the others "
        "and what belongs to them are in `ops.flat_rejects`; this does not happen by chance: tell "
        "the operator, and look at what else it publishes",
        warehouse("staged_tables__no_two_ids_share_a_key"), is_of_spans=True,
    ),
    Rule(
        "staged_tables", "no_new_reject_code",
        "Nothing is rejected for a reason that four weeks before did not have.",
        _QUARANTINE, warehouse("staged_tables__no_new_reject_code"),
    ),
    Rule(
        "staged_tables", "no_place_is_rejected_completely",
        "No place has all its bodies, or all records of a sort, rejected.",
        _QUARANTINE, warehouse("staged_tables__no_place_is_rejected_completely"), Severity.ERROR,
        reads_staging=True,
    ),
    *(
        Rule(
            entity.dimension.name, "versions_are_contiguous",
            "Each version ends where the next one begins, and only the last is current.",
            _BUG, warehouse("version_overlaps", entity_type=entity.name), Severity.ERROR,
            is_of_spans=True,
        )
        for entity in plans.ENTITIES
    ),
    Rule(
        "fact_poll", "matches_staged_polls", "The fact has every staged poll, and no other.",
        _BUG, warehouse("fact_poll__matches_staged_polls"), Severity.ERROR,
        reads_staging=True, is_of_spans=True,
    ),
    Rule(
        "fact_poll", "volume_matches_past_weeks",
        "Each place tells of as many EVSEs, in as many polls, as in the same hour of past weeks.",
        "a place that shrank may have moved stations to another, or answer in part: compare its "
        "raw objects; nothing is closed by an answer that shrank suddenly",
        warehouse("fact_poll__volume_matches_past_weeks"),
    ),
    Rule(
        "fact_status", "covers_every_polled_row",
        "The runs' poll counts add up to the rows polled, place by place.",
        _BUG, warehouse("fact_status_balance"), Severity.ERROR,
        reads_staging=True,
    ),
    Rule(
        "mart_station_hour", "seconds_match_its_evses",
        "The seconds of a feed's stations are those of its EVSEs.", _BUG,
        warehouse("mart_station_hour__seconds_match_its_evses"), Severity.ERROR,
        needs=("mart_evse_hour",),
    ),
    Rule(
        "published_tables", "files_have_the_rows_of_the_warehouse",
        "Each published file that the hour touches has as many rows as the warehouse.",
        "materialize published_tables for the hour again",
        _unpublished, Severity.ERROR,
    ),
)  # fmt: skip
