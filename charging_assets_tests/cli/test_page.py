"""The page of the command line is that of the parsers."""

from __future__ import annotations

import re

from charging_assets.cli import page
from charging_assets_tests.snippets import ROOT

TEXT = (ROOT / page.TARGET).read_text(encoding="utf-8")


def test_page__is_that_of_the_parsers() -> None:
    assert page.page() == TEXT, "run `python -m charging_assets.cli.page`"


def test_page__has_a_meaning_for_every_argument() -> None:
    rows = re.findall(r"^\| (.+?) \| (.*) \|$", TEXT, flags=re.M)
    assert [name for name, meaning in rows if not meaning.strip()] == []


def test_page__depends_on_no_machine(monkeypatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 77)
    assert page.page() == TEXT
