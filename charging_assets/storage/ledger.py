"""The ledger's statements: what is loaded, from what, by which code.

Belongs here: SQL over `ops.ledger`. Does not belong here: what to do about a stale hour.
"""

from __future__ import annotations

READ = """
SELECT archive_digest, input_digest, code_version, row_counts, is_staged, load_id
FROM ops.ledger
WHERE asset = :asset AND slot_at = :hour_at
"""

FORGET = "DELETE FROM ops.ledger WHERE asset = :asset AND slot_at = :hour_at"

WRITE = """
INSERT INTO ops.ledger (
  asset, slot_at, archive_digest, input_digest, code_version, row_count, row_counts, is_staged,
  loaded_at, load_id
) VALUES (
  :asset, :hour_at, :archive_digest, :input_digest, :code_version, :row_count, :row_counts, TRUE,
  :loaded_at, :load_id
)
"""

UNSTAGE = "UPDATE ops.ledger SET is_staged = FALSE WHERE asset = :asset AND slot_at = :hour_at"

STAGED = """
SELECT slot_at
FROM ops.ledger
WHERE asset = :asset AND is_staged AND slot_at >= :first_at AND slot_at <= :last_at
"""

STAGED_BEFORE = """
SELECT COUNT(*) AS hour_count
FROM ops.ledger
WHERE asset = :asset AND is_staged AND slot_at < :first_at
"""

UNSTAGE_BEFORE = """
UPDATE ops.ledger SET is_staged = FALSE
WHERE asset = :asset AND is_staged AND slot_at < :first_at
"""
