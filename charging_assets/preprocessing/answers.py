"""Answers: which one of a slot counts, and what it says of itself.

Belongs here: the choice among several answers, opening the one that counts, the source's own time.
Does not belong here: what is in an answer (`stations`), the hour (`flatten`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from charging_assets.acquisition.raw_objects import Answer, Poll
from charging_assets.kinds import BadBody, Envelope, Kind, UnusableKind, open_body
from charging_assets.partitions import naive
from charging_assets.preprocessing.headers import zone_of
from charging_assets.preprocessing.rejects import Rejection, rejection

# No answer was made before, or will be after: what dates of unset clocks and of test data are.
_FIRST_TIME, _LAST_TIME = datetime(2000, 1, 1), datetime(2100, 1, 1)


UNKNOWN_KIND = "unknown_kind"


@dataclass
class Opened:
    """The answer that counts for a slot, opened; `failure` where there is nothing to open."""

    answer: Answer
    answer_count: int
    envelope: Envelope | None = None
    outcome: str = "ok"
    failure: Rejection | None = None


def that_counts(answers: list[Answer], kind_of: Callable[[Answer], Kind]) -> Opened:
    """The earliest good answer of a slot, or the first one where none is good.

    `kind_of` is the kind that an answer is opened by; where it raises UnusableKind, the outcome is
    `unknown_kind`.
    """
    tried = [_open(answer, len(answers), kind_of) for answer in answers[:1]]
    while tried[-1].envelope is None and len(tried) < len(answers):
        tried.append(_open(answers[len(tried)], len(answers), kind_of))
    return tried[-1] if tried[-1].envelope is not None else tried[0]


def _open(answer: Answer, answer_count: int, kind_of: Callable[[Answer], Kind]) -> Opened:
    place = answer.place
    if place.outcome != "ok" or place.body is None:
        return Opened(answer, answer_count, outcome=place.outcome)
    try:
        return Opened(answer, answer_count, open_body(kind_of(answer), place.body))
    except UnusableKind as error:
        reason = f"{error}. Install the module of this kind, or what it needs, and load again"
        failure = rejection("body", "poll", None, "", "unknown_kind", reason)
        return Opened(answer, answer_count, outcome=UNKNOWN_KIND, failure=failure)
    except BadBody as bad:
        failure = rejection("body", "poll", None, bad.pointer, bad.code, bad.fragment)
        return Opened(answer, answer_count, outcome="bad_body", failure=failure)


def published_time(published: Any, poll: Poll) -> tuple[datetime | None, Rejection | None]:
    """The source's timestamp in UTC; without an offset it is taken as the feed's local time.

    One before 2000 or after 2099 is `out_of_range`, one without an offset in a time zone that is
    not known `bad_timestamp`.
    """
    if published is None:
        return None, None
    try:
        instant = datetime.fromisoformat(published)
        if instant.tzinfo is None:
            zone = zone_of(poll.time_zone)
            if zone is None:
                raise ValueError(f"no time zone {poll.time_zone}")
            instant = instant.replace(tzinfo=zone)
        observed_at = naive(instant)
    except (TypeError, ValueError, OverflowError):
        bad = rejection("field", "poll", None, "/timestamp", "bad_timestamp", published)
        return None, bad
    if not _FIRST_TIME <= observed_at < _LAST_TIME:
        return None, rejection("field", "poll", None, "/timestamp", "out_of_range", published)
    return observed_at, None
