"""Abandoned and slow pages are cancelled, tested with real servers and slow queries."""

from __future__ import annotations

import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from charging_assets import deployments
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.dashboard import limits, server
from charging_assets.dashboard import reader as reader_module
from charging_assets.dashboard.reader import PublishedReader, Reader, WarehouseReader
from charging_assets.lake.store import LocalLake
from charging_assets.publication.publish import publish
from charging_assets.publication.published_files import PublishedFiles
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.sql_files import sql
from charging_assets_tests.modelling import hours
from charging_assets_tests.testbed.bed import S3, Bed, Redshift
from charging_assets_tests.testbed.ports import free_ports

# Hours of work for one processor.
SLOW = (
    "SELECT COUNT(*) AS n FROM range(10000000) AS a, range(10000000) AS b WHERE a.range < b.range"
)
CLIENTS = 10
_SHORT_S = 1.0


class Site:
    """A dashboard on a port, whose page `/reliability` runs a slow query."""

    def __init__(self, port: int, started: list[float]) -> None:
        self.port, self.started = port, started

    def get(self, path: str, timeout_s: float = 30) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=timeout_s)

    def open_request(self, path: str) -> socket.socket:
        """Open a connection and request a page; closing it is a disconnect."""
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        return connection


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    lake, warehouse = LocalLake(tmp_path_factory.mktemp("lake")), DuckDBWarehouse(None)
    polled = hours.lake_of({0: hours.stand()})
    hours.load(warehouse, polled)
    publish(lake, warehouse, *hours_archived(polled))
    return {
        "published files": PublishedReader(PublishedFiles(lake), "a test"),
        "warehouse": WarehouseReader(warehouse),
    }


@pytest.fixture(params=["published files", "warehouse"])
def site(
    request: pytest.FixtureRequest, readers: dict[str, Reader], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    yield from _served(readers[request.param], monkeypatch)


def _served(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    started: list[float] = []

    def slow(_request: Any, reader: Reader) -> Any:
        with reader.session() as query:
            started.append(time.monotonic())
            query("slow")

    monkeypatch.setitem(server.PAGES, "reliability", slow)
    monkeypatch.setattr(reader_module, "sql", lambda name: SLOW if name == "slow" else sql(name))
    (port,) = free_ports(1)
    config = uvicorn.Config(
        server.create_app(reader), port=port, log_level="error", timeout_graceful_shutdown=3
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        _until(lambda: running.started)
        yield Site(port, started)
    finally:
        running.should_exit = True
        thread.join(20)


@pytest.mark.slow
def test_page__query_in_redshift_is_cancelled_on_the_server(
    testbed: Bed, redshift: Redshift, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing the connection is not enough: the server would go on until it sends a row."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    aws = {"CHARGING_DEPLOYMENT": "aws", "CHARGING_LAKE": f"s3://{s3.bucket}/lake"}
    warehouse = deployments.storage({**aws, **redshift.environment()}).warehouse
    hours.load(warehouse, hours.lake_of({0: hours.stand()}))
    rows = "SELECT 1 AS n" + " UNION ALL SELECT 1" * 29
    slow = ", ".join(f"({rows}) AS t{n}" for n in range(9))
    monkeypatch.setattr(sys.modules[__name__], "SLOW", f"SELECT COUNT(*) AS n FROM {slow}")

    def is_running() -> bool:
        count = testbed.postgres.run_sql(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS t0%' "
            "AND query NOT LIKE '%pg_stat_activity%'"
        )
        return int(count) > 0

    for site in _served(WarehouseReader(warehouse), monkeypatch):
        with site.open_request("/reliability"), site.open_request("/reliability"):
            _until(is_running, within_s=60)
        _until(lambda: not is_running())
        assert site.get("/definitions").status_code == 200
        assert not is_running()


def _until(holds: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def _is_idle() -> bool:
    """Whether this process, the server's, has hardly used a processor for a second."""

    def used_s() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    before = used_s()
    time.sleep(1)
    return used_s() - before < 0.3


def test_page__clients_that_hang_up_leave_no_work_behind(site: Site) -> None:
    clients = [site.open_request("/reliability") for _ in range(CLIENTS)]
    _until(lambda: bool(site.started))
    _until(lambda: not _is_idle())
    for client in clients:
        client.close()
    _until(_is_idle)
    assert site.get("/definitions").status_code == 200


def test_page__that_takes_too_long_is_ended_with_a_remedy(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAGE_TIMEOUT_S", _SHORT_S)
    response = site.get("/reliability?lang=en")
    assert response.status_code == 504
    assert "Choose a shorter period" in response.text
    assert "text/html" in response.headers["content-type"]
    table = site.get("/reliability/operators.csv?lang=en")
    assert (table.status_code, table.headers["content-type"]) == (504, "text/plain; charset=utf-8")
    assert table.text.startswith("This page took too long\n")
    assert "<" not in table.text
    assert _is_idle()


def test_page__that_finds_no_place_in_time_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WAIT_TIMEOUT_S", _SHORT_S)
    with site.open_request("/reliability"), site.open_request("/reliability"):
        _until(lambda: bool(site.started))
        time.sleep(0.5)  # the other one has its place too
        response = site.get("/reliability/operators.csv?lang=en")
    assert (response.status_code, response.headers["retry-after"]) == (503, "10")
    assert "Try again in ten seconds" in response.text
    _until(_is_idle)
