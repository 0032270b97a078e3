"""Fit the header of an archived answer to the columns of the tables.

Headers of earlier versions, of imports and of other programs may have names that are too long,
numbers out of range, or a time zone that no longer exists. Refusing such a value would stop the
hour of every feed, so it is replaced and reported. The raw object, named by `raw_key`, keeps it.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from charging_assets import names
from charging_assets.archive.raw_objects import ArchivedResponse, PlaceResponse, Poll
from charging_assets.hours import to_naive_utc
from charging_assets.preprocessing.rejects import Rejection, make_rejection
from charging_assets.schemas import flat
from charging_assets.schemas.table import Type

_MAX_VALUES = {Type.SMALLINT: (1 << 15) - 1, Type.INTEGER: (1 << 31) - 1}
_MAX_CADENCE_S = 86_400
_OUTCOME = dataclasses.replace(names.FEED, max_bytes=flat.FLAT_POLLS.column("outcome").length)


def fit_header(answer: ArchivedResponse) -> tuple[ArchivedResponse, Rejection | None]:
    """Return the answer with a header that fits the tables, and a rejection of replaced values.

    Names that are too long are truncated and end in a hash; these are not reported. Numbers and
    times out of range become null, a cadence becomes the nearest one from 1 s to a day, and an
    unknown time zone becomes UTC.
    """
    poll, place = answer.poll, answer.place
    poll_changes, place_changes = _poll_replacements(poll), _place_replacements(place)
    replaced = {name: getattr(poll, name) for name in poll_changes}
    replaced |= {name: getattr(place, name) for name in place_changes}
    poll_changes |= {
        "feed": names.fit(poll.feed, names.FEED),
        "kind": names.fit(poll.kind, names.KIND),
    }
    place_changes |= {
        "slug": names.fit(place.slug, names.PLACE),
        "outcome": names.fit(place.outcome, _OUTCOME),
    }
    if any(getattr(poll, name) != value for name, value in poll_changes.items()):
        poll = replace(poll, **poll_changes)
    if any(getattr(place, name) != value for name, value in place_changes.items()):
        place = replace(place, **place_changes)
    if poll is not answer.poll or place is not answer.place:
        answer = replace(answer, poll=poll, place=place)
    if not replaced:
        return answer, None
    return answer, make_rejection("field", "poll", None, "", "bad_header", replaced)


@lru_cache(maxsize=1024)
def find_zone(name: str) -> ZoneInfo | None:
    """Return the time zone of a name; None if it is unknown or longer than its column."""
    try:
        is_short = len(name.encode()) <= names.TIME_ZONE_MAX_BYTES
        return ZoneInfo(name) if is_short else None
    except (KeyError, ValueError, OSError):  # OSError: the name is a directory, such as `Europe`
        return None


def _poll_replacements(poll: Poll) -> dict[str, Any]:
    replaced: dict[str, Any] = {}
    if find_zone(poll.time_zone) is None:
        replaced["time_zone"] = "UTC"
    if not 1 <= poll.cadence_s <= _MAX_CADENCE_S:
        replaced["cadence_s"] = min(max(poll.cadence_s, 1), _MAX_CADENCE_S)
    return replaced


def _place_replacements(place: PlaceResponse) -> dict[str, Any]:
    replaced: dict[str, Any] = {}
    for name in ("elapsed_ms", "http_status"):
        number = getattr(place, name)
        if number is not None and not 0 <= number <= _MAX_VALUES[flat.FLAT_POLLS.column(name).type]:
            replaced[name] = None
    try:
        if place.requested_at is not None:
            to_naive_utc(place.requested_at)
    except OverflowError:
        replaced["requested_at"] = None
    return replaced
