"""Select the answer of a slot that counts, and parse the source's own timestamp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from charging_assets.archive.raw_objects import ArchivedResponse, Poll
from charging_assets.hours import to_naive_utc
from charging_assets.preprocessing.clean import FIRST_TIME, LAST_TIME
from charging_assets.preprocessing.headers import find_zone
from charging_assets.preprocessing.rejects import Rejection, make_rejection
from charging_assets.sources import BadBody, Envelope, Kind, UnusableKind, open_body

UNKNOWN_KIND = "unknown_kind"


@dataclass
class SelectedAnswer:
    """The answer that counts for a slot, with its envelope, or with `failure` if it has none."""

    answer: ArchivedResponse
    answer_count: int
    envelope: Envelope | None = None
    outcome: str = "ok"
    failure: Rejection | None = None


def select_answer(
    answers: list[ArchivedResponse], kind_of: Callable[[ArchivedResponse], Kind]
) -> SelectedAnswer:
    """Return the earliest good answer of a slot, or the first answer if none is good.

    `kind_of` returns the kind of an answer; if it raises UnusableKind, the outcome is
    `unknown_kind`.
    """
    first = _open(answers[0], len(answers), kind_of)
    if first.envelope is not None:
        return first
    others = (_open(answer, len(answers), kind_of) for answer in answers[1:])
    return next((other for other in others if other.envelope is not None), first)


def _open(
    answer: ArchivedResponse, answer_count: int, kind_of: Callable[[ArchivedResponse], Kind]
) -> SelectedAnswer:
    place = answer.place
    if place.outcome != "ok" or place.body is None:
        return SelectedAnswer(answer, answer_count, outcome=place.outcome)
    try:
        return SelectedAnswer(answer, answer_count, open_body(kind_of(answer), place.body))
    except UnusableKind as error:
        reason = f"{error}. Install the module of this kind, or what it needs, and load again"
        failure = make_rejection("body", "poll", None, "", "unknown_kind", reason)
        return SelectedAnswer(answer, answer_count, outcome=UNKNOWN_KIND, failure=failure)
    except BadBody as error:
        failure = make_rejection("body", "poll", None, error.pointer, error.code, error.fragment)
        return SelectedAnswer(answer, answer_count, outcome="bad_body", failure=failure)


def parse_published_time(published: Any, poll: Poll) -> tuple[datetime | None, Rejection | None]:
    """Parse the source's timestamp to UTC; without an offset it is the feed's local time.

    A time before 2000 or after 2099 is rejected as `out_of_range`; a time without an offset in an
    unknown time zone as `bad_timestamp`.
    """
    if published is None:
        return None, None
    try:
        instant = datetime.fromisoformat(published)
        if instant.tzinfo is None:
            zone = find_zone(poll.time_zone)
            if zone is None:
                raise ValueError(f"no time zone {poll.time_zone}")
            instant = instant.replace(tzinfo=zone)
        observed_at = to_naive_utc(instant)
    except (TypeError, ValueError, OverflowError):
        bad_field = make_rejection("field", "poll", None, "/timestamp", "bad_timestamp", published)
        return None, bad_field
    if not FIRST_TIME <= observed_at < LAST_TIME:
        return None, make_rejection("field", "poll", None, "/timestamp", "out_of_range", published)
    return observed_at, None
