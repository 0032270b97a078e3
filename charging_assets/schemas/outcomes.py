"""The outcomes of a poll of a place that count as an answer, one definition for code and SQL."""

from __future__ import annotations

from collections.abc import Iterable

OK = "ok"
# HTTP 304: the answer is the body of an earlier poll of the hour.
NOT_MODIFIED = "not_modified"
# SQL states them as `outcome IN ('ok', 'not_modified')`; a test compares.
GOOD_OUTCOMES = (OK, NOT_MODIFIED)


def places_answered(responses: Iterable[tuple[str, str]]) -> dict[str, bool]:
    """Whether each place has an answer, by (slug, outcome) of its responses: all must be good."""
    answered: dict[str, bool] = {}
    for slug, outcome in responses:
        answered[slug] = answered.get(slug, True) and is_good(outcome)
    return answered


def is_good(outcome: str) -> bool:
    """Whether a response, or a poll of a place, has an answer."""
    return outcome in GOOD_OUTCOMES
