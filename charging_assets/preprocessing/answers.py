"""Select the answer of a slot that counts, and parse the source's own timestamp.

An answer is what a place sent in one poll: one response, or several (pages, documents). It counts
only as a whole. If a page is missing, an EVSE that is absent may be on it, so that the answer would
report EVSEs as gone that are not; the outcome is `incomplete`, and no record of it is loaded. Its
pages stay archived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from charging_assets.archive.raw_objects import ArchivedResponse, PlaceResponse, Poll
from charging_assets.hours import to_naive_utc
from charging_assets.preprocessing.clean import FIRST_TIME, LAST_TIME
from charging_assets.preprocessing.headers import find_zone
from charging_assets.preprocessing.rejects import Rejection, make_rejection
from charging_assets.schemas.outcomes import NOT_MODIFIED, OK, is_good
from charging_assets.sources import BadBody, Envelope, Kind, UnusableKind, split_bodies

UNKNOWN_KIND = "unknown_kind"
BAD_BODY = "bad_body"
INCOMPLETE = "incomplete"
# A 304 whose body is not archived in its hour.
BASE_MISSING = "base_missing"

# What identifies the body that a 304 repeats: its URL, `ETag` and `Last-Modified`.
_Version = tuple[str | None, str | None, str | None]


@dataclass
class SelectedAnswer:
    """The answer that counts for a slot, with its envelope, or with `failure` if it has none.

    `answer` is its only response, or one that stands for several: the first one's time, the sum of
    their durations, and the status of the first bad one, else of the last. It is without its body,
    which has `body_bytes`; the records of the envelope refer to it.
    """

    answer: ArchivedResponse
    answer_count: int
    envelope: Envelope | None = None
    outcome: str = OK
    failure: Rejection | None = None
    body_bytes: int = 0


class AnswerSelector:
    """Selects the answers of a place's hour, slot by slot in order.

    It keeps the bodies that a 304 of the hour repeats; others are kept by nothing but the records
    of their envelope. `repeated` returns the responses with status 304, without bodies; it is
    called if a body can be repeated. `kind_of` returns the kind of an answer; if it raises
    UnusableKind, the outcome is `unknown_kind`.
    """

    def __init__(
        self,
        kind_of: Callable[[ArchivedResponse], Kind],
        repeated: Callable[[], Iterable[PlaceResponse]],
    ) -> None:
        self._kind_of = kind_of
        self._repeated = repeated
        self._bodies: dict[_Version, bytes] = {}

    def select(self, responses: Sequence[ArchivedResponse]) -> SelectedAnswer:
        """Return the earliest good answer of a slot, or the first answer if none is good."""
        answers = _answers(responses)
        first = self._open(answers[0], len(answers))
        selected = first
        if first.envelope is None:
            others = (self._open(answer, len(answers)) for answer in answers[1:])
            selected = next((other for other in others if other.envelope is not None), first)
        for response in responses:
            place = response.place
            if place.outcome == OK and place.body is not None and place.headers:
                version = _version(place)
                if version in self._repeated_versions:
                    self._bodies[version] = place.body
        return selected

    @cached_property
    def _repeated_versions(self) -> frozenset[_Version]:
        return frozenset(map(_version, self._repeated()))

    def _open(self, parts: list[ArchivedResponse], answer_count: int) -> SelectedAnswer:
        """One answer; `parts` are its responses in order."""
        bad = [part.place for part in parts if not is_good(part.place.outcome)]
        body_bytes = sum(len(part.place.body or b"") for part in parts)

        def answer(
            outcome: str, failure: Rejection | None = None, envelope: Envelope | None = None
        ) -> SelectedAnswer:
            whole = _whole(parts, bad, outcome)
            return SelectedAnswer(whole, answer_count, envelope, outcome, failure, body_bytes)

        if bad and len(bad) == len(parts) and not (len(bad) == 1 and bad[0].outcome == BAD_BODY):
            return answer(bad[0].outcome)
        if bad and len(parts) > 1:
            return answer(INCOMPLETE, _reject(INCOMPLETE, _describe(parts, bad[0])))
        bodies = []
        for part in parts:
            body = part.place.body
            if part.place.outcome == NOT_MODIFIED:
                body = self._bodies.get(_version(part.place))
                if body is None:
                    return answer(BASE_MISSING, _reject(BASE_MISSING, _NO_BASE))
            if body is None:
                return answer(part.place.outcome)
            bodies.append(body)
        try:
            envelope = split_bodies(self._kind_of(parts[0]), bodies)
        except UnusableKind as error:
            reason = f"{error}. Install the module of this kind, or what it needs, and load again"
            return answer(UNKNOWN_KIND, _reject(UNKNOWN_KIND, reason))
        except BadBody as error:
            failure = make_rejection(
                "body", "poll", None, error.pointer, error.code, error.fragment
            )
            return answer(BAD_BODY, failure)
        if bad:  # its kind could not go on after it, although it can be split
            return answer(BAD_BODY, _reject(BAD_BODY, bad[0].detail or ""))
        is_repeated = all(part.place.outcome == NOT_MODIFIED for part in parts)
        return answer(NOT_MODIFIED if is_repeated else OK, envelope=envelope)


_NO_BASE = (
    "HTTP 304, but the body that it repeats is not archived in this hour; restore or import the "
    "missing poll, and load the hour again"
)


def _answers(responses: Sequence[ArchivedResponse]) -> list[list[ArchivedResponse]]:
    """The responses of a slot by answer, in order of their first requests."""
    by_poll: dict[str, list[ArchivedResponse]] = {}
    for response in responses:
        by_poll.setdefault(response.raw_key, []).append(response)
    answers = []
    for parts in by_poll.values():
        numbers = [part.place.part for part in parts]
        if len(set(numbers)) == len(numbers):
            answers.append(sorted(parts, key=lambda part: part.place.part))
        else:  # an object of another program has several answers of a place
            answers += [[part] for part in parts]
    return answers


def _whole(
    parts: list[ArchivedResponse], bad: list[PlaceResponse], outcome: str
) -> ArchivedResponse:
    if len(parts) == 1:
        return replace(parts[0], place=replace(parts[0].place, body=None))
    places = [part.place for part in parts]
    durations = [place.elapsed_ms for place in places if place.elapsed_ms is not None]
    place = replace(
        places[0],
        outcome=outcome,
        body=None,
        elapsed_ms=sum(durations) if durations else None,
        http_status=(bad[0] if bad else places[-1]).http_status,
    )
    return replace(parts[0], place=place)


def _version(place: PlaceResponse) -> _Version:
    return place.url, place.headers.get("ETag"), place.headers.get("Last-Modified")


def _describe(parts: list[ArchivedResponse], bad: PlaceResponse) -> str:
    detail = f", {bad.detail}" if bad.detail else ""
    return f"response {bad.part + 1} of {len(parts)}: {bad.outcome}{detail}"


def _reject(code: str, reason: str) -> Rejection:
    return make_rejection("body", "poll", None, "", code, reason)


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
