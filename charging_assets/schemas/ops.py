"""The tables by which the system knows itself: the ledger of loads, missed slots, gaps.

Belongs here: columns, keys and grain of schema `ops` (rejects stand in `flat`).
"""

from __future__ import annotations

from charging_assets import names
from charging_assets.schemas.table import Table, at, count, flag, json, key, text

LEDGER = Table(
    schema="ops",
    name="ledger",
    grain="one row per asset and hour that is loaded: from what, by which code, how many rows",
    key=("asset", "slot_at"),
    columns=(
        text("asset", 64, "asset that was loaded", nullable=False),
        at("slot_at", "start of the hour"),
        text("archive_digest", 64, "hash of the hour's raw objects, where it is known"),
        text("input_digest", 64, "hash of what the load was made from", nullable=False),
        text("code_version", 64, "hash of the code and schema that made it", nullable=False),
        count("row_count", "rows in the load's scopes", "rows"),
        json("row_counts", "rows for each table"),
        flag("is_staged", "its rows are in staging (false once pruned)", nullable=False),
        at("loaded_at", "when the load was committed"),
        text("load_id", 32, "the load that wrote the row; settles whether a lost commit happened"),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)

MISSED_SLOTS = Table(
    schema="ops",
    name="missed_slots",
    grain="one row per feed and slot that was to be polled and was not, as noted in the lake",
    key=("feed", "slot_at"),
    columns=(
        text("feed", names.FEED.max_bytes, "feed", nullable=False),
        at("slot_at", "slot that was missed"),
        text("reason", 1024, "why, as far as anybody knew", nullable=False),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)

GAPS = Table(
    schema="ops",
    name="gaps",
    grain="one row per hour without polls that was accepted as lost (`charging-assets accept-gap`)",
    key=("slot_at",),
    columns=(
        at("slot_at", "start of the hour"),
        text("reason", 1024, "why, as told by whoever accepted it", nullable=False),
        at("accepted_at", "when it was accepted"),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)

KEY_CONFLICT = Table(
    schema="ops",
    name="key_conflict",
    grain="one row per hour, key that several ids have, and id that was published in the hour",
    key=("entity_type", "entity_key", "identity_hash", "slot_at"),
    columns=(
        at("slot_at", "first slot of the hour in which the id was published"),
        text("entity_type", 16, "station, evse or connector", nullable=False),
        key("entity_key", "key that the ids share"),
        key("identity_hash", "second hash of the ids, by which they differ"),
        text("entity_id", 128, "published id", nullable=False),
        flag(
            "is_rejected",
            "its records are rejects of the hour; false for the id that the key stands for",
            nullable=False,
        ),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)

OPS_TABLES: tuple[Table, ...] = (LEDGER, MISSED_SLOTS, GAPS, KEY_CONFLICT)
