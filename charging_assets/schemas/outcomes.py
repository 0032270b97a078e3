"""The outcomes of a poll of a place that count as an answer, one definition for code and SQL."""

from __future__ import annotations

OK = "ok"
# HTTP 304: the answer is the body of an earlier poll of the hour.
NOT_MODIFIED = "not_modified"
# SQL states them as `outcome IN ('ok', 'not_modified')`; a test compares.
GOOD_OUTCOMES = (OK, NOT_MODIFIED)


def is_good(outcome: str) -> bool:
    """Whether a response, or a poll of a place, has an answer."""
    return outcome in GOOD_OUTCOMES
