"""The original model's status views: one row per polled row, with its status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import redshift_connector

from charging_assets import deployments
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, rows, stand, station
from charging_assets_tests.testbed.bed import S3, Redshift

CONNECTORS = """
SELECT query_time, id_connector, status_connector
FROM original.status_connectors ORDER BY query_time, id_connector
"""
SEEN = 0.05
MORE_NAMES = [pytest.param(name, marks=pytest.mark.slow) for name in ("a%b", "xa_b", "b", "_")]


def loaded(polls: dict[float, Any]) -> DuckDBWarehouse:
    """A warehouse with the tables from which the views are made."""
    return hours.span_loaded(hours.lake_of(polls), only=("dim_", "fact_"))


def with_connectors(status: str, **statuses: str | None) -> list[dict[str, Any]]:
    """One EVSE whose connectors have statuses of their own; `_` in a name is any letter."""
    connectors = [builders.connector(name, status=status) for name, status in statuses.items()]
    return stand(status, connectors=connectors)


def test_status_connectors__are_the_connectors_of_each_poll() -> None:
    polls = {
        0: with_connectors("CHARGING", a="CHARGING", b="AVAILABLE"),
        10: with_connectors("AVAILABLE", a="AVAILABLE", b="NONSENSE"),
        20: with_connectors("BLOCKED", a="BLOCKED", b=None),
    }
    assert rows(loaded(polls), CONNECTORS) == [
        (0 + SEEN, "a", "CHARGING"),
        (0 + SEEN, "b", "AVAILABLE"),
        (10 + SEEN, "a", "AVAILABLE"),
        (10 + SEEN, "b", None),
        (20 + SEEN, "a", "BLOCKED"),
        (20 + SEEN, "b", "BLOCKED"),
    ]


@pytest.mark.parametrize("other", ["axb", "a_bx", "%", "_b", *MORE_NAMES])
def test_status_connectors__an_override_applies_to_its_connector(other: str) -> None:
    polls = {0: with_connectors("CHARGING", **{other: "BLOCKED", "a_b": "CHARGING"})}
    result = {name: status for _, name, status in rows(loaded(polls), CONNECTORS)}
    assert result == {other: "BLOCKED", "a_b": "CHARGING"}


def test_status_connectors__no_poll_is_lost_when_an_attribute_value_returns() -> None:
    def of_kw(kw: int) -> list[dict[str, Any]]:
        return stand(connectors=[builders.connector("a", max_power=kw)])

    polls = {minute: of_kw(11 if minute == 20 else 22) for minute in (0, 10, 20, 30, 40, 50)}
    result = rows(loaded(polls), CONNECTORS)
    assert [row[0] for row in result] == [minute + SEEN for minute in polls]


def test_connector__one_number_that_no_charger_has_does_not_stop_the_others() -> None:
    strange = builders.connector("strange", ampere="99999999999", voltage=1e300, max_power=22)
    result = loaded({0: stand(connectors=[builders.connector("a"), strange])})
    query = "SELECT id_connector, ampere, voltage, max_power FROM original.connector ORDER BY 1"
    assert rows(result, query) == [("a", 32, 400, 22), ("strange", None, None, 22)]


def test_status_connectors__a_later_connector_has_no_earlier_rows() -> None:
    polls = {
        0: with_connectors("AVAILABLE", a="AVAILABLE"),
        10: with_connectors("AVAILABLE", a="AVAILABLE", b="AVAILABLE"),
        60: with_connectors("AVAILABLE", a="AVAILABLE"),
    }
    assert [row[:2] for row in rows(loaded(polls), CONNECTORS)] == [
        (SEEN, "a"),
        (10 + SEEN, "a"),
        (10 + SEEN, "b"),
        (60 + SEEN, "a"),
    ]


def test_status_chargingpoints__have_the_evse_id_of_their_time() -> None:
    polls = {
        0: [station([evse("e1", "CHARGING", id="DE*OLD*1")])],
        60: [station([evse("e1", "AVAILABLE", id="DE*NEW*1")])],
    }
    assert rows(
        loaded(polls),
        "SELECT query_time, id_chargingpoint, status_cp FROM original.status_chargingpoints "
        "ORDER BY query_time",
    ) == [(SEEN, "DE*OLD*1", "CHARGING"), (60 + SEEN, "DE*NEW*1", "AVAILABLE")]


def test_status_chargingpoints__of_two_places_are_two_rows() -> None:
    polls = {0: {"bonn": stand("CHARGING"), "koeln": stand("CHARGING")}}
    result = rows(loaded(polls), "SELECT status_cp FROM original.status_chargingpoints")
    assert result == [("CHARGING",), ("CHARGING",)]


def test_status_chargingpoints__keeps_an_evse_first_published_by_the_second_place() -> None:
    polls = {
        0: {"bonn": [], "koeln": stand("CHARGING")},
        10: {"bonn": stand("CHARGING"), "koeln": stand("CHARGING")},
    }
    result = rows(loaded(polls), "SELECT status_cp FROM original.status_chargingpoints")
    assert len(result) == 3


# As the original's dashboard queried them, with its SQL unchanged.
DASHBOARD = (
    "select * from charging_station",
    "select * from charging_point",
    "select * from connector",
    "select query_time, status_cp as status from status_chargingpoints where id_chargingpoint = "
    "'DE*TST*Ee1'",
)
POLLS = {0: stand("CHARGING"), 10: stand("AVAILABLE")}


def _query_statuses(execute: Any) -> list[int]:
    """How many rows each of the dashboard's queries has."""
    return [len(execute(query)) for query in DASHBOARD]


def test_dashboard_of_the_original__its_queries_run_with_the_search_path_on_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "charging.duckdb"
    hours.load(DuckDBWarehouse(path), hours.lake_of(POLLS))
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{path}' AS charging (READ_ONLY); USE charging")
    connection.execute("SET search_path = 'charging.original'")
    assert _query_statuses(lambda query: connection.execute(query).fetchall()) == [1, 1, 1, 2]


@pytest.mark.slow
def test_dashboard_of_the_original__its_queries_run_on_redshift_too(
    redshift: Redshift, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    environment = {"CHARGING_DEPLOYMENT": "aws", **s3.environment(), **redshift.environment()}
    hours.load(deployments.storage(environment).warehouse, hours.lake_of(POLLS))
    connection = redshift_connector.connect(**redshift.connection_arguments())
    cursor = connection.cursor()
    cursor.execute("SET search_path TO original")

    def execute(query: str) -> Any:
        cursor.execute(query)
        return cursor.fetchall()

    assert _query_statuses(execute) == [1, 1, 1, 2]
    connection.close()
