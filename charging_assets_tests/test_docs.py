"""Docs match the code: messages, links, variables."""

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
def test_messages__are_in_the_code(message):
    source = re.sub(r'"\s*\n\s*f?"', "", CODE)
    for part in (part.strip(" ;,") for part in message.split("…")):
        plain = re.sub(r"\d+ s$", "", part)
        assert plain.strip() in source, f"no message of the code says {part!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links__exist(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links__anchors_exist(page):
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8")):
        linked = (page.parent / target) if target else page
        assert anchor in _anchors(linked), f"{page.name} links to {target}#{anchor}"


def test_reading_path__names_what_its_files_define():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| `([^`]+)` \| ([^|]+) \|$", page, flags=re.MULTILINE)
    assert 5 <= len(rows) <= 9
    for path, content in rows:
        text = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"`([\w.]+)`", content):
            assert name.rpartition(".")[2] in text, f"{path} has no {name}"


def test_pages__are_all_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")}
    listed = set(re.findall(r"\]\(([^)#]+\.md)", index))
    listed |= {"README.md", *(name for name in pages if name.startswith("decisions/"))}
    assert pages <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables__have_one_table(page):
    """Rows for variables are in docs/deployment.md only; paths below CHARGING_HOME are none."""
    rows = re.findall(
        r"^\| (`[A-Z][A-Z0-9_]+`(?:, `[A-Z][A-Z0-9_]+`)*) \|", page.read_text("utf-8"), re.M
    )
    named = [row for row in rows if re.search("CHARGING_|DAGSTER_|AWS_|PROXY", row)]
    if page.name != "deployment.md":
        assert named == [], "list it in docs/deployment.md, Environment, and link there"


def test_drawing__of_the_data_flow_is_in_the_readme_only():
    drawn = [page.name for page in PAGES if "raw_api_snapshots      " in page.read_text("utf-8")]
    assert drawn == ["README.md"]
