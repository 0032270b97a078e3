"""Write raw objects for any past period, as if the network had been polled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from charging_assets import __version__
from charging_assets.archive.raw_archive import archive_object
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake
from charging_assets.schemas.outcomes import is_good
from charging_assets.simulator.instants import seconds
from charging_assets.simulator.network import FEED, Network
from charging_assets.simulator.randomness import KeyedRandom

CADENCE_S = 600
PROGRAM = f"charging_assets {__version__} simulator"
_FAILURE = (
    b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n"
    b"<body><center><h1>503 Service Temporarily Unavailable</h1></center></body>\r\n</html>\r\n"
)
_FIRST_DELAY_S = 1.5


@dataclass(frozen=True)
class Polling:
    """Regularity of the polls.

    A poll begins up to `jitter_s` seconds late and requests its places over `spread_s` seconds;
    `missed` is the probability that a poll is missed, `failed` that a place answers with 503.
    """

    jitter_s: float = 5.0
    spread_s: float = 10.0
    missed: float = 0.0
    failed: float = 0.0005

    def __post_init__(self) -> None:
        if self.jitter_s + self.spread_s + _FIRST_DELAY_S >= CADENCE_S - 10:
            raise ValueError("jitter and spread must end well before the next slot")


@dataclass(frozen=True)
class HistoryReport:
    """Result for a period. `written_bytes` is the compressed size of the new objects."""

    polls: int
    already_there: int
    missed: int
    failed_places: int
    written_bytes: int


def write_history(
    lake: Lake,
    network: Network,
    start: Hour,
    end: Hour,
    *,
    polling: Polling | None = None,
    progress: Callable[[datetime], None] | None = None,
) -> HistoryReport:
    """Poll the network at every slot of `[start, end)` and archive the answers.

    The same network and period give the same objects, also when written in parts, so that writing
    again changes nothing. `progress` is called after each slot.
    """
    polls = already = missed = failed = written = 0
    for slot in _slots(start, end):
        result = poll_at(network, slot, polling or Polling())
        if result is None:
            missed += 1
        else:
            poll, places = result
            raw, is_new = archive_object(lake, poll, places)
            polls, already = polls + is_new, already + (not is_new)
            written += len(raw.blob) * is_new
            failed += sum(not is_good(place.outcome) for place in places)
        if progress:
            progress(slot)
    return HistoryReport(polls, already, missed, failed, written)


def poll_at(
    network: Network, slot: datetime, polling: Polling
) -> tuple[Poll, list[PlaceResponse]] | None:
    """The poll of one slot with its responses; None if it is missed."""
    rng, number = KeyedRandom(network.seed, "polling"), seconds(slot)
    if rng.random(number, 0) < polling.missed:
        return None
    started_at = slot + _duration(_FIRST_DELAY_S + rng.random(number, 1) * polling.jitter_s)
    step = polling.spread_s / len(network.slugs)
    places = []
    for order, slug in enumerate(network.slugs):
        requested_at = started_at + _duration(order * step)
        places.append(_poll_place(network, slug, requested_at, rng, (number, order), polling))
    poll = Poll(
        feed=FEED,
        kind="chargecloud",
        slot_at=slot,
        cadence_s=CADENCE_S,
        time_zone="Europe/Berlin",
        place_slugs=network.slugs,
        started_at=started_at,
        ended_at=max(_answered_at(place) for place in places),
        program=PROGRAM,
        origin=network.origin,
    )
    return poll, places


def _poll_place(
    network: Network,
    slug: str,
    requested_at: datetime,
    rng: KeyedRandom,
    key: tuple[int, int],
    polling: Polling,
) -> PlaceResponse:
    elapsed_ms = 60 + int(rng.random(*key, 2) ** 3 * 1400)
    if rng.random(*key, 3) < polling.failed:
        return PlaceResponse(
            slug=slug,
            outcome="http_error",
            body=_FAILURE,
            requested_at=requested_at,
            elapsed_ms=elapsed_ms,
            http_status=503,
            detail="503 Service Temporarily Unavailable",
        )
    return PlaceResponse(
        slug=slug,
        outcome="ok",
        body=network.answer(slug, requested_at + timedelta(milliseconds=elapsed_ms)),
        requested_at=requested_at,
        elapsed_ms=elapsed_ms,
        http_status=200,
    )


def _answered_at(place: PlaceResponse) -> datetime:
    assert place.requested_at is not None
    return place.requested_at + timedelta(milliseconds=place.elapsed_ms or 0)


def _slots(start: Hour, end: Hour) -> Iterator[datetime]:
    slot = start.start
    while slot < end.start:
        yield slot
        slot += timedelta(seconds=CADENCE_S)


def _duration(length_s: float) -> timedelta:
    return timedelta(milliseconds=int(length_s * 1000))
