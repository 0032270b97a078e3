"""SQL statements of the ledger, `ops.ledger`: what is loaded, from which input, by which code."""

from __future__ import annotations

import re

READ = """
SELECT archive_digest, input_digest, code_version, row_counts, is_staged, load_id
FROM ops.ledger
WHERE asset = :asset AND feed = :feed AND slot_at = :hour_at
"""

DELETE = "DELETE FROM ops.ledger WHERE asset = :asset AND slot_at = :hour_at"

WRITE = """
INSERT INTO ops.ledger (
  asset, feed, slot_at, archive_digest, input_digest, code_version, row_count, row_counts,
  is_staged, loaded_at, load_id
) VALUES (
  :asset, :feed, :hour_at, :archive_digest, :input_digest, :code_version, :row_count, :row_counts,
  TRUE, :loaded_at, :load_id
)
"""

READ_SPAN = """
SELECT slot_at, feed, archive_digest, input_digest, is_staged, code_version, row_counts, load_id
FROM ops.ledger
WHERE asset = :asset AND slot_at >= :start_at AND slot_at < :end_at
"""

ROWS_OF_SPAN = """
SELECT slot_at, SUM(row_count) AS row_count
FROM ops.ledger
WHERE asset = :asset AND slot_at >= :start_at AND slot_at < :end_at
GROUP BY slot_at
"""

ALL_ROWS_OF_SPAN = """
SELECT slot_at, SUM(row_count) AS row_count
FROM ops.ledger
WHERE slot_at >= :start_at AND slot_at < :end_at
GROUP BY slot_at
"""

DELETE_SPAN = """
DELETE FROM ops.ledger WHERE asset = :asset AND slot_at >= :start_at AND slot_at < :end_at
"""


def write_many(count: int) -> str:
    """WRITE for `count` rows of one load; each parameter is suffixed with the number of its row."""
    head, values = WRITE.split("VALUES")
    numbered = (
        re.sub(r":(?!load_id)(\w+)", rf":\g<1>_{number}", values.strip()) for number in range(count)
    )
    return f"{head}VALUES {', '.join(numbered)}"


UNSTAGE = """
UPDATE ops.ledger SET is_staged = FALSE
WHERE asset = :asset AND slot_at >= :scope_start AND slot_at < :scope_end
"""

# Hours are in staging if all feeds that were loaded are.
STAGED = """
SELECT slot_at
FROM ops.ledger
WHERE asset = :asset AND slot_at >= :first_at AND slot_at <= :last_at
GROUP BY slot_at
HAVING MIN(CASE WHEN is_staged THEN 1 ELSE 0 END) = 1
"""

STAGED_BEFORE = """
SELECT COUNT(DISTINCT slot_at) AS hour_count
FROM ops.ledger
WHERE asset = :asset AND is_staged AND slot_at < :first_at
"""

UNSTAGE_BEFORE = """
UPDATE ops.ledger SET is_staged = FALSE
WHERE asset = :asset AND is_staged AND slot_at < :first_at
"""
