"""Rules about values: what a source publishes that cannot be, or that nobody can use.

Belongs here: the rules of `sql/checks` about single attributes and what contradicts what. What
these find is kept and shown, never changed: it is what the source said. Does not belong here:
counts (`volume`), keys (`keys`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from charging_assets.archive.raw_archive import feeds_archived, hour_keys, read_places
from charging_assets.archive.raw_objects import CorruptArchive
from charging_assets.checks.keys import scope_of
from charging_assets.checks.rules import Rule, Scene, Severity, flat, warehouse, warehouse_text
from charging_assets.lake.store import LakeError
from charging_assets.schemas import marts
from charging_assets.schemas.table import Table
from charging_assets.sources import BadBody, RecordMap, UnusableKind, kind, open_body, tolerant

# Characters of a published text that are shown: it may be as long as the answer.
_SHOWN = 200
# Where lines and paragraphs are meant.
_PROSE = frozenset({"directions", "comment"})
_WITHIN = 'if the two are different things, set `ids_within = "place"` for the feed in your feeds '
_WITHIN += "file and load again: an id then counts within its place"
_ELSE_TELL = "; else tell the operator"
_WITHIN_PARENT = ' (or `ids_within = "parent"`, where EVSE uids are unique at their station)'
_TELL = "tell the operator; what it publishes is kept as it is"


def _untidy_texts(scene: Scene) -> list[dict[str, Any]]:
    """Texts with white space around them or doubled within, as published; each text once.

    A feed that cannot be read is left out: `staged_tables__every_feed_is_staged` reports it.
    """
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for feed in feeds_archived(scene.lake):
        with suppress(CorruptArchive, LakeError, MemoryError):
            found |= _untidy_texts_of(scene, feed)
    return [found[where] for where in sorted(found)]


def _untidy_texts_of(scene: Scene, feed: str) -> dict[tuple[str, ...], dict[str, Any]]:
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    keys = hour_keys(scene.lake, [feed], scene.hour)
    for _, place, answers in read_places(scene.lake, keys):
        try:
            told = kind(answers[0].poll.kind)
        except UnusableKind:
            continue  # recorded by preprocessing, as `unknown_kind`
        records: set[bytes] = set()
        for answer in answers:
            if answer.place.outcome == "ok" and answer.place.body is not None:
                try:
                    records.update(open_body(told, answer.place.body).stations)
                except BadBody:
                    continue  # rejected by preprocessing, with its reason
        for record in sorted(records):
            for column, published, station_id in _untidy(record, told.STATION):
                row = {"feed": feed, "place": place, "station_id": station_id,
                       "column": column, "published": repr(published)}  # fmt: skip
                found[feed, place, station_id, column, published] = row
    return found


def _untidy(record: bytes, told: RecordMap) -> Iterator[tuple[str, str, str]]:
    try:
        station = tolerant.record(record)
    except BadBody:
        return
    if not isinstance(station, dict):
        return
    station_id = str(_at(station, told.paths["station_id"]))[:_SHOWN]
    for column, path in told.paths.items():
        value = None if column in _PROSE else _at(station, path)
        if isinstance(value, str) and value != " ".join(value.split()):
            yield column, value[:_SHOWN], station_id


def _at(record: dict[str, Any], path: str) -> Any:
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _evse_count(scene: Scene) -> int:
    rows = scene.in_flat_files("SELECT COUNT(DISTINCT evse_key) AS n FROM staging.flat_status")
    return int(rows.column("n")[0].as_py())


def _seconds_add_up(table: Table) -> Rule:
    statuses = [column.name for column in marts.STATUS_SECONDS[1:]]
    told = " + ".join(f"held.{name}" for name in statuses)
    shares = [c.name for c in marts.METRICS if c.name in table.names]
    broken = [f"{told} <> held.observed_s"]
    broken += [f"held.{name} < 0 OR held.{name} > 1" for name in shares]
    names = [*table.key, "observed_s", *statuses, *shares]
    return Rule(
        asset=table.name,
        rule="seconds_add_up",
        description="The seconds by status are those observed; shares are between 0 and 1.",
        remedy="materialize the hour again; if it stays, this is a bug",
        find=warehouse_text(
            f"SELECT {', '.join(f'held.{name}' for name in names)} FROM {table.full_name} AS held "
            f"WHERE {scope_of(table)} AND ({' OR '.join(broken)}) "
            f"ORDER BY {', '.join(f'held.{name}' for name in table.key)}"
        ),
        severity=Severity.ERROR,
        is_of_spans=True,
    )


RULES = (
    Rule(
        "raw_api_snapshots", "no_untrimmed_text",
        "Texts of stations are published without white space around or doubled within.",
        f"nothing: texts are trimmed in preprocessing, the raw answer keeps them; {_TELL}",
        _untidy_texts,
    ),
    Rule(
        "flat_polls", "no_schema_drift", "Answers hold no field that this version does not know.",
        "nothing is lost: fields of stations, EVSEs and connectors are kept in `extra`, all else "
        "in the raw archive; give them columns in the feed's kind",
        flat("flat_polls__no_schema_drift"),
    ),
    Rule(
        "flat_polls", "clock_agrees",
        "The source's own time is within a quarter of an hour of ours.",
        "nothing: `slot_at` is ours and counts; `observed_at` is not to be trusted while it lasts",
        flat("flat_polls__clock_agrees"),
    ),
    Rule(
        "flat_stations", "country_form",
        "The country is two capitals (ISO 3166-1 alpha-2).",
        f"a code of three letters that is not known here belongs in `preprocessing/clean`; {_TELL}",
        flat("flat_stations__country_form"),
    ),
    Rule(
        "flat_stations", "coordinates_are_in_the_country",
        "The coordinates are in a box around the station's country.",
        f"leave the station out of maps; {_TELL}",
        flat("flat_stations__coordinates_are_in_the_country"),
    ),
    Rule(
        "flat_stations", "postal_code_form", "The postal code is one of the station's country.",
        _TELL, flat("flat_stations__postal_code_form"),
    ),
    Rule(
        "flat_stations", "hours_are_known",
        "A station that is not open at all hours says when it is.",
        _TELL, flat("flat_stations__hours_are_known"),
    ),
    Rule(
        "flat_stations", "one_id_is_one_station",
        "A station id that two places publish is the same station: near, or of the same name or "
        "address.",
        _WITHIN + _ELSE_TELL, flat("flat_stations__one_id_is_one_station"),
    ),
    Rule(
        "flat_evses", "one_id_is_one_evse",
        "An EVSE uid that two places publish is the same EVSE: of the same EVSE-ID, or, without "
        "one, at the same station.",
        _WITHIN + _WITHIN_PARENT + _ELSE_TELL, flat("flat_evses__one_id_is_one_evse"),
    ),
    Rule(
        "flat_evses", "evse_id_form",
        "The EVSE-ID is one: country, operator, E, outlet, as in DE*REK*E00025*001.",
        f"join by `evse_key`, which does not depend on it; {_TELL}",
        flat("flat_evses__evse_id_form"),
    ),
    Rule(
        "flat_connectors", "power_agrees_with_current_and_voltage",
        "The power is what current and voltage give over the phases, within a tenth or 1 kW.",
        "nothing for energy, whose bound takes the greater; `power_class` follows the power; "
        f"{_TELL}",
        flat("flat_connectors__power_agrees_with_current_and_voltage"),
    ),
    Rule(
        "flat_connectors", "current_and_voltage_are_published",
        "Current, voltage and power are published, and plausible.",
        "see `ops.flat_rejects` for what was implausible, and tell the operator; 0 is taken for "
        "not known",
        flat("flat_connectors__current_and_voltage_are_published"),
    ),
    Rule(
        "flat_connectors", "power_is_above_3_kw",
        "The power is above 3 kW: below are domestic sockets, and values cut to whole kW.",
        f"compare with current and voltage (the rule on these says which contradict); {_TELL}",
        flat("flat_connectors__power_is_above_3_kw"),
    ),
    Rule(
        "flat_status", "status_is_ocpi", "The status is one of OCPI's.",
        "see what was published in `ops.flat_rejects`; a new status belongs in "
        "`preprocessing/clean`, then materialize the hour again",
        flat("flat_status__status_is_ocpi"),
    ),
    Rule(
        "flat_status", "status_is_known",
        "At most a twentieth of the EVSEs are UNKNOWN in all polls of the hour.",
        f"nothing is guessed: UNKNOWN is never counted as available; {_TELL}",
        flat("flat_status__status_is_known"), tolerated=0.05, population=_evse_count,
    ),
    Rule(
        "flat_status", "operators_report_status",
        "Each operator knows the status of nine tenths of its EVSEs.", _TELL,
        flat("flat_status__operators_report_status"),
        needs=("flat_stations", "flat_evses"),
    ),
    Rule(
        "flat_status", "evse_agrees_with_connectors",
        "An EVSE is CHARGING if, and only if, one of its connectors is.",
        f"facts take the EVSE's status and keep the connectors'; {_TELL}",
        flat("flat_status__evse_agrees_with_connectors"), needs=("flat_connectors",),
    ),
    Rule(
        "flat_status", "sensor_agrees",
        "No EVSE is CHARGING or BLOCKED while its parking sensor sees no car.",
        f"facts take the status and keep the sensor's; {_TELL}",
        flat("flat_status__sensor_agrees"),
    ),
    Rule(
        "dim_time", "hour_present",
        "The hour has a row for each time zone polled, and its local time is that of its offset.",
        "materialize dim_time for the hour again",
        warehouse("dim_time__hour_present"), Severity.ERROR, needs=("fact_poll",),
    ),
    Rule(
        "fact_charging_session", "bounds_are_in_order",
        "Bounds of a session are in order, and sessions of an EVSE do not overlap.",
        "materialize fact_charging_session for the hour again; if it stays, this is a bug",
        warehouse("fact_charging_session__bounds_are_in_order"), Severity.ERROR,
        is_of_spans=True,
    ),
    *(_seconds_add_up(t) for t in marts.MART_TABLES),
)  # fmt: skip
