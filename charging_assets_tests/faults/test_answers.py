"""Malformed answers through the pipeline: polled, archived, flattened, loaded, checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from charging_assets.acquisition.poll import poll
from charging_assets.archive.raw_archive import archive, hour_keys, hours_archived, read
from charging_assets.checks.registry import RULES
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.acquisition import loopback
from charging_assets_tests.acquisition.loopback import Loopback, reply
from charging_assets_tests.checks.rule_evaluation import evaluate_rules
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station

VALID = ("alpha", "omega")
ANSWERED = [rule for rule in RULES if rule.name == "flat_polls__every_place_answered"]


def answer(*stations: Any, delay: timedelta = timedelta(0)) -> bytes:
    return builders.envelope(*stations, at=(datetime.now(UTC) - delay).isoformat())


def valid_answer(place: str) -> bytes:
    return answer(station([evse(f"{place}-1"), evse(f"{place}-2")], f"s-{place}"))


def damaged_answer(damage: Callable[[dict[str, Any]], Any]) -> bytes:
    """An answer of two stations, the second of which is damaged."""
    body = json.loads(answer(station([evse("b1")], "s-b1"), station([evse("b2")], "s-b2")))
    damage(body["data"][1])
    return json.dumps(body).encode()


def rename_field(record: dict[str, Any]) -> None:
    record["evses"][0]["state"] = record["evses"][0].pop("status")
    record["novelty"] = {"a": 1}


def remove_id(record: dict[str, Any]) -> None:
    del record["id"]


def with_latitude(old: str, new: str) -> bytes:
    body = damaged_answer(lambda record: record["coordinates"].update(latitude=old))
    return body.replace(json.dumps(old).encode(), new.encode())


# The behaviour of a place, its outcome, the code of the reject, and the number of its valid EVSEs.
HOSTILE: dict[str, tuple[loopback.Behaviour, str, str | None, int]] = {
    "error_500": (reply(b"no", 500), "http_error", None, 0),
    "html": (loopback.html(), "bad_body", "not_json", 0),
    "cut_off": (loopback.truncated(), "truncated", None, 0),
    "too_large": (loopback.large(100), "too_large", None, 0),
    "bomb": (loopback.gzip_bomb(), "too_large", None, 0),
    "slow": (loopback.drip_body(), "timeout", None, 0),
    "other_schema": (reply(b'{"items": []}'), "bad_body", "bad_envelope", 0),
    "nan": (reply(with_latitude("x1", "NaN")), "ok", "not_finite", 2),
    "infinite": (reply(with_latitude("x2", "1e999")), "ok", "not_finite", 2),
    "renamed": (reply(damaged_answer(rename_field)), "ok", "missing_status", 2),
    "no_id": (reply(damaged_answer(remove_id)), "ok", "missing_key", 1),
    "doubled": (
        reply(answer(station([evse("b1")], "s-b1"), station([evse("b1")], "s-b2"))),
        "ok",
        "duplicate_key",
        1,
    ),
}


@pytest.mark.fault(
    "Every malformed answer at once, from the socket to the facts",
    "rows of valid places are complete; each malformed answer is archived and reported",
    area="answers",
)
def test_hostile_answers__do_not_affect_other_places(
    report_observed: Callable[[str], None],
) -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    with Loopback() as server:
        server.behaviours.update({name: behaviour for name, (behaviour, *_) in HOSTILE.items()})
        server.behaviours.update({place: reply(valid_answer(place)) for place in VALID})
        feed = Feed(
            name="test",
            kind="chargecloud",
            base_url=server.url,
            places=(*HOSTILE, *VALID),
            place_timeout_s=8,
            poll_budget_s=60,
            attempts=1,
            max_body_bytes=10**7,
        )
        archive(lake, *poll(feed))
    (hour,) = hours_archived(lake)
    hours.load(warehouse, lake, hour, "fact_")
    _check_outcomes(warehouse)
    _check_rows(warehouse)
    _check_bodies(lake, hour)
    by_rule = {f.rule.name: f for f in evaluate_rules(ANSWERED, hour, lake, warehouse)}
    failed = {row["place"] for row in by_rule["flat_polls__every_place_answered"].sample}
    assert failed == {name for name, (_, outcome, *_) in HOSTILE.items() if outcome != "ok"}
    report_observed(f"{len(HOSTILE)} hostile places and {len(VALID)} valid ones in one poll")


def _check_outcomes(warehouse: DuckDBWarehouse) -> None:
    rows = hours.rows(warehouse, "SELECT place, outcome FROM warehouse.fact_poll")
    expected = {name: outcome for name, (_, outcome, *_) in HOSTILE.items()}
    assert dict(rows) == {**expected, **dict.fromkeys(VALID, "ok")}
    rejects = hours.rows(warehouse, "SELECT place, code FROM ops.flat_rejects")
    for name, (_, _, code, _) in HOSTILE.items():
        codes = {reject_code for place, reject_code in rejects if place == name}
        assert (code in codes) if code else not codes, (name, codes)
    assert not {place for place, _ in rejects} & set(VALID)


def _check_rows(warehouse: DuckDBWarehouse) -> None:
    rows = hours.rows(
        warehouse,
        "SELECT place, COUNT(*), SUM(poll_count) FROM warehouse.fact_status GROUP BY place",
    )
    expected = {name: count for name, (*_, count) in HOSTILE.items() if count}
    assert {place: count for place, count, _ in rows} == {**expected, **dict.fromkeys(VALID, 2)}


def _check_bodies(lake: MemoryLake, hour: Hour) -> None:
    (key,) = hour_keys(lake, ["test"], hour)
    bodies = {archived.place.slug: archived.place.body for archived in read(lake, key)}
    assert bodies["html"] == loopback.HTML
    assert bodies["nan"] is not None and b": NaN" in bodies["nan"]


@pytest.mark.fault(
    "The source's clock is two hours fast or slow",
    "slots use our clock, no row moves to another hour; the check reports it",
    area="answers",
)
@pytest.mark.parametrize("off_h", [-2, 2])
def test_source_clock__does_not_move_rows(off_h: int) -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    for minute in (0, 10, 20):
        header = builders.poll(minute)
        at = header.slot_at + timedelta(hours=off_h)
        body = builders.envelope(station([evse("e1")]), at=at.isoformat())
        builders.archived(lake, header, {"koeln": body})
    hours.load(warehouse, lake, only="fact_")
    assert hours.rows(
        warehouse, "SELECT first_slot_at, last_slot_at, poll_count FROM warehouse.fact_status"
    ) == [(0, 20, 3)]
    assert hours.rows(
        warehouse, "SELECT MIN(observed_at), MAX(observed_at) FROM warehouse.fact_poll"
    ) == [(off_h * 60, off_h * 60 + 20)]
    rules = [rule for rule in RULES if rule.name == "flat_polls__clock_agrees"]
    (finding,) = evaluate_rules(rules, hours.HOUR, lake, warehouse)
    assert finding.sample[0]["most_ahead_s"] == off_h * 3600


@pytest.mark.fault(
    "'; drop -- in names, and characters of four bytes at a column's limit",
    "texts are stored unchanged or rejected as too long; never cut within a character",
    area="security",
)
def test_texts__are_never_executed_and_never_cut() -> None:
    hostile = "'; DROP TABLE warehouse.fact_poll; --"
    fits, too_long = "🔌" * 128, "🔌" * 129
    stations = [
        station([evse("e1")], "s1", name=hostile),
        station([evse("e2")], "s2", name=fits, owner="🔌" * 64),
        station([evse("e3")], "s3", name=too_long, owner="🔌" * 65),
        station([evse("e4")], "s4", name="🔌" * 128 + "'"),
    ]
    warehouse = hours.loaded({0: stations}, only=("dim_station", "fact_"))
    rows = hours.rows(warehouse, "SELECT station_id, name, owner FROM warehouse.dim_station")
    assert sorted(rows) == [
        ("s1", hostile, None),
        ("s2", fits, "🔌" * 64),
        ("s3", None, None),
        ("s4", None, None),
    ]
    rejects = hours.rows(warehouse, "SELECT code, COUNT(*) FROM ops.flat_rejects GROUP BY code")
    assert rejects == [("too_long", 3)]
    count = hours.rows(
        warehouse, "SELECT COUNT(*) FROM warehouse.dim_station WHERE name = :name", name=hostile
    )
    assert count == [(1,)]
