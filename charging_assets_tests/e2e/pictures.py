"""`make pictures`: the README's pictures, of the network that the browser's tests look at."""

from __future__ import annotations

import tempfile
from pathlib import Path

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


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    with (
        served(network.network()) as address,
        tempfile.TemporaryDirectory() as profile,
        browser.opened(Path(profile)) as context,
    ):
        page = context.new_page()
        for name, (path, width, height) in PICTURES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.goto(address + path)
            file = TARGET / f"{name}.jpg"
            page.screenshot(path=file, type="jpeg", quality=72)
            print(f"{file}: {file.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
