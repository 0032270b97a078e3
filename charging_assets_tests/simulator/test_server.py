"""The server over real loopback HTTP: answers, the clock, and every fault."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests

from charging_assets.simulator import DEFAULT_START, Network
from charging_assets.simulator.faults import EVERYWHERE, Fault, FaultKind, Faults
from charging_assets.simulator.server import ApiServer, simulated_time

NOON = DEFAULT_START + timedelta(hours=12)


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(seed=1, scale=0.1)


@pytest.fixture
def server(network: Network) -> Iterator[ApiServer]:
    with ApiServer(network, clock=lambda: NOON) as running:
        yield running


def get(server: ApiServer, slug: str = "bonn", **options: object) -> requests.Response:
    return requests.get(f"{server.url}/{slug}", timeout=30, **options)


def test_server__for_a_place__answers_as_the_network(server: ApiServer, network: Network) -> None:
    response = get(server)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/json")
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.content == network.answer("bonn", NOON)
    plain = get(server, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.content == response.content


def test_server__always__listens_on_loopback(server: ApiServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("path", ["atlantis", "", "bonn/extra", "..%2fetc"])
def test_server__for_an_unknown_path__answers_404(server: ApiServer, path: str) -> None:
    assert get(server, path).status_code == 404


def test_server__after_a_request__has_its_user_agent(server: ApiServer) -> None:
    get(server, headers={"User-Agent": "a polite client"})
    assert [(request.slug, request.user_agent) for request in server.requests] == [
        ("bonn", "a polite client")
    ]


def test_server__with_a_running_clock__answers_for_simulated_time(network: Network) -> None:
    with ApiServer(network, clock=simulated_time(NOON, speed=100_000)) as running:
        first = get(running).json()["timestamp"]
        time.sleep(0.05)
        assert get(running).json()["timestamp"] > first >= "2025-01-06T13:00:00+01:00"


def test_server__for_concurrent_requests__answers_each_correctly(
    server: ApiServer, network: Network
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda slug: get(server, slug).content, network.slugs))
    assert answers == [network.answer(slug, NOON) for slug in network.slugs]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("status_500", 500), ("status_503", 503), ("status_429", 429), ("html", 200), ("empty", 200)],
)
def test_fault__without_json__is_sent_with_its_status(
    server: ApiServer, kind: str, status: int
) -> None:
    server.faults.set("bonn", kind)
    response = get(server)
    assert response.status_code == status
    with pytest.raises(requests.JSONDecodeError):
        response.json()
    assert get(server, "koeln").ok
    server.faults.clear("bonn")
    assert get(server).json()["status_code"] == 1000


def test_fault__too_many_requests__has_retry_after(server: ApiServer) -> None:
    server.faults.set("bonn", Fault(FaultKind.STATUS_429, seconds=7))
    assert get(server).headers["Retry-After"] == "7"


@pytest.mark.parametrize("kind", ["truncated_json", "not_utf8"])
def test_fault__in_the_json__cannot_be_read(server: ApiServer, kind: str) -> None:
    server.faults.set("bonn", kind)
    with pytest.raises(ValueError):
        json.loads(get(server).content.decode())


def test_fault__short_body__breaks_off(server: ApiServer) -> None:
    server.faults.set("bonn", "short_body")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        _ = get(server).content


def test_fault__huge_body__has_the_given_size(server: ApiServer) -> None:
    server.faults.set("bonn", Fault(FaultKind.HUGE_BODY, size=5_000_000))
    response = get(server)
    assert len(response.content) == 5_000_000
    assert response.json()["status_code"] == 1000


def test_fault__gzip_bomb__is_small_compressed_and_large_decompressed(server: ApiServer) -> None:
    server.faults.set("bonn", Fault(FaultKind.GZIP_BOMB, size=20 << 20))
    response = get(server, stream=True)
    assert int(response.headers["Content-Length"]) < 100_000
    assert sum(len(part) for part in response.iter_content(1 << 20)) == 20 << 20


def test_fault__gzip_members__decompress_to_the_given_size(server: ApiServer) -> None:
    server.faults.set("bonn", Fault(FaultKind.GZIP_MEMBERS, size=3 << 20))
    compressed = get(server, stream=True).raw.read(decode_content=False)
    assert compressed.count(b"\x1f\x8b\x08") == 3
    assert len(gzip.decompress(compressed)) == 3 << 20


def test_fault__slow_drip__keeps_the_connection_open(server: ApiServer) -> None:
    server.faults.set("bonn", Fault(FaultKind.SLOW_DRIP, seconds=20))
    response = get(server, stream=True)
    began = time.monotonic()
    parts = [next(response.iter_content(1)) for _ in range(4)]
    assert 0.2 < time.monotonic() - began < 15
    assert b"".join(parts) == b'{"da'
    response.close()


def test_fault__delay__answers_late(server: ApiServer) -> None:
    server.faults.set("bonn", Fault(FaultKind.DELAY, seconds=0.3))
    began = time.monotonic()
    assert get(server).json()["status_code"] == 1000
    assert time.monotonic() - began >= 0.3


def test_fault__reset__is_a_connection_error(server: ApiServer) -> None:
    server.faults.set("bonn", "reset")
    with pytest.raises(requests.ConnectionError):
        get(server)


def test_fault__redirect__points_to_another_loopback_name(server: ApiServer) -> None:
    server.faults.set("bonn", "redirect")
    response = get(server, allow_redirects=False)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("http://localhost:")


def test_fault__wrong_schema_and_api_error__are_json_without_stations(server: ApiServer) -> None:
    server.faults.set("bonn", "wrong_schema")
    assert "data" not in get(server).json()
    server.faults.set("bonn", "api_error")
    assert get(server).json()["status_code"] != 1000


def test_fault__for_some_requests__ends_after_them(server: ApiServer) -> None:
    server.faults.set(EVERYWHERE, Fault(FaultKind.STATUS_503, times=2))
    assert [get(server).status_code for _ in range(3)] == [503, 503, 200]
    assert [request.fault for request in server.requests] == ["status_503", "status_503", None]


def test_fault__over_http__is_set_and_removed(server: ApiServer) -> None:
    control = f"{server.url}/_faults/bonn"
    put = requests.put(control, json={"kind": "status_500", "times": 5}, timeout=30)
    assert put.status_code == 200
    assert get(server).status_code == 500
    assert requests.get(f"{server.url}/_faults", timeout=30).json()["bonn"]["times"] == 4
    assert requests.delete(control, timeout=30).status_code == 200
    assert get(server).status_code == 200


@pytest.mark.parametrize("body", ["{}", "[]", '{"kind": "gremlins"}', "no json"])
def test_fault__over_http_if_invalid__is_refused_with_the_kinds(
    server: ApiServer, body: str
) -> None:
    response = requests.put(f"{server.url}/_faults/bonn", data=body, timeout=30)
    assert response.status_code == 400
    assert "status_503" in response.json()["error"]


def test_faults__after_clear__are_removed() -> None:
    faults = Faults()
    faults.set("bonn", "html")
    faults.set(EVERYWHERE, "reset")
    assert set(faults.active()) == {"bonn", EVERYWHERE}
    faults.clear()
    assert faults.next_fault("bonn") is None


def test_close__during_a_slow_response__does_not_wait_for_it(network: Network) -> None:
    with ApiServer(network, clock=lambda: NOON) as running:
        running.faults.set("bonn", Fault(FaultKind.SLOW_DRIP, seconds=60))
        response = get(running, stream=True)
        began = time.monotonic()
    assert time.monotonic() - began < 20
    response.close()


def test_main__as_a_program__prints_its_url_and_serves() -> None:
    command = [sys.executable, "-m", "charging_assets.simulator.server", "--port", "0"]
    command += ["--scale", "0.01", "--seed", "4", "--start", "2025-01-06T12"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().split()[0]
            stamp = requests.get(f"{url}/hof", timeout=30).json()["timestamp"]
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            finally:
                process.kill()
    assert stamp.startswith("2025-01-06T13:00:")
