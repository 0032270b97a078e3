"""The tables by which the system knows itself: the ledger of loads.

Belongs here: columns, keys and grain of schema `ops` (rejects stand in `flat`).
"""

from __future__ import annotations

from charging_assets.schemas.table import Table, at, count, flag, json, text

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
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)

OPS_TABLES: tuple[Table, ...] = (LEDGER,)
