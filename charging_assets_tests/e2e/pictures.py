"""`make pictures`: screenshots for the README, with the data of the browser tests.

They show pages of the dashboard, and the asset graph in Dagster's UI.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import FloatRect, Page

from charging_assets_tests.e2e import browser, network
from charging_assets_tests.e2e.conftest import served

TARGET = Path(__file__).resolve().parents[2] / "docs/pictures"
# Page, width and height in pixels of the browser.
PICTURES = {
    "now": ("/now?at=2026-01-13T12:00&lang=en", 1280, 1150),
    "city": ("/city?lang=en", 1280, 1080),
    "station": ("/station?place=koeln&from=2026-01-01&lang=en", 1280, 1000),
    "quality": ("/quality?lang=en", 1280, 900),
    "phone": ("/city?place=koeln&lang=de", 390, 1400),
}
_TIMEOUT_S = 120
_QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    home = network.network()
    with tempfile.TemporaryDirectory() as profile, browser.open_browser(Path(profile)) as context:
        page = context.new_page()
        page.set_default_timeout(_TIMEOUT_S * 1000)
        with served(home) as address:
            for name, (path, width, height) in PICTURES.items():
                page.set_viewport_size({"width": width, "height": height})
                page.goto(address + path)
                _keep(page, name)
        with _dagster(home) as address:
            page.set_viewport_size({"width": 1800, "height": 1500})
            page.goto(f"{address}/asset-groups")
            page.get_by_text("acquisition").last.wait_for()
            page.mouse.click(1000, 900)
            page.keyboard.press("Alt+e")  # expand all groups
            page.get_by_text("raw_api_snapshots").last.wait_for()
            page.wait_for_timeout(3000)  # the graph moves into place
            _keep(page, "graph", clip={"x": 560, "y": 195, "width": 1225, "height": 1070})


def _keep(page: Page, name: str, clip: FloatRect | None = None) -> None:
    file = TARGET / f"{name}.jpg"
    page.screenshot(path=file, type="jpeg", quality=60, clip=clip)
    print(f"{file}: {file.stat().st_size // 1024} kB")


@contextmanager
def _dagster(home: Path) -> Iterator[str]:
    """Dagster's web server over a CHARGING_HOME, with a history of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "charging_assets.webserver", "--port", str(port)]
    command += ["-m", "charging_assets.definitions"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "dagster.yaml").write_text(
            "telemetry: {enabled: false}\nnux: {enabled: false}\n"
        )
        environment = {**os.environ, "CHARGING_HOME": str(home), "DAGSTER_HOME": folder}
        with subprocess.Popen(command, env=environment, **_QUIET) as process:
            try:
                _await(f"http://127.0.0.1:{port}/server_info")
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def _await(url: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    main()
