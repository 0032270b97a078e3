"""The guard: a page of another origin can start, change and read nothing."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from charging_assets.allowed_hosts import ALLOWED_HOSTS, host_warnings
from charging_assets.guard import Guard
from charging_assets.settings import AllowedHostError

HOST = "127.0.0.1:3000"
JSON = {"content-type": "application/json"}
HTML = {"accept": "text/html"}


async def _answer(request: Request) -> JSONResponse:
    return JSONResponse({"path": request.url.path})


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("accepted")
    await socket.close()


def client(**environment: str) -> TestClient:
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
    app = Starlette(
        routes=[
            WebSocketRoute("/graphql", _socket),
            Route("/{path:path}", _answer, methods=methods),
        ]
    )
    return TestClient(Guard(app, environment), base_url=f"http://{HOST}")


SAME_ORIGIN = [
    ("GET", "/", {}),
    ("GET", "/assets", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}),
    ("GET", "/app.js", {"sec-fetch-site": "same-origin", "sec-fetch-dest": "script"}),
    # A link in a mail or on another page opens a tab, and no more.
    (
        "GET",
        "/assets",
        {
            "sec-fetch-site": "cross-site",
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
        },
    ),
    ("GET", "/graphql", HTML),
    ("POST", "/graphql", JSON),
    ("POST", "/graphql", {**JSON, "origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}),
    ("POST", "/graphql", {"content-type": "Application/JSON; charset=utf-8"}),
    ("GET", "/", {"host": "localhost:3000"}),
    ("GET", "/", {"host": "[::1]:3000"}),
    ("GET", "/server_info", {"host": "10.0.0.7:3000"}),
    ("GET", "/prefix/server_info", {"host": "10.0.0.7:3000"}),
]
FOREIGN = [
    (403, "GET", "/", {"host": "evil.example"}),
    (403, "GET", "/", {"host": "127.0.0.1.evil.example:3000"}),
    (403, "GET", "/", {"host": "evil.example:3000", "accept": "text/html"}),
    (403, "GET", "/", {"host": "127.0.0.1@evil.example"}),
    (403, "GET", "/", {"host": "[bad"}),
    (403, "GET", "/", {"host": ""}),
    (403, "POST", "/graphql", {**JSON, "origin": "http://evil.example"}),
    (403, "POST", "/graphql", {**JSON, "origin": "null"}),
    (403, "POST", "/graphql", {**JSON, "origin": ""}),
    # Another port of this machine is another origin.
    (403, "POST", "/graphql", {**JSON, "origin": "http://127.0.0.1:8080"}),
    (403, "POST", "/graphql", {**JSON, "origin": f"http://{HOST}.evil.example"}),
    (403, "GET", "/image", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}),
    (403, "GET", "/image", {"sec-fetch-site": "same-site", "sec-fetch-dest": "image"}),
    (
        403,
        "GET",
        "/frame",
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ),
    (
        403,
        "POST",
        "/graphql",
        {
            **JSON,
            "sec-fetch-site": "cross-site",
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
        },
    ),
    (405, "GET", "/graphql?query=mutation{x}", {}),
    (405, "HEAD", "/graphql?query=mutation{x}", {}),
    (405, "GET", "/graphql", {}),
    (400, "GET", "/graphql%0a?query=mutation{x}", {}),
    (400, "GET", "/graphql%0d%0a?query=mutation{x}", HTML),
    (400, "GET", "/graphql%00?query=mutation{x}", {}),
    (405, "GET", "/%67raphql?query=mutation{x}", {}),
    (405, "GET", "/prefix/graphql/?query=x", {}),
    (415, "POST", "/graphql", {}),
    (415, "POST", "/graphql?query=mutation{x}", {"content-type": "text/plain"}),
    (415, "POST", "/graphql", {"content-type": "text/plain; x=application/json"}),
    (415, "POST", "/graphql", {"content-type": "application/graphql"}),
    (415, "POST", "/report_asset_materialization/a", {"content-type": "text/plain"}),
    (415, "PUT", "/anything", {"content-type": "application/x-www-form-urlencoded"}),
]


@pytest.mark.parametrize(("method", "path", "headers"), SAME_ORIGIN)
def test_guard__same_origin_requests_are_allowed(
    method: str, path: str, headers: dict[str, str]
) -> None:
    assert client().request(method, path, headers=headers).status_code == 200


@pytest.mark.parametrize(("status", "method", "path", "headers"), FOREIGN)
def test_guard__foreign_requests_are_refused(
    status: int, method: str, path: str, headers: dict[str, str]
) -> None:
    assert client().request(method, path, headers=headers).status_code == status


def test_guard__public_name_of_a_proxy_is_allowed_where_it_is_configured() -> None:
    public = {**JSON, "host": "charging.example.org", "origin": "https://charging.example.org"}
    behind = {**JSON, "origin": "https://charging.example.org"}
    configured = client(**{ALLOWED_HOSTS: "charging.example.org, other.example.org"})
    for headers in (public, behind):
        assert client().post("/graphql", headers=headers).status_code == 403
        assert configured.post("/graphql", headers=headers).status_code == 200
    for origin in ("https://evil.example", "http://charging.example.org:8080", "null"):
        evil = {**public, "origin": origin}
        assert configured.post("/graphql", headers=evil).status_code == 403


def test_guard__port_of_a_public_name_is_that_of_its_entry() -> None:
    configured = client(**{ALLOWED_HOSTS: "charging.example.org:8443"})
    for port, status in (("8443", 200), ("8080", 403)):
        headers = {**JSON, "origin": f"https://charging.example.org:{port}"}
        assert configured.post("/graphql", headers=headers).status_code == status


def test_guard__loopback_name_in_the_variable_allows_no_other_port() -> None:
    configured = client(**{ALLOWED_HOSTS: "localhost 127.0.0.1"})
    headers = {**JSON, "origin": "http://localhost:8080"}
    assert configured.post("/graphql", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "entry", ["https://charging.example.org", "*.example.org", "a b:x", "charging.example.org/ui"]
)
def test_guard__invalid_host_name_is_refused(entry: str) -> None:
    with pytest.raises(AllowedHostError, match=f"{ALLOWED_HOSTS}: entry . is not a host name"):
        client(**{ALLOWED_HOSTS: entry})


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ("charging.town.de:0", "entry 1 has an invalid port"),
        ("a.town.de charging.town.de:65536", "entry 2 has an invalid port"),
        ("charging.town.de:8443 charging.town.de:8444", "entry 2 repeats a host"),
        ("charging.town.de,CHARGING.town.de.:8443", "entry 2 repeats a host"),
    ],
)
def test_guard__invalid_port_is_refused(entries: str, problem: str) -> None:
    with pytest.raises(AllowedHostError, match=f"{ALLOWED_HOSTS}: {problem}"):
        client(**{ALLOWED_HOSTS: entries})


@pytest.mark.parametrize(
    ("entry", "warning"),
    [
        ("localhost:3000", "localhost has no effect"),
        ("[::1]", "::1 has no effect"),
        ("0.0.0.0", "is an address"),
        ("192.168.1.5:3000", "is an address"),
        ("[fe80::1]", "is an address"),
        ("127.1", "is an address"),
        ("0x7f.1", "is an address"),
        ("2130706433", "is an address"),
        ("charging.example.org", "is reserved for examples"),
        ("charging.test", "is reserved for examples"),
        ("charging", "has no domain"),
        ("nas.local", "has no domain"),
        ("charging.town.de:443", "browsers omit"),
    ],
)
def test_host_warnings__name_each_risky_entry(entry: str, warning: str) -> None:
    (message,) = host_warnings({ALLOWED_HOSTS: f"ui.town.de:8443 {entry}"})
    assert warning in message


def test_host_warnings__none_for_names_of_proxies() -> None:
    assert not host_warnings({})
    assert not host_warnings({ALLOWED_HOSTS: "charging.town.de, ui.town.de:8443 my-example.de"})


def test_guard__final_dot_of_a_name_does_not_count() -> None:
    configured = client(**{ALLOWED_HOSTS: "charging.example.org."})
    assert configured.get("/", headers={"host": "charging.example.org."}).status_code == 200


def test_guard__pages_may_not_be_framed() -> None:
    headers = client().get("/").headers
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize("origin", [None, f"http://{HOST}"])
def test_guard__same_origin_web_socket_is_accepted(origin: str | None) -> None:
    headers = {"origin": origin} if origin else {}
    with client().websocket_connect(f"ws://{HOST}/graphql", headers=headers) as socket:
        assert socket.receive_text() == "accepted"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8080"},
        {"host": "evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "websocket"},
    ],
)
def test_guard__foreign_web_socket_is_refused(headers: dict[str, str]) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        client().websocket_connect(f"ws://{HOST}/graphql", headers=headers),
    ):
        pass
