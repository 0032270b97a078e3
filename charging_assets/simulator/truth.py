"""The ground truth as plain records, to score the results of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Session:
    """One car at one EVSE: it charges in `[started_at, ended_at)` and leaves at `free_at`. UTC.

    `reserved_at` is None without a reservation; between `ended_at` and `free_at` the EVSE is
    BLOCKED. `is_cut` is True if an outage ended the charging.
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
    """A period in which an EVSE's published status does not show its sessions. UTC, half-open.

    `reason` is "outage" (ends sessions), "flap" (a short UNKNOWN that hides them), "stuck"
    (CHARGING without a session) or "absent" (the station is not published: `status` None).
    Clipped to the requested window.
    """

    slug: str
    evse_uid: str
    reason: str
    status: str | None
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True)
class Truth:
    """The truth of `[start, end)`: sessions that overlap it, complete; outages, clipped to it.

    Both are sorted by place, EVSE and time.
    """

    start: datetime
    end: datetime
    sessions: tuple[Session, ...]
    outages: tuple[Outage, ...]
