"""Operational tables of schema `ops`: the ledger of loads, missed slots, gaps, key conflicts.

The table of rejects is in `flat`.
"""

from __future__ import annotations

from charging_assets import names
from charging_assets.schemas.table import Table, at, count, flag, json, key, text

LEDGER = Table(
    schema="ops",
    name="ledger",
    grain="one row per asset, feed and hour that is loaded: from what, by which code, which rows",
    key=("asset", "feed", "slot_at"),
    columns=(
        text("asset", 64, "asset that was loaded", nullable=False),
        text(
            "feed",
            names.FEED.max_bytes,
            "feed that was loaded (staged_tables); empty where the rows are those of all feeds",
            nullable=False,
        ),
        at("slot_at", "start of the hour"),
        text("archive_digest", 64, "hash of the hour's raw objects of the feed, where it is known"),
        text("input_digest", 64, "hash of what the load was made from", nullable=False),
        text("code_version", 64, "hash of the code and schema that made it", nullable=False),
        count("row_count", "rows in the load's scopes", "rows"),
        json("row_counts", "rows for each table"),
        flag("is_staged", "its rows are in staging (false once pruned)", nullable=False),
        at("loaded_at", "when the load was committed"),
        text(
            "load_id", 32, "load that wrote the row; shows whether an unconfirmed commit succeeded"
        ),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)

MISSED_SLOTS = Table(
    schema="ops",
    name="missed_slots",
    grain="one row per feed and slot whose poll was missed, as recorded in the lake",
    key=("feed", "slot_at"),
    columns=(
        text("feed", names.FEED.max_bytes, "feed", nullable=False),
        at("slot_at", "slot that was missed"),
        text("reason", 1024, "reason, as far as known", nullable=False),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)

GAPS = Table(
    schema="ops",
    name="gaps",
    grain="one row per hour without polls, of a feed or of all, that was accepted as lost "
    "(`charging-assets accept-gap`)",
    key=("feed", "slot_at"),
    columns=(
        text(
            "feed",
            names.FEED.max_bytes,
            "feed that has no polls; empty where no feed has any",
            nullable=False,
        ),
        at("slot_at", "start of the hour"),
        text("reason", 1024, "reason given when it was accepted", nullable=False),
        at("accepted_at", "when it was accepted"),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)

KEY_CONFLICT = Table(
    schema="ops",
    name="key_conflict",
    grain="one row per hour, key shared by several ids, and id published in the hour",
    key=("entity_type", "entity_key", "identity_hash", "slot_at"),
    columns=(
        at("slot_at", "first slot of the hour in which the id was published"),
        text("entity_type", 16, "station, evse or connector", nullable=False),
        key("entity_key", "key that the ids share"),
        key("identity_hash", "second hash of the id, which differs between the ids"),
        text("entity_id", 128, "published id", nullable=False),
        flag(
            "is_rejected",
            "its records are rejects of the hour; false for the id that owns the key",
            nullable=False,
        ),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)

OPS_TABLES: tuple[Table, ...] = (LEDGER, MISSED_SLOTS, GAPS, KEY_CONFLICT)
