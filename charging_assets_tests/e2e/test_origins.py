"""A page of another origin cannot start, change or read anything, in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from playwright.sync_api import BrowserContext

from charging_assets_tests.e2e import browser
from charging_assets_tests.e2e.conftest import _await, free_port

# What a page can send without user action: pictures, forms, frames, sockets, simple requests.
_ATTACKS = """
<!doctype html><title>attacking</title><body><script>
const target = new URLSearchParams(location.search).get("target");
const query = "mutation { setNuxSeen }", body = JSON.stringify({query});
const address = `${target}/graphql?query=${encodeURIComponent(query)}`;
const post = (type, mode) => fetch(`${target}/graphql`,
  {method: "POST", mode, body, headers: {"Content-Type": type}});
const read = async path => (await fetch(`${target}${path}`)).text();
const picture = () => new Promise(done => {
  const image = new Image(); image.onload = image.onerror = done; image.src = address; });
const form = () => new Promise(done => {
  const frame = document.createElement("iframe"); frame.name = "sink";
  const form = document.createElement("form"); form.method = "POST"; form.target = "sink";
  form.action = address; document.body.append(frame, form);
  frame.onload = done; form.submit(); setTimeout(done, 3000); });
const frame = () => new Promise(done => {
  const frame = document.createElement("iframe"); frame.src = `${target}/`;
  frame.onload = done; document.body.append(frame); setTimeout(done, 3000); });
const socket = () => new Promise((done, failed) => {
  const socket = new WebSocket(`${target.replace("http", "ws")}/graphql`, "graphql-ws");
  socket.onopen = () => done("open"); socket.onerror = () => failed("refused"); });
(async () => {
  const results = {};
  for (const [name, attack] of Object.entries({
    picture, form, frame, socket,
    text: () => post("text/plain", "no-cors"),
    disguised: () => post("text/plain; x=application/json", "no-cors"),
    json: () => post("application/json", "cors"),
    page: () => read("/"), info: () => read("/server_info"), now: () => read("/now"),
  })) try { results[name] = String(await attack()).slice(0, 20); }
      catch (error) { results[name] = "refused"; }
  window.results = results; document.title = "done";
})();
</script></body>
"""
_SEEN = {"query": "{ shouldShowNux }"}


@contextmanager
def served_page(folder: Path) -> Iterator[int]:
    """The attacker's page, on a port of its own."""
    (folder / "index.html").write_text(_ATTACKS, "utf-8")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def dagster(folder: Path, module: str) -> Iterator[str]:
    """A web server of Dagster over a code location without assets; its address."""
    folder.mkdir()
    (folder / "code.py").write_text("import dagster as dg\ndefs = dg.Definitions()\n", "utf-8")
    port = free_port()
    command = [sys.executable, "-m", module, "--port", str(port), "-f", str(folder / "code.py")]
    environment = {**os.environ, "DAGSTER_HOME": str(folder)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _await(f"http://127.0.0.1:{port}/server_info", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with served_page(tmp_path_factory.mktemp("attacker")) as port:
        yield port


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dagster(tmp_path_factory.mktemp("ui") / "home", "charging_assets.webserver") as address:
        yield address


def attack(context: BrowserContext, page_at: str, target: str) -> dict[str, str]:
    """What each attack of a page got from a server."""
    page = context.new_page()
    try:
        page.goto(f"{page_at}/index.html?target={target}")
        page.wait_for_function("document.title == 'done'", timeout=60_000)
        results: dict[str, str] = page.evaluate("window.results")
        return results
    finally:
        page.close()


def is_unchanged(address: str) -> bool:
    answer = requests.post(f"{address}/graphql", json=_SEEN, timeout=30).json()
    return bool(answer["data"]["shouldShowNux"])


def test_attacks__succeed_against_the_server_without_guard(
    context: BrowserContext, attacker: int, tmp_path: Path
) -> None:
    """What the guard is for; a browser that stops these by itself makes the others meaningless."""
    with dagster(tmp_path / "home", "dagster_webserver") as address:
        assert is_unchanged(address)
        results = attack(context, f"http://localhost:{attacker}", address)
        assert results["socket"] == "open"
        assert not is_unchanged(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.example"])
def test_ui__other_origin_changes_and_reads_nothing(
    context: BrowserContext, attacker: int, ui: str, host: str
) -> None:
    results = attack(context, f"http://{host}:{attacker}", ui)
    for name in ("socket", "json", "page", "info"):
        assert results[name] == "refused", (name, results)
    assert is_unchanged(ui)


def test_ui__name_that_was_rebound_is_refused(context: BrowserContext, ui: str) -> None:
    page = context.new_page()
    response = page.goto(ui.replace("127.0.0.1", "evil.example"))
    assert response is not None
    assert response.status == 403
    page.close()


def test_ui__works_for_itself(context: BrowserContext, tmp_path: Path) -> None:
    # A server of its own, for what this changes the other tests expect to be unchanged.
    with dagster(tmp_path / "home", "charging_assets.webserver") as ui:
        use_ui(context, ui)


def use_ui(context: BrowserContext, ui: str) -> None:
    page, log = context.new_page(), browser.Log()
    log.watch(page)
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"{ui}/deployment/locations")
    page.get_by_text("code.py").first.wait_for(timeout=60_000)
    changed = page.evaluate(
        "fetch('/graphql', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify({query: 'mutation { setNuxSeen }'})}).then(r => r.json())"
    )
    assert changed == {"data": {"setNuxSeen": True}}
    assert not is_unchanged(ui)
    assert not [line for line in log.console if "403" in line or "405" in line or "415" in line]
    page.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.example"])
def test_dashboard__other_origin_reads_nothing(
    context: BrowserContext, attacker: int, address: str, host: str
) -> None:
    results = attack(context, f"http://{host}:{attacker}", address)
    assert results["now"] == results["page"] == "refused"
    page = context.new_page()
    response = page.goto(f"{address.replace('127.0.0.1', 'evil.example')}/now")
    assert response is not None
    assert response.status == 403
    page.close()
