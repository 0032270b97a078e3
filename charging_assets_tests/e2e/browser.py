"""Starts a headless Chromium, and logs its requests and console messages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str:
    """Where Chromium is: CHARGING_CHROMIUM, or one on the path; else the test fails and says so."""
    on_path = filter(None, map(shutil.which, NAMES))
    executable = os.environ.get("CHARGING_CHROMIUM") or next(on_path, None)
    if not executable:
        pytest.fail("there is no Chromium: `apt-get install chromium`, or set CHARGING_CHROMIUM")
    return executable


@dataclass
class Log:
    """Requests of the browser, and console messages of pages."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> Page:
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        return page

    def outside(self, address: str) -> list[str]:
        """Requests that did not go to `address`."""
        local = (f"{address}/", "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(local)]


@contextmanager
def open_browser(
    profile: Path, width: int = 1440, language: str = "en-GB", arguments: Sequence[str] = ()
) -> Iterator[BrowserContext]:
    """A browser with a profile of its own; `arguments` are further ones of its command line."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium(),
            args=[*ARGUMENTS, *arguments],
            viewport={"width": width, "height": 900},
            locale=language,
            accept_downloads=True,
        )
        try:
            yield context
        finally:
            context.close()
