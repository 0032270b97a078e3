"""What really happened, to score with what the pipeline derives from the answers.

Belongs here: sessions and hidden times as plain records. Does not belong here: how they came
about (`state`) or how well something was derived from them (the tests and reports that ask).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Session:
    """One car at one EVSE: charging over `[started_at, ended_at)`, gone at `free_at`. UTC.

    `reserved_at` is None without a reservation; between `ended_at` and `free_at` the EVSE is
    BLOCKED. `is_cut` says that an outage ended it, after which nothing more was charged.
    """

    slug: str
    station_id: str
    evse_uid: str
    power_class: str
    max_power_kw: float
    reserved_at: datetime | None
    started_at: datetime
    ended_at: datetime
    free_at: datetime
    energy_kwh: float
    is_cut: bool


@dataclass(frozen=True)
class Outage:
    """A time over which an EVSE's published status says nothing of sessions. UTC, half-open.

    `reason` is "outage" (ends sessions), "flap" (a short UNKNOWN that hides them), "stuck"
    (CHARGING with nobody there) or "absent" (the station is not published: `status` None).
    Clipped to the window that was asked for.
    """

    slug: str
    evse_uid: str
    reason: str
    status: str | None
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True)
class Truth:
    """The truth of `[start, end)`: sessions that touch it, whole; outages, clipped to it.

    Both are sorted by place, EVSE and time.
    """

    start: datetime
    end: datetime
    sessions: tuple[Session, ...]
    outages: tuple[Outage, ...]
