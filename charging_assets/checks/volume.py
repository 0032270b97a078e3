"""Rules about how much there is: nothing lost, nothing doubled, nothing missing.

Belongs here: balances between steps, expected slots and places, comparison with past weeks, what
quarantine holds. Does not belong here: single values (`domain`), keys (`keys`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from charging_assets.acquisition.archive import feeds_archived, hour_keys, read
from charging_assets.acquisition.raw_objects import slot_of_key
from charging_assets.checks.rules import Rule, Scene, Severity, flat, warehouse
from charging_assets.modelling import plans
from charging_assets.partitions import slot_of
from charging_assets.storage.publish import published_counts

_BUG = "materialize the hour again from its raw objects; if it stays, this is a bug"
_QUARANTINE = "look at the fragments in `ops.flat_rejects` and at the raw object; once the reader "
_QUARANTINE += "is mended, materialize the hour again: nothing was lost"


def _unpolled_slots(scene: Scene) -> list[dict[str, Any]]:
    """Slots of the feed's cadence in which it has no poll, up to now."""
    rows = []
    for feed in feeds_archived(scene.lake):
        keys = hour_keys(scene.lake, [feed], scene.hour)
        if not keys:
            continue
        cadence = timedelta(seconds=next(read(scene.lake, keys[0])).poll.cadence_s)
        polled = {slot_of(slot_of_key(key), cadence) for key in keys}
        slot = scene.hour.start
        while slot < scene.hour.end and slot + cadence <= scene.now:
            if slot not in polled:
                rows.append({"feed": feed, "slot_at": slot.isoformat()})
            slot += cadence
    return rows


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
        "staged_tables", "rows_in_are_loaded_or_rejected",
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
        "staged_tables", "no_place_is_set_aside_whole",
        "No place has all its bodies, or all records of a sort, rejected.",
        _QUARANTINE, warehouse("staged_tables__no_place_is_set_aside_whole"), Severity.ERROR,
        reads_staging=True,
    ),
    *(
        Rule(
            entity.dimension.name, "versions_follow_each_other",
            "Each version ends where the next one begins, and only the last is current.",
            _BUG, warehouse("version_overlaps", entity_type=entity.name), Severity.ERROR,
            is_of_spans=True,
        )
        for entity in plans.ENTITIES
    ),
    Rule(
        "fact_poll", "is_every_staged_poll", "The fact has every staged poll, and no other.",
        _BUG, warehouse("fact_poll__is_every_staged_poll"), Severity.ERROR,
        reads_staging=True, is_of_spans=True,
    ),
    Rule(
        "fact_poll", "volume_is_that_of_past_weeks",
        "Each place tells of as many EVSEs, in as many polls, as in the same hour of past weeks.",
        "a place that shrank may have moved stations to another, or answer in part: compare its "
        "raw objects; nothing is closed by an answer that shrank suddenly",
        warehouse("fact_poll__volume_is_that_of_past_weeks"),
    ),
    Rule(
        "fact_status", "stands_for_every_row_polled",
        "The runs' poll counts add up to the rows polled, place by place.",
        _BUG, warehouse("fact_status_balance"), Severity.ERROR,
        reads_staging=True,
    ),
    Rule(
        "mart_station_hour", "seconds_are_those_of_its_evses",
        "The seconds of a feed's stations are those of its EVSEs.", _BUG,
        warehouse("mart_station_hour__seconds_are_those_of_its_evses"), Severity.ERROR,
        needs=("mart_evse_hour",),
    ),
    Rule(
        "published_tables", "files_have_the_rows_of_the_warehouse",
        "Each published file that the hour touches has as many rows as the warehouse.",
        "materialize published_tables for the hour again",
        _unpublished, Severity.ERROR,
    ),
)  # fmt: skip
