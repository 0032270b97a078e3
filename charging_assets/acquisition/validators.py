"""Conditional requests: what the archived polls of the hour allow a poll to ask for.

A conditional poll must stay rebuildable from its hour alone. So the first poll of an hour is
unconditional, and later ones are conditional only on a good and complete poll of the same place
that is archived in the same hour. Nothing is kept outside of the archive.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from threading import Lock

from charging_assets.archive.raw_archive import hour_keys, read
from charging_assets.archive.raw_objects import PlaceResponse, Poll, slot_of_key
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake
from charging_assets.schemas.outcomes import NOT_MODIFIED, is_good
from charging_assets.sources import BadBody, UnusableKind, kind, split_bodies

_LOG = logging.getLogger(__name__)

# By place and URL: the `ETag` and `Last-Modified` of the archived response.
Validators = Mapping[tuple[str, str], Mapping[str, str]]


def archived_validators(lake: Lake, header: Poll) -> Validators:
    """Validators of the newest good and complete poll of each place, in the hour before a poll.

    `header` has the feed, its kind, its places and the slot of the poll that will use them. A lake
    that cannot be read, or a damaged object, leaves requests unconditional.
    """
    validators: dict[tuple[str, str], Mapping[str, str]] = {}
    settled: set[str] = set()
    try:
        keys = hour_keys(lake, [header.feed], Hour.of(header.slot_at))
        earlier = [key for key in keys if slot_of_key(key) < header.slot_at]
        for key in sorted(earlier, key=lambda key: (slot_of_key(key), key), reverse=True):
            for slug, group in groupby(read(lake, key), key=lambda answer: answer.place.slug):
                parts = list(group)
                if (
                    slug in settled
                    or parts[0].poll.is_imported
                    or parts[0].poll.kind != header.kind
                ):
                    continue
                responses = [part.place for part in parts]
                if not _is_complete(header.kind, responses):
                    continue
                settled.add(slug)
                for response in responses:
                    if response.url and response.headers:
                        validators[slug, response.url] = response.headers
            if settled.issuperset(header.place_slugs):
                break
    except Exception as error:  # any error: an unconditional poll is always right
        _LOG.warning("feed %s: polled without conditions: %s", header.feed, error)
        return {}
    return validators


def _is_complete(kind_name: str, responses: Iterable[PlaceResponse]) -> bool:
    parts = sorted(responses, key=lambda response: response.part)
    if not all(is_good(part.outcome) for part in parts):
        return False
    if all(part.outcome == NOT_MODIFIED for part in parts):
        return True  # this function was true of the poll that its condition came from
    # Parts that are unchanged were split before; their bodies are in earlier objects.
    bodies = [part.body for part in parts if part.body is not None]
    try:
        return split_bodies(kind(kind_name), bodies).is_complete
    except (BadBody, UnusableKind):
        return False


class LazyValidators:
    """The validators of a poll, read once, when the first conditional request needs them."""

    def __init__(self, load: Callable[[], Validators]) -> None:
        self._load, self._lock = load, Lock()
        self._validators: Validators | None = None

    def of(self, slug: str, url: str) -> Mapping[str, str]:
        """Archived `ETag` and `Last-Modified` of a place's URL; empty if there are none."""
        with self._lock:
            if self._validators is None:
                self._validators = self._load()
        return self._validators.get((slug, url), {})
