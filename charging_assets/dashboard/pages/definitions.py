"""Definitions of the figures and their limits; `docs/metrics.md` has them in full."""

from __future__ import annotations

from charging_assets.dashboard.blocks import Definition, Page
from charging_assets.dashboard.reader import Reader
from charging_assets.dashboard.request import PageRequest

NAMES = (
    "status", "evse", "utilisation", "occupancy", "availability", "reliability", "uptime",
    "unknown", "saturation", "sessions", "dwell", "coverage", "power_class", "rejects", "drift",
)  # fmt: skip
_SOURCES = {
    "reliability": "https://www.legislation.gov.uk/uksi/2023/1168/contents",
    "uptime": "https://www.ecfr.gov/current/title-23/section-680.116",
}


def build_page(request: PageRequest, reader: Reader) -> Page:
    """All definitions that pages link to."""
    words = request.words
    page = Page("definitions", words("definitions_title"), words("definitions_lead"))
    page.definitions = [
        Definition(
            name, words(f"define_{name}_title"), words(f"define_{name}_formula"),
            words(f"define_{name}"), _SOURCES.get(name, ""),
        )
        for name in NAMES
    ]  # fmt: skip
    return page
