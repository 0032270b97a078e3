"""Docs do not fall behind the code: messages, links, commands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
CODE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("charging_assets/**/*.py"))
)


def _messages() -> list[str]:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    table = page.split("## By message")[1]
    return [row.strip("`") for row in re.findall(r"^\| (`[^`]+`) \|", table, flags=re.MULTILINE)]


def test_messages__the_page_has_some():
    assert len(_messages()) >= 5


@pytest.mark.parametrize("message", _messages())
def test_messages__stand_in_the_code(message):
    source = re.sub(r'"\s*\n\s*f?"', "", CODE)
    for part in (part.strip(" ;,") for part in message.split("…")):
        plain = re.sub(r"\d+ s$", "", part)
        assert plain.strip() in source, f"no message of the code says {part!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links__lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
