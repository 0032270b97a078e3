"""A plain reference for the fast flattener: `json.loads`, loops, no caches.

It reads chargecloud's answers poll by poll and builds rows as dictionaries. It shares only
the cleaners, the hashes and the declared columns with the fast path. Bodies that `json.loads`
refuses, where valid and damaged parts cannot be separated, are out of its scope.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from charging_assets.archive.raw_objects import ArchivedResponse
from charging_assets.preprocessing import rejects as limits
from charging_assets.preprocessing.clean import BadValue, canonical, cleaner, strip_control_json
from charging_assets.preprocessing.identity import (
    attribute_hash,
    entity_key,
    identity_hash,
    names_hash,
)
from charging_assets.schemas import flat
from charging_assets.schemas.table import Column
from charging_assets.sources import RecordMap, chargecloud
from charging_assets.text import escape_json_control, strip_control

Row = dict[str, Any]
Tables = dict[str, list[Row]]
_MAPS = {
    "station": chargecloud.STATION,
    "evse": chargecloud.EVSE,
    "connector": chargecloud.CONNECTOR,
}
_LEVELS = {"station": "/*", "evse": "/*/evses/*", "connector": "/*/evses/*/connectors/*"}
_ENVELOPE_FIELDS = {"data", "status_code", "status_message", "timestamp"}


def flatten(
    places: Iterable[tuple[str, str, list[ArchivedResponse]]], ids_within: str | None = None
) -> Tables:
    """The rows of every flat table, sorted; rejects without their fragments.

    `ids_within` is that of every feed, whose network is its name.
    """
    tables: Tables = {table.name: [] for table in flat.FLAT_TABLES}
    for _feed, _place, answers in places:
        _read_place(answers, tables, ids_within)
    for table in flat.FLAT_TABLES:
        tables[table.name].sort(key=lambda row, order=table.order: [row[name] for name in order])
    return tables


def _read_place(answers: list[ArchivedResponse], tables: Tables, ids_within: str | None) -> None:
    states: dict[str, list[tuple[datetime, Row]]] = {"station": [], "evse": [], "connector": []}
    last_good, good_polls = None, list[tuple[datetime, bool, list[Row]]]()
    for slot_at in sorted({answer.poll.slot_at for answer in answers}):
        slot_answers = [answer for answer in answers if answer.poll.slot_at == slot_at]
        parsed = [(answer, *_open(answer)) for answer in slot_answers]
        good = [candidate for candidate in parsed if candidate[1] is not None]
        answer, data, outcome, code = (good or parsed)[0]
        reading = _Reading(answer, ids_within)
        if data is None:
            if code:
                reading.reject("body", "poll", None, code[0], code[1])
        else:
            gap = (slot_at - last_good).total_seconds() if last_good else 0
            last_good = slot_at
            survey = _Reading(answer, ids_within)
            survey.read(data)
            reading.losers = _losers(survey.candidates)
            reading.read(data)
            is_after_gap = gap > 2.5 * answer.poll.cadence_s
            good_polls.append((reading.slot_at, is_after_gap, reading.statuses))
            for entity, rows in reading.states.items():
                states[entity] += [(reading.slot_at, row) for row in rows]
        tables["flat_rejects"] += reading.reject_rows()
        tables["flat_polls"].append(reading.poll_row(outcome, len(slot_answers)))
    tables["flat_status"] += _runs(good_polls)
    for entity, seen in states.items():
        tables[f"flat_{entity}s"] += _merge(entity, seen)


def _runs(good_polls: list[tuple[datetime, bool, list[Row]]]) -> list[Row]:
    """Runs of equal status, EVSE by EVSE and poll by poll."""
    runs: list[Row] = []
    for key in {row["evse_key"] for _, _, statuses in good_polls for row in statuses}:
        run: Row | None = None
        for slot_at, is_after_gap, statuses in good_polls:
            row = next((row for row in statuses if row["evse_key"] == key), None)
            if row is None:
                run = None
                continue
            if run is None or is_after_gap or any(run[name] != row[name] for name in _OF_A_RUN):
                run = {**row, "poll_count": 0}
                runs.append(run)
            run["poll_count"] += 1
            run["last_slot_at"] = slot_at
    return runs


_OF_A_RUN = ("status", "status_published", "parking_status", "connector_status_overrides")


def _merge(entity: str, seen: list[tuple[datetime, Row]]) -> list[Row]:
    merged: dict[tuple[int, int], Row] = {}
    for slot_at, row in seen:
        key = row[f"{entity}_key"], row["attribute_hash"]
        if key not in merged:
            merged[key] = {**row, "slot_at": slot_at, "last_slot_at": slot_at, "poll_count": 0}
        merged[key]["last_slot_at"] = slot_at
        merged[key]["poll_count"] += 1
    return list(merged.values())


def _open(answer: ArchivedResponse) -> tuple[dict[str, Any] | None, str, tuple[str, str] | None]:
    """The body's value where it is good, the outcome, and pointer and code of a bad body."""
    if answer.place.outcome != "ok" or answer.place.body is None:
        return None, answer.place.outcome, None
    try:
        value = json.loads(answer.place.body.decode("utf-8-sig"), parse_int=_whole)
    except ValueError:
        return None, "bad_body", ("", "not_json")
    if not isinstance(value, dict):
        return None, "bad_body", ("", "bad_envelope")
    if str(value.get("status_code", 1000)) not in ("1000", "1000.0", "None"):
        return None, "bad_body", ("/status_code", "api_status")
    if not isinstance(value.get("data"), list):
        return None, "bad_body", ("/data", "bad_envelope")
    return value, "ok", None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits.lstrip("-")) <= 4300 else math.inf


def _losers(candidates: list[Row]) -> set[str]:
    """The pointers of records that do not count, level by level: a loser's parts do not compete."""
    losers: set[str] = set()
    for entity in ("station", "evse", "connector"):
        best: dict[int, Row] = {}
        for candidate in candidates:
            if candidate["entity"] != entity or candidate["above"] in losers:
                continue
            if entity == "station":
                below = [c["lives"] for c in candidates if c["above"] == candidate["pointer"]]
                candidate["lives"], candidate["below"] = max(below, default=-1), []
            else:
                below = [c["texts"] for c in candidates if c["above"] == candidate["pointer"]]
                candidate["below"] = sorted(below)
            other = best.setdefault(candidate["key"], candidate)
            if other is not candidate:
                winner = min(other, candidate, key=_precedence)
                best[candidate["key"]] = winner
                loser = other if winner is candidate else candidate
                losers.add("=" + loser["pointer"] if entity == "station" else loser["pointer"])
    return losers


def _precedence(candidate: Row) -> tuple[Any, ...]:
    name, *texts = candidate["texts"]
    name = (name, candidate["identity_hash"])
    return name, -candidate["lives"], texts, candidate["below"], candidate["published"]


def _sorted_json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, order="sorted")
    except (TypeError, ValueError, OverflowError, RecursionError):
        return repr(value).encode("utf-8", "replace")


def _untrimmed(station: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """The texts of a station with surplus white space, the id first."""
    for column, path in chargecloud.STATION.columns.items():
        value: Any = station
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if column in ("directions", "comment") or not isinstance(value, str):
            continue
        if value != " ".join(value.split()):
            yield column, value[: 128 if column == "station_id" else 200]


class _Reading:
    """One answer, read record by record; first to see which of them have one key."""

    def __init__(self, answer: ArchivedResponse, ids_within: str | None) -> None:
        self.ids_within = ids_within
        self.candidates: list[Row] = []
        self.losers: set[str] = set()
        self.answer = answer
        self.slot_at = _naive(answer.poll.slot_at)
        self.observed_at: datetime | None = None
        self.states: dict[str, list[Row]] = {"station": [], "evse": [], "connector": []}
        self.counts = {"station": 0, "evse": 0, "connector": 0}
        self.statuses: list[Row] = []
        self.rejects: list[Row] = []
        self.repaired: list[str] = []
        self.names: set[str] = set()
        self.unknown: set[str] = set()
        self.untrimmed_count = 0
        self.untrimmed_example: str | None = None

    def read(self, body: dict[str, Any]) -> None:
        self.unknown |= {f"/{_token(name)}" for name in body if name not in _ENVELOPE_FIELDS}
        self._read_timestamp(body.get("timestamp"))
        for index, record in enumerate(body["data"]):
            pointer = f"/data/{index}"
            self.repaired = []
            self._read_station(self._repair_text(record, pointer), pointer)

    def _read_timestamp(self, published: Any) -> None:
        if published is None:
            return
        try:
            instant = datetime.fromisoformat(published)
            if instant.tzinfo is None:
                instant = instant.replace(tzinfo=ZoneInfo(self.answer.poll.time_zone))
            observed_at = _naive(instant)
        except (TypeError, ValueError, OverflowError):
            self.reject("field", "poll", None, "/timestamp", "bad_timestamp")
            return
        if 2000 <= observed_at.year < 2100:
            self.observed_at = observed_at
        else:
            self.reject("field", "poll", None, "/timestamp", "out_of_range")

    def _repair_text(self, value: Any, pointer: str) -> Any:
        """The value without what strict JSON cannot say; each repair is a bad field."""
        if isinstance(value, dict):
            repaired = {}
            for name, member in value.items():
                clean = self._repair_text(name, pointer)
                repaired[clean] = self._repair_text(member, f"{pointer}/{_token(clean)}")
            return repaired
        if isinstance(value, list):
            return [self._repair_text(v, f"{pointer}/{index}") for index, v in enumerate(value)]
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            self._repair(pointer, "invalid_utf8")
            return "".join("?" if "\ud800" <= c <= "\udfff" else c for c in value)
        if isinstance(value, float) and not math.isfinite(value):
            self._repair(pointer, "not_finite")
            return None
        return value

    def _repair(self, pointer: str, code: str) -> None:
        self.repaired.append(pointer)
        self.reject("field", "station", None, pointer, code)

    def _read_station(self, record: Any, pointer: str) -> None:
        place = (self.answer.place.slug,) if self.ids_within == "place" else ()
        row = self._entity("station", record, pointer, {}, place)
        untrimmed = list(_untrimmed(record)) if isinstance(record, dict) else []
        self.untrimmed_count += len(untrimmed)
        evses = record.get("evses") if isinstance(record, dict) else None
        if row is None:
            self._reject_below("evse", evses, f"{pointer}/evses")
            return
        if untrimmed and f"={pointer}" not in self.losers and self.untrimmed_example is None:
            column, text = untrimmed[0]
            example = {"column": column, "station_id": row["station_id"], "text": text}
            self.untrimmed_example = escape_json_control(canonical(example, 4_000), lines=False)
        if f"={pointer}" in self.losers:
            identity = (row["station_key"], row["identity_hash"])
            self.reject("record", "station", row["station_id"], pointer, "duplicate_key", identity)
        else:
            self.states["station"].append(row)
        for index, evse in self._enumerate_children(
            "station", row["station_id"], evses, f"{pointer}/evses"
        ):
            self._read_evse(evse, f"{pointer}/evses/{index}", row)

    def _read_evse(self, record: Any, pointer: str, station: Row) -> None:
        above = {name: station[name] for name in ("station_key", "station_id")}
        prefix: tuple[str, ...] = ()
        if self.ids_within == "place":
            prefix = (self.answer.place.slug,)
        if self.ids_within == "parent":
            prefix = (station["station_id"],)
        row = self._entity("evse", record, pointer, above, prefix)
        connectors = record.get("connectors") if isinstance(record, dict) else None
        if row is None:
            self._reject_below("connector", connectors, f"{pointer}/connectors")
            return
        ids = (*prefix, row["evse_uid"])
        status, parking_status = row.pop("status"), row.pop("parking_status")
        self.states["evse"].append(row)
        if status is None and not self._is_rejected("evse", f"{pointer}/status"):
            self.reject("field", "evse", row["evse_uid"], f"{pointer}/status", "missing_status")
        overrides = {}
        where = f"{pointer}/connectors"
        for index, connector in self._enumerate_children(
            "evse", row["evse_uid"], connectors, where
        ):
            above = {name: row[name] for name in ("evse_key", "evse_uid")}
            connector_row = self._entity("connector", connector, f"{where}/{index}", above, ids)
            if connector_row is not None:
                connector_status = connector_row.pop("status")
                self.states["connector"].append(connector_row)
                pointer_of_status = f"{where}/{index}/status"
                bad = self._is_rejected("connector", pointer_of_status)
                if connector_status != status and (connector_status is not None or bad):
                    overrides[connector_row["connector_id"]] = connector_status
        self.statuses.append(
            {
                "slot_at": self.slot_at,
                "feed": self.answer.poll.feed,
                "place": self.answer.place.slug,
                "evse_key": row["evse_key"],
                "evse_uid": row["evse_uid"],
                "status": status,
                "status_published": _word(record.get("status")),
                "parking_status": parking_status,
                "connector_status_overrides": canonical(overrides, 60_000) if overrides else None,
                "first_status_changed_at": None,
                "last_status_changed_at": None,
            }
        )

    def _entity(
        self, entity: str, record: Any, pointer: str, above: Row, prefix: tuple[str, ...]
    ) -> Row | None:
        """The row of a record, or None where it is rejected. `prefix` comes before its own id."""
        self.counts[entity] += 1
        if not isinstance(record, dict):
            self.reject("record", entity, None, pointer, "not_an_object")
            return None
        key_column, attributes, also = _COLUMNS[entity]
        values: Row = {}
        bad: list[tuple[str, str]] = []
        # In the order in which bad fields are listed: those of the record itself come last.
        paths = _MAPS[entity].paths
        columns = (key_column, *also, *attributes)
        nested = [column for column in columns if "." in paths.get(column.name, "")]
        volatile = {key_column.name, "evse_id", *(column.name for column in also)}
        for column in columns:
            if column.name not in volatile and column not in nested:
                values[column.name] = _field(_MAPS[entity], column, record, bad)
        for parent in sorted({paths[column.name].split(".")[0] for column in nested}):
            if record.get(parent) is not None and not isinstance(record[parent], dict):
                bad.append((f"/{parent}", "not_an_object"))
            for column in nested:
                if paths[column.name].startswith(f"{parent}."):
                    values[column.name] = _field(_MAPS[entity], column, record, bad)
        values["extra"] = self._extra(entity, record, bad)
        for column in columns:
            if column.name in volatile:
                values[column.name] = _field(_MAPS[entity], column, record, bad)
        published = values[key_column.name]
        for where, code in bad:
            self.reject("field", entity, published, pointer + where, code)
        if published is None:
            self.reject("record", entity, None, pointer, "missing_key")
            return None
        identity = (self.answer.poll.feed, entity, *prefix, published)
        key, second_hash = entity_key(*identity), identity_hash(*identity)
        if pointer in self.losers:
            key_and_hash = (key, second_hash)
            self.reject("record", entity, published, pointer, "duplicate_key", key_and_hash)
            return None
        lives = {"REMOVED": 0, "PLANNED": 1}.get(values.get("status") or "", 2)
        compared = [
            *list(above.values())[1:],
            *(values[c.name] for c in attributes),
            values["extra"],
        ]
        texts = [published, *("" if value is None else str(value) for value in compared)]
        parent = pointer.rsplit("/", 2)[0] if entity != "station" else ""
        self.candidates.append(
            {
                "entity": entity, "pointer": pointer, "above": parent, "key": key,
                "lives": lives, "texts": texts, "published": _sorted_json(record),
                "identity_hash": second_hash,
            }
        )  # fmt: skip
        hashed = {**above, **{c.name: values[c.name] for c in attributes}, "extra": values["extra"]}
        return {
            "feed": self.answer.poll.feed,
            "place": self.answer.place.slug,
            f"{entity}_key": key,
            "identity_hash": second_hash,
            "attribute_hash": attribute_hash(hashed),
            **above,
            **values,
        }

    def _extra(self, entity: str, record: Row, bad: list[tuple[str, str]]) -> str | None:
        record_map = _MAPS[entity]
        paths = set(record_map.paths.values())
        parents = {path.split(".")[0] for path in paths if "." in path}
        mapped = {path for path in paths if "." not in path} | parents | record_map.ignored
        mapped |= {record_map.children} if record_map.children else set()
        extra: Row = {}
        for name, value in record.items():
            self.names.add(f"{_LEVELS[entity]}/{_token(name)}")
            if name not in mapped:
                self.unknown.add(f"{_LEVELS[entity]}/{_token(name)}")
                extra[name] = value
            elif name in parents and isinstance(value, dict):
                for inner, inner_value in value.items():
                    self.names.add(f"{_LEVELS[entity]}/{_token(name)}/{_token(inner)}")
                    if f"{name}.{inner}" not in paths:
                        self.unknown.add(f"{_LEVELS[entity]}/{_token(name)}/{_token(inner)}")
                        if inner_value is not None:
                            extra.setdefault(name, {})[inner] = inner_value
        extra = {name: value for name, value in extra.items() if value is not None}
        try:
            return canonical(strip_control_json(extra), 24_000) if extra else None
        except BadValue as error:
            bad.append(("", f"extra_{error.code}"))
            return None

    def _enumerate_children(self, entity: str, entity_id: str, value: Any, pointer: str) -> Any:
        if isinstance(value, list):
            return enumerate(value)
        if value is not None:
            self.reject("field", entity, entity_id, pointer, "not_a_list")
        return ()

    def _reject_below(self, entity: str, records: Any, pointer: str) -> None:
        for index, record in enumerate(records if isinstance(records, list) else ()):
            self.counts[entity] += 1
            self.reject("record", entity, None, f"{pointer}/{index}", "parent_rejected")
            if entity == "evse" and isinstance(record, dict):
                below = f"{pointer}/{index}/connectors"
                self._reject_below("connector", record.get("connectors"), below)

    def reject(
        self,
        severity: str,
        entity: str,
        entity_id: str | None,
        pointer: str,
        code: str,
        identity: tuple[int | None, int | None] = (None, None),
    ) -> None:
        row = {
            "slot_at": self.slot_at,
            "feed": self.answer.poll.feed,
            "place": self.answer.place.slug,
            "raw_key": self.answer.raw_key,
            "stage": "flatten",
            "severity": severity,
            "entity": entity,
            "entity_id": entity_id,
            "pointer": _without_trailing_blank(_escape_pointer(pointer)),
            "code": code,
            "entity_key": identity[0],
            "identity_hash": identity[1],
        }
        self.rejects.append(row)

    def _is_rejected(self, entity: str, pointer: str) -> bool:
        return pointer in self.repaired or (entity, pointer) in {
            (row["entity"], row["pointer"]) for row in self.rejects
        }

    def reject_rows(self) -> list[Row]:
        """The first records and fields rejected, what has one pointer once; a count of the rest."""
        reject_rows: dict[tuple[str, str, str], Row] = {}
        for number, row in enumerate(self.rejects):
            before = [other["severity"] for other in self.rejects[:number]]
            if before.count(row["severity"]) >= limits.MAX_LISTED:
                pointer = f"/data/unlisted/{row['severity']}"
                row = {**row, "pointer": pointer, "entity_id": None}
                row = {**row, "entity_key": None, "identity_hash": None}
            where = row["entity"], row["pointer"], row["code"]
            counted = reject_rows.setdefault(where, {**row, "reject_count": 0})
            counted["reject_count"] += 1
        return list(reject_rows.values())

    def poll_row(self, outcome: str, answer_count: int) -> Row:
        poll, place = self.answer.poll, self.answer.place
        severities = [(row["severity"], row["entity"]) for row in self.rejects]
        row = {
            "slot_at": self.slot_at,
            "feed": poll.feed,
            "feed_kind": poll.kind,
            "time_zone": poll.time_zone,
            "place": place.slug,
            "outcome": outcome,
            "is_imported": poll.is_imported,
            "requested_at": None if place.requested_at is None else _naive(place.requested_at),
            "observed_at": self.observed_at,
            "cadence_s": poll.cadence_s,
            "elapsed_ms": place.elapsed_ms,
            "http_status": place.http_status,
            "body_bytes": 0 if place.body is None else len(place.body),
            "raw_key": self.answer.raw_key,
            "answer_count": answer_count,
            "field_rejected_count": len([s for s, _ in severities if s == "field"]),
            "schema_fingerprint": names_hash(self.names) if self.counts["station"] else None,
            "unknown_fields": canonical(
                [_escape_pointer(name) for name in sorted(self.unknown)[:200]], 60_000
            )
            if self.unknown
            else None,
            "untrimmed_count": self.untrimmed_count,
            "untrimmed_example": self.untrimmed_example,
        }
        for entity, count in self.counts.items():
            row[f"{entity}_count"] = count
            row[f"{entity}_rejected_count"] = severities.count(("record", entity))
        row["status_count"] = row["evse_count"]
        row["status_rejected_count"] = row["evse_rejected_count"]
        row["carried_count"] = 0
        row["is_complete"] = True if outcome == "ok" else None
        return row


def _word(published: Any) -> str | None:
    if published is None or isinstance(published, bool | dict | list):
        return None
    word = " ".join(strip_control(str(published)).split())
    return word if word and len(word.encode()) <= 64 else None


def _field(record_map: RecordMap, column: Column, record: Row, bad: list[tuple[str, str]]) -> Any:
    path = record_map.paths.get(column.name)
    if path is None:
        return None
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return None
    try:
        return cleaner(column, record_map.units.get(column.name))(value)
    except BadValue as error:
        bad.append((f"/{path.replace('.', '/')}", error.code))
        return None


_COLUMNS: dict[str, tuple[Column, tuple[Column, ...], tuple[Column, ...]]] = {
    "station": (flat.STATION_ID, flat.STATION_ATTRIBUTES[:-1], ()),
    "evse": (flat.EVSE_UID, flat.EVSE_ATTRIBUTES[2:-1], (flat.STATUS, flat.PARKING_STATUS)),
    "connector": (flat.CONNECTOR_ID, flat.CONNECTOR_ATTRIBUTES[2:-1], (flat.STATUS,)),
}


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _without_trailing_blank(pointer: str) -> str:
    blanks = len(pointer) - len(pointer.rstrip(" "))
    return pointer.rstrip(" ") + r"\u0020" * blanks


def _escape_pointer(pointer: str) -> str:
    """A pointer with control and bidirectional characters escaped as in JSON."""
    is_unsafe = {"Cc", "Zl", "Zp"}
    return "".join(
        {"\t": "\\t", "\n": "\\n"}.get(character, f"\\u{ord(character):04x}")
        if unicodedata.category(character) in is_unsafe
        or unicodedata.bidirectional(character) in _BIDIRECTIONAL
        or character in "\u061c\u200e\u200f"
        else character
        for character in pointer
    )


_BIDIRECTIONAL = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
