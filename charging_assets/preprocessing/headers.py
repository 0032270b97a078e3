"""What an archived header states, as the tables can hold it.

Headers of earlier versions, of imports and of other programs may hold names that are too long,
numbers that no column takes, or a time zone that is gone. Refusing such a value would stop the hour
of every feed, so it is replaced and reported. The raw object, which `raw_key` names, keeps it.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from charging_assets import names
from charging_assets.acquisition.raw_objects import Answer, Place, Poll
from charging_assets.partitions import naive
from charging_assets.preprocessing.rejects import Rejection, rejection
from charging_assets.schemas import flat
from charging_assets.schemas.table import Type

_GREATEST = {Type.SMALLINT: (1 << 15) - 1, Type.INTEGER: (1 << 31) - 1}
_GREATEST_CADENCE_S = 86_400
_OUTCOME = dataclasses.replace(names.FEED, max_bytes=flat.FLAT_POLLS.column("outcome").length)


def fit_header(answer: Answer) -> tuple[Answer, Rejection | None]:
    """The answer with a header that the tables can hold, and a reject of what was replaced in it.

    Names that are too long are cut and end in a hash; these are not reported. Numbers and times out
    of range are null, a cadence is the nearest one from 1 s to a day, an unknown time zone is UTC.
    """
    poll, place = answer.poll, answer.place
    of_poll, of_place = _replaced_in_poll(poll), _replaced_in_place(place)
    replaced = {name: getattr(poll, name) for name in of_poll}
    replaced |= {name: getattr(place, name) for name in of_place}
    of_poll |= {
        "feed": names.fit(poll.feed, names.FEED),
        "kind": names.fit(poll.kind, names.KIND),
    }
    of_place |= {
        "slug": names.fit(place.slug, names.PLACE),
        "outcome": names.fit(place.outcome, _OUTCOME),
    }
    if any(getattr(poll, name) != value for name, value in of_poll.items()):
        poll = replace(poll, **of_poll)
    if any(getattr(place, name) != value for name, value in of_place.items()):
        place = replace(place, **of_place)
    if poll is not answer.poll or place is not answer.place:
        answer = replace(answer, poll=poll, place=place)
    if not replaced:
        return answer, None
    return answer, rejection("field", "poll", None, "", "bad_header", replaced)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of a name; None for one that is not known here, or longer than its column."""
    try:
        is_short = len(name.encode()) <= names.TIME_ZONE_MAX_BYTES
        return ZoneInfo(name) if is_short else None
    except (KeyError, ValueError, OSError):  # OSError: the name is a folder, as `Europe` is
        return None


def _replaced_in_poll(poll: Poll) -> dict[str, Any]:
    replaced: dict[str, Any] = {}
    if zone_of(poll.time_zone) is None:
        replaced["time_zone"] = "UTC"
    if not 1 <= poll.cadence_s <= _GREATEST_CADENCE_S:
        replaced["cadence_s"] = min(max(poll.cadence_s, 1), _GREATEST_CADENCE_S)
    return replaced


def _replaced_in_place(place: Place) -> dict[str, Any]:
    replaced: dict[str, Any] = {}
    for name in ("elapsed_ms", "http_status"):
        number = getattr(place, name)
        if number is not None and not 0 <= number <= _GREATEST[flat.FLAT_POLLS.column(name).type]:
            replaced[name] = None
    try:
        if place.requested_at is not None:
            naive(place.requested_at)
    except OverflowError:
        replaced["requested_at"] = None
    return replaced
