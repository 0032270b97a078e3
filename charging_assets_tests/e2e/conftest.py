"""Fixtures: a dashboard with thirty days of data, and a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from charging_assets_tests.e2e import browser, network

_TIMEOUT_S = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The dashboard over a CHARGING_HOME, as the command line starts it; its address."""
    port = free_port()
    command = [sys.executable, "-m", "charging_assets.cli", "dashboard", "--port", str(port)]
    environment = {**os.environ, "CHARGING_HOME": str(home)}
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            _await(f"{address}/static/icon.svg", process)
            yield address
        finally:
            process.terminate()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="session")
def home() -> Path:
    """Thirty days of a network of real size."""
    return network.network()


@pytest.fixture(scope="session")
def address(home: Path) -> Iterator[str]:
    """The dashboard over these; each kind of page was requested once, as after a start."""
    with served(home) as url:
        urllib.request.urlopen(f"{url}/now").read()
        yield url


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser for which evil.example is this machine, as after DNS rebinding."""
    rules = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    with browser.open_browser(tmp_path_factory.mktemp("profile"), arguments=[rules]) as context:
        yield context


@pytest.fixture
def log() -> browser.Log:
    return browser.Log()


@pytest.fixture
def page(context: BrowserContext, log: browser.Log) -> Iterator[Page]:
    """A tab whose requests and console are logged."""
    tab = log.watch(context.new_page())
    yield tab
    tab.close()
