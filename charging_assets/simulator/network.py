"""The simulated network: its settings, its answers at an instant, its ground truth.

A network is a pure function of its settings and time. It has no clock and no state except caches:
it gives the same answers for any instant since 2021, in any order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from charging_assets.simulator.answers import PlaceAnswers
from charging_assets.simulator.demand import Demand
from charging_assets.simulator.descriptions import Edition, evse_uid, station_id
from charging_assets.simulator.hostile import KINDS, Hostility
from charging_assets.simulator.instants import instant, seconds
from charging_assets.simulator.life import Life, PlaceLife
from charging_assets.simulator.spells import STATUSES, Reliability, Spells
from charging_assets.simulator.state import PlaceState
from charging_assets.simulator.topology import POWER_CLASSES, topology
from charging_assets.simulator.truth import Outage, Session, Truth

FEED = "simulated"
DEFAULT_START = datetime(2025, 1, 6, tzinfo=UTC)


class UnknownPlace(LookupError):
    """The network has no place of that slug; the message lists those it has."""


@dataclass(frozen=True)
class _Settings:
    seed: int
    scale: float
    demand: Demand
    reliability: Reliability
    life: Life
    is_dirty: bool
    hostile: frozenset[str]
    overrides: float
    edition: Edition
    whole_at: int


class Network:
    """A seeded charging network; safe to use from several threads.

    `scale` multiplies the stations of every place: 1 is 1,162 stations with 2,428 EVSEs and 2,811
    connectors, all of them published at `whole_at`. `dirt` adds the defects of real answers to
    texts and numbers; `hostile` adds records that must be rejected, of all or of some kinds (see
    `hostile.KINDS`). `overrides` is the share of two-connector EVSEs whose second connector stays
    AVAILABLE while the first one charges. `edition` is the year of the API's fields. `mix` replaces
    the real shares of "ac", "dc" and "hpc" EVSEs (96 % are "ac"). `places` limits the network to
    some places; ids do not change.
    """

    def __init__(
        self,
        seed: int = 1,
        scale: float = 1.0,
        *,
        demand: Demand | None = None,
        reliability: Reliability | None = None,
        life: Life | None = None,
        dirt: bool = True,
        hostile: bool | Iterable[str] = False,
        overrides: float = 0.0,
        edition: Edition = "2022",
        whole_at: datetime = DEFAULT_START,
        mix: Mapping[str, float] | None = None,
        places: Iterable[str] | None = None,
    ) -> None:
        if not scale > 0:
            raise ValueError(f"a network's scale must be greater than 0, not {scale}")
        self.seed, self.scale, self.mix = seed, scale, mix
        names = (KINDS if hostile else ()) if isinstance(hostile, bool) else hostile
        self._settings = _Settings(
            seed,
            scale,
            demand or Demand(),
            reliability or Reliability(),
            life or Life(),
            dirt,
            frozenset(names),
            overrides,
            edition,
            seconds(whole_at),
        )
        self._places = {place.place.slug: place for place in topology(seed, scale, mix)}
        if places is not None:
            self._places = {slug: self._places[self._require_place(slug)] for slug in places}
        self.is_whole = places is None
        self._answers: dict[str, tuple[PlaceState, PlaceAnswers]] = {}
        # One thread at a time fills the caches of a place; places do not block each other.
        self._locks = {slug: threading.Lock() for slug in self._places}

    @property
    def slugs(self) -> tuple[str, ...]:
        """The places, in the order of the feed's list."""
        return tuple(self._places)

    @property
    def origin(self) -> str:
        """The `origin` of raw objects."""
        mix = f" mix={dict(sorted(self.mix.items()))}" if self.mix else ""
        some = "" if self.is_whole else f" places={','.join(self._places)}"
        return f"simulator seed={self.seed} scale={self.scale:g}{mix}{some}"

    def answer(self, slug: str, at: datetime) -> bytes:
        """A place's envelope at an aware time, as UTF-8 JSON; UnknownPlace, ValueError."""
        second = seconds(at)
        with self._locks[self._require_place(slug)]:
            return self._place(slug)[1].envelope(second)

    def counts(self, at: datetime) -> tuple[int, int, int]:
        """The numbers of published stations, EVSEs and connectors at a time."""
        stations = evses = connectors = 0
        for slug, place in self._places.items():
            with self._locks[slug]:
                variants = self._place(slug)[1].variants(seconds(at))
            stations += len(variants)
            for row in variants:
                first, last = place.first_evse[row], place.first_evse[row + 1]
                evses += int(last - first)
                connectors += int(place.first_connector[last] - place.first_connector[first])
        return stations, evses, connectors

    def hostile_kinds(self, slug: str, at: datetime) -> list[str]:
        """The kinds of hostile records in an answer."""
        hostility = self._hostility()
        place = self._places[self._require_place(slug)].place
        return hostility.kinds(place.number, seconds(at)) if hostility else []

    def truth(self, start: datetime, end: datetime, slugs: Iterable[str] | None = None) -> Truth:
        """The ground truth of `[start, end)`, of all or of some places."""
        first, last = seconds(start), seconds(end)
        if first >= last:
            raise ValueError(f"the period {start.isoformat()} to {end.isoformat()} is empty")
        sessions: list[Session] = []
        outages: list[Outage] = []
        for slug in self.slugs if slugs is None else slugs:
            with self._locks[self._require_place(slug)]:
                state, _ = self._place(slug)
                sessions += _sessions(state, first, last)
                outages += _outages(state, first, last)
        return Truth(instant(first), instant(last), tuple(sessions), tuple(outages))

    def _require_place(self, slug: str) -> str:
        if slug not in self._places:
            raise UnknownPlace(f"no place {slug!r}; use {', '.join(self._places)}")
        return slug

    def _place(self, slug: str) -> tuple[PlaceState, PlaceAnswers]:
        if slug not in self._answers:
            place, settings = self._places[slug], self._settings
            life = PlaceLife(settings.seed, settings.life, place, settings.whole_at)
            state = PlaceState(
                settings.seed,
                place,
                life,
                settings.demand,
                settings.reliability,
                settings.overrides,
            )
            answers = PlaceAnswers(
                settings.seed, state, settings.edition, settings.is_dirty, self._hostility()
            )
            self._answers[slug] = (state, answers)
        return self._answers[slug]

    def _hostility(self) -> Hostility | None:
        return Hostility(self.seed, self._settings.hostile) if self._settings.hostile else None


def _sessions(state: PlaceState, start: int, end: int) -> Iterator[Session]:
    sessions = state.sessions(start, end)
    place = state.place
    energy = sessions.energy_kwh
    generations = state.life.generations_at(
        place.evse_station[sessions.row], sessions.start
    ).tolist()
    for index, row in enumerate(sessions.row.tolist()):
        began = int(sessions.start[index])
        generation = generations[index]
        reserved = int(sessions.reserved_at[index])
        yield Session(
            slug=place.place.slug,
            station_id=station_id(int(place.station[place.evse_station[row]]), generation),
            evse_uid=evse_uid(int(place.evse[row]), generation),
            power_class=POWER_CLASSES[int(state.power_class[row])],
            max_power_kw=float(state.power_kw[row]),
            reserved_at=instant(reserved) if reserved < began else None,
            started_at=instant(began),
            ended_at=instant(int(sessions.end[index])),
            free_at=instant(int(sessions.free_at[index])),
            energy_kwh=float(energy[index]),
            is_cut=bool(sessions.is_cut[index]),
        )


def _outages(state: PlaceState, start: int, end: int) -> list[Outage]:
    layers = state.status_layers(start, end)
    outages = [
        *_clip(state, layers.absences, "absent", start, end),
        *_clip(state, layers.outages, "outage", start, end),
        *_clip(state, layers.stuck, "stuck", start, end),
        *_clip(state, layers.flaps, "flap", start, end),
    ]
    return sorted(outages, key=lambda outage: (int(outage.evse_uid), outage.started_at))


def _clip(state: PlaceState, spells: Spells, reason: str, start: int, end: int) -> Iterator[Outage]:
    starts = spells.start.clip(start, end)
    generations = state.life.generations_at(state.place.evse_station[spells.row], starts)
    for row, generation, began, ended, code in zip(
        spells.row.tolist(),
        generations.tolist(),
        starts.tolist(),
        spells.end.clip(start, end).tolist(),
        spells.code.tolist(),
        strict=True,
    ):
        yield Outage(
            slug=state.place.place.slug,
            evse_uid=evse_uid(int(state.place.evse[row]), generation),
            reason=reason,
            status=None if reason == "absent" else STATUSES[code],
            started_at=instant(began),
            ended_at=instant(ended),
        )
