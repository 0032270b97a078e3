"""Read records that differ from an earlier one in nothing but statuses.

In most polls these are all that changed. Both records are compared without the words of their
status fields; if they are equal, only these are decoded, and everything else is that of the earlier
record. Anything unusual is left to `StationReader.read`, which gives the same result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from charging_assets.preprocessing.clean import STATUSES, BadValue, canonical
from charging_assets.preprocessing.flat_station import NO_REJECTS, FlatStation, Status
from charging_assets.schemas.flat import OVERRIDES
from charging_assets.sources import Kind


class StatusReader:
    """Reads the changed statuses of a kind's records; `clean_parking` cleans a sensor's status."""

    def __init__(
        self, kind: Kind, evses: str, connectors: str, clean_parking: Callable[[Any], Any]
    ) -> None:
        status = kind.EVSE.paths["status"]
        parking = kind.EVSE.paths.get("parking_status")
        of_connector = kind.CONNECTOR.paths.get("status")
        names = {name for name in (status, parking, of_connector) if name is not None}
        self._clean_parking = clean_parking
        # The word of a status is that which is published, unless a kind has another field for it.
        word = kind.EVSE.paths.get("status_published", status)
        self._is_usable = word == status and not any("." in name for name in names)
        fields = b"|".join(re.escape(name.encode()) for name in sorted(names))
        self._words = re.compile(rb'("(?:' + fields + rb')"\s*:\s*")[A-Z_]+(?=")')
        # A station has no statuses: its fields of these names are decoded to be compared.
        others = {f"other{n}": name for n, name in enumerate(sorted(names))}
        of_evse = {"status": status, "parking": parking}
        try:
            connector = _struct("Connector", {"status": of_connector})
            evse = _struct("Evse", of_evse, connectors, connector)
            station = _struct("Station", dict(others), evses, evse)
        except ValueError:
            # Kinds may have any names. Without structs, changed records are read as a whole.
            station, self._is_usable = msgspec.defstruct("Station", []), False
        self._others = tuple(others)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(station)

    def read_changed(
        self, before: msgspec.Raw, station: FlatStation, fragment: msgspec.Raw
    ) -> FlatStation | None:
        """The result of `fragment`, where `station` is that of `before`; None if it is unusual."""
        if not self._is_usable or station.rejects is not NO_REJECTS or station.station is None:
            return None
        if len(station.statuses) != station.evse_count:
            return None
        # The texts between the words, and the names in front of the words.
        template = self._words.split(bytes(fragment))
        if template != self._words.split(bytes(before)):
            return None
        word_count = len(template) // 2
        try:
            record = self._decoder.decode(fragment)
            was = self._decoder.decode(before)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return self._with_statuses(station, record, was, word_count)

    def _with_statuses(
        self, station: FlatStation, record: Any, was: Any, word_count: int
    ) -> FlatStation | None:
        """The result with the statuses of a record; None unless these are all of its words."""
        words = 0
        for name in self._others:
            value = getattr(record, name)
            if value != getattr(was, name):
                return None
            words += _is_word(value)
        if len(record.children or ()) != len(station.statuses):
            return None
        statuses: list[Status] = []
        sources: list[tuple[str, str | None]] = []
        for old, evse in zip(station.statuses, record.children or (), strict=True):
            status, parking = evse.status, evse.parking
            if status not in STATUSES:
                return None
            words += 1
            if parking is not None:
                words += _is_word(parking)
                try:
                    parking = self._clean_parking(parking)
                except BadValue:
                    return None
            overrides: dict[str, str | None] = {}
            for connector in evse.children or ():
                number = len(sources)
                if number >= len(station.connectors):
                    return None
                published = connector.status
                if published is not None:
                    if published not in STATUSES:
                        return None
                    words += 1
                    if published != status:
                        overrides[station.connectors[number].published_id] = published
                sources.append((station.connector_sources[number][0], published))
            try:
                overrides_json = canonical(overrides, OVERRIDES.length) if overrides else None
            except BadValue:
                return None
            statuses.append(
                old._replace(
                    status=status,
                    status_published=status,
                    parking_status=parking,
                    overrides=overrides_json,
                )
            )
        if words != word_count or len(sources) != len(station.connectors):
            return None
        return station.with_statuses(statuses, sources)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


_WORD = re.compile("[A-Z_]+")


def _struct(
    name: str,
    fields: Mapping[str, str | None],
    children: str | None = None,
    child: type | None = None,
) -> type:
    """A struct of some fields of a record and its children; a field without a name is None.

    Raises:
        ValueError: a name cannot be that of a field of a struct.
    """
    declared: list[tuple[str, Any, Any]] = [
        (attribute, Any, msgspec.field(default=None, name=path))
        for attribute, path in fields.items()
        if path is not None
    ]
    unpublished = {attribute: None for attribute, path in fields.items() if path is None}
    if children is not None and child is not None:
        field = msgspec.field(default=None, name=children)
        declared.append(("children", list[child] | None, field))  # type: ignore[valid-type]
    return msgspec.defstruct(name, declared, namespace=unpublished)
