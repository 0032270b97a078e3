"""Flatten an hour's raw answers into the flat tables, in one pass.

`answers` selects the answer of a slot, `stations` reads records, `columns` builds Arrow tables.

Answers come place by place. A station record that is byte for byte the one of the poll before is
not read again: nearly all of them are, so that an hour costs little more than one poll. One that
differs in statuses only is read by `changes`. The last poll of a place is kept for the next hour.

Memory is bounded by the good records of a place's hour and two of its answers. Rejected records are
read again in every poll and leave nothing but counts and the first of their rejects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, MutableSequence, Sequence, Set
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from datetime import datetime
from functools import cache, lru_cache, partial
from hashlib import blake2b
from itertools import groupby, islice
from operator import eq

import msgspec
import pyarrow as pa

from charging_assets.archive import raw_archive
from charging_assets.archive.identities import NO_IDENTITIES, FeedIdentity, identity_of
from charging_assets.archive.raw_archive import LargePlace, digest, not_modified
from charging_assets.archive.raw_objects import ArchivedResponse, Poll
from charging_assets.hours import to_naive_utc
from charging_assets.preprocessing.answers import (
    UNKNOWN_KIND,
    AnswerSelector,
    SelectedAnswer,
    parse_published_time,
)
from charging_assets.preprocessing.caches import KeptCache
from charging_assets.preprocessing.changes import StatusReader
from charging_assets.preprocessing.clean import BadValue, canonical
from charging_assets.preprocessing.columns import Rows
from charging_assets.preprocessing.conflicts import find_conflicts
from charging_assets.preprocessing.duplicates import NONE, Losers, find_duplicates
from charging_assets.preprocessing.flat_station import (
    MAX_NAMES,
    NO_REJECTS,
    NO_SHAPE,
    FlatStation,
    Shapes,
    count_names,
    has_repeated_key,
)
from charging_assets.preprocessing.gc_pause import gc_paused
from charging_assets.preprocessing.headers import fit_header
from charging_assets.preprocessing.identity import Identity, names_hash
from charging_assets.preprocessing.rejects import Rejects, escape_pointer, truncate
from charging_assets.preprocessing.states import merge_states
from charging_assets.preprocessing.stations import StationReader
from charging_assets.preprocessing.status_runs import StatusRuns
from charging_assets.schemas import flat
from charging_assets.sources import Envelope, Kind, UnusableKind, kind
from charging_assets.text import escape_json_control

GAP_CADENCES = 2.5

Answers = list[ArchivedResponse] | LargePlace
Places = Iterable[tuple[str, str, Answers]]
# A record as read, and the slots that it came in.
_Record = tuple[FlatStation, MutableSequence[datetime]]
# What stands for a rejected record, which is not kept, nor in which slots it came.
_REJECTED: _Record = (FlatStation().finish(), deque(maxlen=0))
# Rows of states that are made at once.
_CHUNK = 50_000
# The last polls of places, which nearly equal the first ones of the next hour.
_LAST_POLLS = KeptCache(96 << 20)


@dataclass
class FlatHour:
    """The flat tables of an hour, by name, in the schema's column order and sort."""

    tables: dict[str, pa.Table]

    def __getitem__(self, name: str) -> pa.Table:
        return self.tables[name]

    def archive_digest(
        self, keys: Iterable[str], identities: Mapping[str, FeedIdentity] = NO_IDENTITIES
    ) -> str:
        """What the tables were made from: raw objects, identities, and kinds that were missing."""
        outcomes = self.tables[flat.FLAT_POLLS.name].column("outcome")
        lacks_kind = UNKNOWN_KIND in outcomes.unique().to_pylist()
        return digest(keys, identities) + (raw_archive.UNKNOWN_KIND if lacks_kind else "")


def flatten(
    places: Places,
    identities: Mapping[str, FeedIdentity] = NO_IDENTITIES,
    rejected: Set[Identity] = frozenset(),
) -> FlatHour:
    """The flat tables of an hour's answers: a pure function, the same bytes for the same input.

    `identities` are those of feeds whose entity keys are not made in the default way. Records of
    the ids in `rejected` are rejected as duplicates: their keys stand for other ids.
    """
    rows = {table.name: Rows(table) for table in flat.FLAT_TABLES}
    with gc_paused():
        kinds = _Kinds()
        for feed, place, answers in places:
            identity = identity_of(feed, identities)
            of_place, conflicting = frozenset(rejected), None
            while conflicting is None or conflicting:
                reader = kinds.reader(identity, answers, of_place)
                place_hour = _PlaceHour(reader, place, kinds, rows)
                place_hour.read(answers)
                if place_hour.has_too_many_names:
                    # Which names are left out must not depend on the hour before.
                    place_hour = _PlaceHour(reader, place, kinds, rows, uses_kept=False)
                    place_hour.read(answers)
                conflicting = place_hour.conflicts()
                of_place |= conflicting
            place_hour.write()
        return FlatHour({name: table_rows.table() for name, table_rows in rows.items()})


class _Kinds:
    """The kinds of an hour, each imported once: trying to import a missing one takes long."""

    def __init__(self) -> None:
        self.of = cache(self._of)

    def reader(
        self, identity: FeedIdentity, answers: Answers, rejected: Set[Identity]
    ) -> StationReader | None:
        """What reads a place's records; None if all its answers are of kinds that are missing."""
        if isinstance(answers, LargePlace):
            polls = answers.polls
        else:
            polls = [answer.poll for answer in answers]
        for name in dict.fromkeys(poll.kind for poll in polls):
            if not isinstance(self.of(name), UnusableKind):
                return _reader(identity, name, frozenset(rejected))
        return None

    def _of(self, name: str) -> Kind | UnusableKind:
        try:
            return kind(name)
        except UnusableKind as error:
            return error


@dataclass
class _Rejected:
    """Rejects and counts of the rejected station records of an answer, under its records' pointer.

    `numbers` are those of the records that the listed ones of `rejects` were found in.
    """

    pointer: str = ""
    rejects: Rejects = field(default_factory=Rejects)
    numbers: list[int] = field(default_factory=list)
    evse_count: int = 0
    connector_count: int = 0
    shapes: set[Shapes] = field(default_factory=set)
    unknown: set[tuple[str, ...]] = field(default_factory=set)
    untrimmed_count: int = 0

    def add(self, station: FlatStation, number: int) -> None:
        """Add the record of that number."""
        self.evse_count += station.evse_count
        self.connector_count += station.connector_count
        self.shapes.add(station.shape)
        self.unknown.update(station.unknown)
        self.untrimmed_count += len(station.untrimmed)
        self.rejects.include(station.rejects, f"{self.pointer}/{number}")
        self.numbers.extend([number] * (len(self.rejects.listed) - len(self.numbers)))


@dataclass
class _PlaceHour:
    """One place's hour: read as a whole before any row of it is written.

    `records` holds each distinct good record with the slots that it came in, `by_content` those
    that were looked up by their bytes, `polls` each poll with its records. `before` is the answer
    before, of this hour or (if `uses_kept`) the last of the hour before: its fragments, None for
    those of rejected records, and the records as read alone. `resolved` holds them without
    duplicates, None where no key is repeated, with what was rejected then.
    """

    station_reader: StationReader | None
    place: str
    kinds: _Kinds
    rows: dict[str, Rows]
    records: list[_Record] = field(default_factory=list)
    by_content: dict[tuple[bytes, Losers], _Record] = field(default_factory=dict)
    before: tuple[Sequence[msgspec.Raw | None], list[_Record]] = field(default=((), []))
    polls: list[tuple[SelectedAnswer, list[FlatStation], _Rejected]] = field(default_factory=list)
    resolved: tuple[list[_Record], _Rejected] | None = None
    shapes: set[Shapes] = field(default_factory=set)
    name_count: int = 0
    uses_kept: bool = True
    is_first: bool = True
    last_good: datetime | None = None

    @property
    def reader(self) -> StationReader:
        """What reads the records; there are none where no kind can open an answer."""
        assert self.station_reader is not None
        return self.station_reader

    def read(self, answers: Answers) -> None:
        kept = _LAST_POLLS.take((self.station_reader, self.place))
        if kept is not None and self.uses_kept:
            fragments, stations = kept
            self.before = fragments, [(station, []) for station in stations]
        selector = AnswerSelector(self._kind_of, partial(not_modified, answers))
        for _slot, group in groupby(answers, key=lambda answer: answer.poll.slot_at):
            self._read_slot(selector.select(list(group)))
        # Records of the hour before that did not come again.
        self.records = [record for record in self.records if record[1]]

    @property
    def has_too_many_names(self) -> bool:
        """Whether names were left out, or have to be, although the hour before was used."""
        return self.uses_kept and self.name_count > MAX_NAMES

    def conflicts(self) -> Set[Identity]:
        """The ids to reject since their keys stand for others of this place's hour."""
        return find_conflicts(self.records)

    def write(self) -> None:
        """Add the rows of what was read, and keep the last poll for the next hour."""
        header = fit_header(self.polls[0][0].answer)[0]
        runs = StatusRuns(self.rows["flat_status"], header.poll.feed, header.place.slug)
        for selected, stations, rejected in self.polls:
            self._write_slot(selected, stations, rejected, runs)
        runs.finish()
        self._write_states(header)
        if not self.uses_kept:  # some records lack their names, which the next hour must not take
            return
        fragments, records = self.before
        read_alone = [station for station, _ in records]
        weight = sum(map(_weight, read_alone)) + max(each[0].body_bytes for each in self.polls)
        _LAST_POLLS.keep((self.station_reader, self.place), (fragments, read_alone), weight)

    def _read_slot(self, selected: SelectedAnswer) -> None:
        envelope, stations, rejected = selected.envelope, list[FlatStation](), _Rejected()
        if envelope is not None:
            slot_at = to_naive_utc(selected.answer.poll.slot_at)
            stations, rejected = self._stations(envelope, slot_at)
            # The records' bytes are as large as the answer: one poll's at a time are enough.
            selected = replaced(selected, envelope=replaced(envelope, stations=()))
        self.polls.append((selected, stations, rejected))

    def _kind_of(self, answer: ArchivedResponse) -> Kind:
        answer_kind = self.kinds.of(answer.poll.kind)
        if isinstance(answer_kind, UnusableKind):
            raise answer_kind
        return self.reader.kind

    def _write_slot(
        self,
        selected: SelectedAnswer,
        stations: list[FlatStation],
        rejected: _Rejected,
        runs: StatusRuns,
    ) -> None:
        published, envelope = selected.answer, selected.envelope
        answer, bad_header = fit_header(published)
        selected.answer = answer
        if selected.outcome == published.place.outcome:
            selected.outcome = answer.place.outcome
        rejects = Rejects()
        rejects.extend([reject for reject in (selected.failure, bad_header) if reject])
        observed_at, carried_count = None, 0
        if envelope is not None:
            observed_at, bad_timestamp = parse_published_time(envelope.observed_at, published.poll)
            rejects.extend([bad_timestamp] if bad_timestamp else [])
            carried_count = runs.add_poll(
                to_naive_utc(answer.poll.slot_at),
                stations,
                is_complete=envelope.is_complete,
                is_after_gap=self._is_after_gap(answer.poll),
            )
            _gather_rejects(rejects, stations, rejected, envelope.pointer)
        self._write_rejects(answer, rejects, envelope.pointer if envelope else "")
        self._write_poll(selected, observed_at, stations, rejects, rejected, carried_count)

    def _stations(
        self, envelope: Envelope, slot_at: datetime
    ) -> tuple[list[FlatStation], _Rejected]:
        """The stations of an answer in its order, empty ones in place of rejected records."""
        fragments, rejected = envelope.stations, _Rejected(envelope.pointer)
        records, is_changed, has_new_keys = self._read_changed(fragments, rejected)
        self.before = (fragments, records)
        if rejected.shapes:
            kept = [
                None if record is _REJECTED else fragment
                for fragment, record in zip(fragments, records, strict=True)
            ]
            self.before = (kept, records)
        repeats = self.resolved is not None
        if has_new_keys:
            repeats = has_repeated_key([record[0] for record in records])
        if not repeats:
            self.resolved = None
        elif self.resolved is None or is_changed:  # which record counts depends on statuses too
            self.resolved = self._without_duplicates(envelope, records)
        if self.resolved is not None:
            records, rejected = self.resolved
        for record in records:
            if not record[1] and record is not _REJECTED:
                self.records.append(record)
                self._count_names(record[0])
            record[1].append(slot_at)
        self.is_first = False
        return [record[0] for record in records], rejected

    def _without_duplicates(
        self, envelope: Envelope, records: list[_Record]
    ) -> tuple[list[_Record], _Rejected]:
        """The records, those that hold duplicates read again without them, and what is rejected."""
        fragments, rejected = envelope.stations, _Rejected(envelope.pointer)
        stations = [record[0] for record in records]
        losers = find_duplicates(stations, fragments, self.reader.evses, self.reader.connectors)
        without = [
            self._record(fragment, number, rejected, of_record)
            if of_record or record is _REJECTED
            else record
            for number, (fragment, of_record, record) in enumerate(
                zip(fragments, losers, records, strict=True)
            )
        ]
        return without, rejected

    def _read_changed(
        self, fragments: Sequence[msgspec.Raw], rejected: _Rejected
    ) -> tuple[list[_Record], bool, bool]:
        """The records of an answer; whether any differs from the answer before, and in its keys.

        Where the answer before had the same bytes in the same place, there is nothing to look up.
        Where it had more or fewer records, places are counted from both ends.
        """
        before, records_before = self.before
        if len(before) != len(fragments):
            return self._read_moved(fragments, rejected), True, True
        records, is_changed = records_before.copy(), False
        # The first answer of an hour has to say whether keys are repeated.
        has_new_keys = self.is_first
        for index, is_equal in enumerate(map(eq, before, fragments)):
            if not is_equal:
                record = self._changed_record(before[index], records[index], fragments[index])
                if record is None:
                    record = self._record(fragments[index], index, rejected)
                has_new_keys = has_new_keys or record[0].keys != records[index][0].keys
                records[index], is_changed = record, True
        return records, is_changed, has_new_keys

    def _read_moved(self, fragments: Sequence[msgspec.Raw], rejected: _Rejected) -> list[_Record]:
        """The records of an answer that has more or fewer of them than the answer before."""
        before, records_before = self.before
        shorter = min(len(before), len(fragments))
        first = next((n for n in range(shorter) if before[n] != fragments[n]), shorter)
        last = next(
            (n for n in range(shorter - first) if before[-1 - n] != fragments[-1 - n]),
            shorter - first,
        )
        end = len(fragments) - last
        return [
            *records_before[:first],
            *(self._record(fragments[n], n, rejected) for n in range(first, end)),
            *records_before[len(before) - last :],
        ]

    def _changed_record(
        self, before: msgspec.Raw | None, record: _Record, fragment: msgspec.Raw
    ) -> _Record | None:
        """The record of a fragment that differs from the one before in nothing but statuses."""
        if before is None or record is _REJECTED:
            return None
        station = self.statuses.read_changed(before, record[0], fragment)
        return None if station is None else (station, [])

    @property
    def statuses(self) -> StatusReader:
        return self.reader.statuses

    def _record(
        self, fragment: msgspec.Raw, number: int, rejected: _Rejected, losers: Losers = NONE
    ) -> _Record:
        """The record of that number, added to those `rejected` if it is."""
        content = blake2b(fragment, digest_size=16).digest(), losers
        record = self.by_content.get(content)
        if record is None:
            station = self._read(fragment, losers)
            if station.is_rejected:
                rejected.add(station, number)
                return _REJECTED
            record = self.by_content[content] = (station, [])
        return record

    def _read(self, fragment: msgspec.Raw, losers: Losers) -> FlatStation:
        """The rows of a record; without the names of its fields if the hour has had too many."""
        station = self.reader.read(fragment, self.place, losers)
        if not self._count_names(station):
            station.shape, station.unknown = NO_SHAPE, ()
        return station

    def _is_after_gap(self, poll: Poll) -> bool:
        """Whether a good poll is too long after the one before for a run to reach from it."""
        before, self.last_good = self.last_good, poll.slot_at
        gap_s = poll.cadence_s * GAP_CADENCES
        return before is not None and (poll.slot_at - before).total_seconds() > gap_s

    def _count_names(self, station: FlatStation) -> bool:
        """Whether the names of a record's fields are among those of the hour, or may be added."""
        if station.shape in self.shapes:
            return True
        name_count = self.name_count + count_names(station.shape)
        if name_count > MAX_NAMES:
            if self.uses_kept:
                self.name_count = name_count
            return False
        self.shapes.add(station.shape)
        self.name_count = name_count
        return True

    def _write_rejects(self, answer: ArchivedResponse, rejects: Rejects, pointer: str) -> None:
        if not rejects:
            return
        rejections, counts = zip(*rejects.rows(pointer), strict=True)
        severity, entity, entity_id, pointers, code, fragment, key, second_hash = zip(
            *rejections, strict=True
        )
        self.rows["flat_rejects"].extend(
            len(rejections),
            slot_at=to_naive_utc(answer.poll.slot_at),
            feed=answer.poll.feed,
            place=answer.place.slug,
            raw_key=answer.raw_key,
            stage="flatten",
            severity=severity,
            entity=entity,
            entity_id=entity_id,
            pointer=pointers,
            code=code,
            reject_count=counts,
            fragment=fragment,
            entity_key=key,
            identity_hash=second_hash,
        )

    def _write_poll(
        self,
        selected: SelectedAnswer,
        observed_at: datetime | None,
        stations: list[FlatStation],
        rejects: Rejects,
        rejected: _Rejected,
        carried_count: int,
    ) -> None:
        answer, poll, place = selected.answer, selected.answer.poll, selected.answer.place
        counts = rejects.counts()
        unknown = set(selected.envelope.unknown if selected.envelope else ())
        names = [station.unknown for station in stations if station.unknown]
        unknown.update(*rejected.unknown.union(*names))
        evse_count = sum([station.evse_count for station in stations]) + rejected.evse_count
        shapes = NO_SHAPE.union(*{station.shape for station in stations}, *rejected.shapes)
        self.rows["flat_polls"].extend(
            1,
            slot_at=to_naive_utc(poll.slot_at),
            feed=poll.feed,
            feed_kind=poll.kind,
            time_zone=poll.time_zone,
            place=place.slug,
            outcome=selected.outcome,
            is_imported=poll.is_imported,
            requested_at=place.requested_at and to_naive_utc(place.requested_at),
            observed_at=observed_at,
            cadence_s=poll.cadence_s,
            elapsed_ms=place.elapsed_ms,
            http_status=place.http_status,
            body_bytes=selected.body_bytes,
            raw_key=answer.raw_key,
            answer_count=selected.answer_count,
            station_count=len(stations),
            station_rejected_count=counts["record", "station"],
            evse_count=evse_count,
            evse_rejected_count=counts["record", "evse"],
            connector_count=sum([station.connector_count for station in stations])
            + rejected.connector_count,
            connector_rejected_count=counts["record", "connector"],
            status_count=evse_count,  # each EVSE record has one, which may be null
            status_rejected_count=counts["record", "evse"],
            carried_count=carried_count,
            is_complete=selected.envelope.is_complete if selected.envelope else None,
            field_rejected_count=sum(
                count for (severity, _), count in counts.items() if severity == "field"
            ),
            schema_fingerprint=_fingerprint(shapes) if stations else None,
            unknown_fields=_drift(unknown),
            untrimmed_count=sum([len(station.untrimmed) for station in stations])
            + rejected.untrimmed_count,
            untrimmed_example=_untrimmed_example(stations),
        )

    def _write_states(self, answer: ArchivedResponse) -> None:
        feed, place = answer.poll.feed, answer.place.slug
        records = self.records
        for name, states in (
            ("flat_stations", [(r.station,) if r.station else () for r, _ in records]),
            ("flat_evses", [r.evses for r, _ in records]),
            ("flat_connectors", [r.connectors for r, _ in records]),
        ):
            rows = merge_states(zip(states, (slots for _, slots in records), strict=True))
            while chunk := list(islice(rows, _CHUNK)):
                self.rows[name].extend_rows([(*times, feed, place, *row) for *times, row in chunk])


def _gather_rejects(
    rejects: Rejects, stations: list[FlatStation], rejected: _Rejected, pointer: str
) -> None:
    """Add those of all records of an answer, in its order."""
    of_rejected = list(zip(rejected.numbers, rejected.rejects.listed, strict=True))
    claims, added = rejected.rejects.claims, 0
    for number, station in enumerate(stations):
        if station.rejects is not NO_REJECTS:
            while added < len(of_rejected) and of_rejected[added][0] < number:
                rejects.extend([of_rejected[added][1]], claims)
                added += 1
            rejects.include(station.rejects, f"{pointer}/{number}")
    rejects.extend([each for _, each in of_rejected[added:]], claims)
    rejects.include_unlisted(rejected.rejects)


def _drift(unknown: set[str]) -> str | None:
    """The unknown fields as JSON, truncated: sources may publish any number, of any length."""
    names = [truncate(escape_pointer(name), 256) for name in sorted(unknown)[:200]]
    while names:
        try:
            return canonical(names, flat.UNKNOWN_FIELDS.length)
        except BadValue:
            names = names[: len(names) // 2]
    return None


def _untrimmed_example(stations: Iterable[FlatStation]) -> str | None:
    """The first text with surplus white space, with its station and column, as JSON."""
    for each in stations:
        if each.untrimmed and each.station is not None:
            column, text = each.untrimmed[0]
            station_id = each.station.published_id
            example = {"column": column, "station_id": station_id, "text": text}
            return escape_json_control(
                canonical(example, flat.UNTRIMMED_EXAMPLE.length), lines=False
            )
    return None


def _weight(station: FlatStation) -> int:
    """The approximate memory of a record as read, in bytes."""
    parts = len(station.evses) + len(station.connectors)
    return 1500 + 500 * parts + 500 * len(station.rejections)


# Names in the shapes of an answer, up to which its fingerprint is cached.
_USUAL_NAMES = 5_000


@lru_cache(maxsize=256)
def _cached_fingerprint(shapes: Shapes) -> int:
    return names_hash(frozenset[str]().union(*shapes))


def _fingerprint(shapes: Shapes) -> int:
    is_usual = count_names(shapes) <= _USUAL_NAMES
    return (_cached_fingerprint if is_usual else _cached_fingerprint.__wrapped__)(shapes)


# More than there are feeds: polls are kept by reader, and those of a lost one are never taken.
@lru_cache(maxsize=256)
def _reader(
    identity: FeedIdentity, kind_name: str, rejected: frozenset[Identity] = frozenset()
) -> StationReader:
    """Reused from hour to hour: its cache of one hour has nearly all records of the next."""
    return StationReader(identity, kind(kind_name), rejected)
