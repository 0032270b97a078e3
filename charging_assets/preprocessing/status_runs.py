"""Runs of equal status of a place's EVSEs, found while its hour is flattened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from charging_assets.preprocessing.columns import Rows
from charging_assets.preprocessing.flat_station import FlatStation, Status

# Runs that become rows at once.
_CHUNK = 50_000


class _Run:
    """An open run: it is extended by polls that do not end it, without any work."""

    __slots__ = ("first_changed_at", "first_number", "last_changed_at", "slot_at", "status")

    def __init__(self, number: int, slot_at: datetime, status: Status) -> None:
        self.first_number, self.slot_at, self.status = number, slot_at, status
        self.first_changed_at = self.last_changed_at = status.changed_at

    def extend(self, status: Status) -> None:
        """Note the published time of a later poll with the same state."""
        if status.changed_at is not None:
            self.last_changed_at = status.changed_at
            if self.first_changed_at is None:
                self.first_changed_at = status.changed_at


class StatusRuns:
    """The runs of one place's hour, from its good polls in the order of their slots.

    Only records that are not those of the poll before are looked at: an EVSE whose record did not
    change extends its run at no cost. Rows are those of `flat_status`, each EVSE's in the order of
    their slots.
    """

    def __init__(self, rows: Rows, feed: str, place: str) -> None:
        self._rows, self._feed, self._place = rows, feed, place
        self._open: dict[int, _Run] = {}
        self._closed: list[tuple[_Run, datetime, int]] = []
        # Records of the poll before; None where open runs are not exactly those of its records.
        self._before: Sequence[FlatStation] | None = ()
        self._number = 0
        self._slot_at = datetime.min

    def add_poll(
        self,
        slot_at: datetime,
        stations: Sequence[FlatStation],
        *,
        is_complete: bool = True,
        is_after_gap: bool = False,
    ) -> int:
        """Add the records of a good poll; return the number of statuses that it leaves unchanged.

        Args:
            slot_at: the slot of the poll, after that of the poll before.
            stations: its records, without duplicates; each EVSE is in one of them.
            is_complete: whether an EVSE that it leaves out is absent; else it is unchanged.
            is_after_gap: whether no run can reach from the poll before to this one.
        """
        if is_after_gap:
            self._end_all()
        carried = 0
        if is_complete:
            self._add_complete(slot_at, stations)
            self._before = stations
        else:
            reported = {status.evse_key for station in stations for status in station.statuses}
            self._add_statuses(slot_at, stations)
            carried = len(self._open) - len(reported)
            self._before = None
        self._number, self._slot_at = self._number + 1, slot_at
        if len(self._closed) >= _CHUNK:
            self._write()
        return carried

    def finish(self) -> None:
        """End all runs with the last poll and write the remaining rows."""
        self._end_all()
        self._write()

    def _add_complete(self, slot_at: datetime, stations: Sequence[FlatStation]) -> None:
        if self._before is None:
            absent, changed = set(self._open), stations
        else:
            gone, changed = _differences(self._before, stations)
            absent = {status.evse_key for station in gone for status in station.statuses}
        absent.difference_update(
            [status.evse_key for station in changed for status in station.statuses]
        )
        for key in absent:
            self._end(key)
        self._add_statuses(slot_at, changed)

    def _add_statuses(self, slot_at: datetime, stations: Sequence[FlatStation]) -> None:
        open_runs, number = self._open, self._number
        for station in stations:
            for status in station.statuses:
                run = open_runs.get(status.evse_key)
                if run is None:
                    open_runs[status.evse_key] = _Run(number, slot_at, status)
                elif run.status.state == status.state:
                    run.extend(status)
                else:
                    self._end(status.evse_key)
                    open_runs[status.evse_key] = _Run(number, slot_at, status)

    def _end(self, key: int) -> None:
        """End a run with the poll before."""
        run = self._open.pop(key)
        self._closed.append((run, self._slot_at, self._number - run.first_number))

    def _end_all(self) -> None:
        for key in list(self._open):
            self._end(key)
        self._before = ()

    def _write(self) -> None:
        if not self._closed:
            return
        runs, last_slots, counts = zip(*self._closed, strict=True)
        keys, uids, statuses, published, parking, overrides, _ = zip(
            *[run.status for run in runs], strict=True
        )
        self._rows.extend(
            len(runs),
            slot_at=tuple([run.slot_at for run in runs]),
            last_slot_at=last_slots,
            poll_count=counts,
            feed=self._feed,
            place=self._place,
            evse_key=keys,
            evse_uid=uids,
            status=statuses,
            status_published=published,
            parking_status=parking,
            connector_status_overrides=overrides,
            first_status_changed_at=tuple([run.first_changed_at for run in runs]),
            last_status_changed_at=tuple([run.last_changed_at for run in runs]),
        )
        self._closed.clear()


def _differences(
    before: Sequence[FlatStation], stations: Sequence[FlatStation]
) -> tuple[Sequence[FlatStation], Sequence[FlatStation]]:
    """The records of only the first, and of only the second answer; equal ones are one object."""
    if len(before) == len(stations):
        pairs = [(old, new) for old, new in zip(before, stations, strict=True) if old is not new]
        if not pairs:
            return (), ()
        before, stations = zip(*pairs, strict=True)
    # Records that are in both at other positions.
    moved = {id(station) for station in before} & {id(station) for station in stations}
    if moved:
        before = [station for station in before if id(station) not in moved]
        stations = [station for station in stations if id(station) not in moved]
    return before, stations
