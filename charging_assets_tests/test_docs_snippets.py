"""Every code block of the README and the docs runs as written, or states why it cannot."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
from pathlib import Path

import pytest

from charging_assets.cli import _parser
from charging_assets_tests import snippets
from charging_assets_tests.snippets import NOT_RUN, PAGES, ROOT, SLOW, TEST, Block, SnippetFailed

BLOCKS = {page: snippets.blocks(page) for page in PAGES}
ALL_BLOCKS = [block for page in PAGES for block in BLOCKS[page]]
# What a reader starts with where the page begins with `make demo`.
STARTS_WITHOUT_DATA = {"README.md"}
_COMMAND = re.compile(r"^(?:\S*/)?(charging-assets|make) (.+)$")


def _pages_with(kind: str) -> list[Path]:
    return [page for page in PAGES if any(block.kind == kind for block in BLOCKS[page])]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a fresh checkout: the files are links, there is no data."""
    for path in ROOT.iterdir():
        if path.name not in {".charging", ".git", "build", "dist"}:
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


def test_blocks__are_all_marked() -> None:
    unmarked = [block.where for block in ALL_BLOCKS if block.mark is None]
    assert unmarked == [], "add <!-- run: test -->, or another mark, on the line before the fence"


def test_blocks__are_recognised_by_their_fences() -> None:
    for page in PAGES:
        fences = re.findall(r"^ *(?:```|~~~)", page.read_text("utf-8"), flags=re.M)
        assert len(fences) == 2 * len(BLOCKS[page]), page


@pytest.mark.parametrize(
    "block", [b for b in ALL_BLOCKS if b.kind == NOT_RUN], ids=lambda block: block.where
)
def test_blocks__that_are_not_run_are_well_formed(block: Block) -> None:
    snippets.check_syntax(block)


@pytest.mark.parametrize("page", _pages_with(TEST), ids=_name)
def test_page__blocks_run_in_order(page: Path, checkout: Path, loaded_home: Path) -> None:
    shutil.copytree(loaded_home, checkout / ".charging")
    snippets.run_blocks([b for b in BLOCKS[page] if b.kind == TEST], checkout)


@pytest.mark.slow
@pytest.mark.parametrize("page", _pages_with(SLOW), ids=_name)
def test_page__slow_blocks_run_in_order(
    page: Path, checkout: Path, request: pytest.FixtureRequest
) -> None:
    if _name(page) not in STARTS_WITHOUT_DATA:
        shutil.copytree(request.getfixturevalue("loaded_home"), checkout / ".charging")
    snippets.run_blocks([b for b in BLOCKS[page] if b.kind in {TEST, SLOW}], checkout)


def _commands() -> list[tuple[str, str]]:
    """Every `charging-assets …` and `make …` of the pages, with where it is."""
    commands = []
    for page in PAGES:
        for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
            spans = re.findall(r"`([^`]+)`", line)
            commands += [(f"{_name(page)}:{number}", span) for span in spans]
    for block in ALL_BLOCKS:
        lines = block.code.replace("\\\n", " ").splitlines() if block.language == "sh" else []
        commands += [(block.where, line.strip()) for line in lines]
    return [(where, match[0]) for where, text in commands if (match := _COMMAND.match(text))]


@pytest.mark.parametrize(("where", "command"), _commands(), ids=lambda value: value[:60])
def test_commands__exist_with_their_options(where: str, command: str) -> None:
    match = _COMMAND.match(command)
    assert match is not None
    words = shlex.split(re.split(r" [|&>#] ?|; ", match[2])[0])
    if match[1] == "make":
        targets = set(
            re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.M)
        )
        assert words[0].startswith("-") or words[0] in targets, f"{where}: {command}"
        return
    commands = _subparsers()
    if words[0].startswith("-"):
        return
    assert words[0] in commands, f"{where}: {command}"
    supported = {
        option for action in commands[words[0]]._actions for option in action.option_strings
    }
    options = {word.partition("=")[0] for word in words[1:] if word.startswith("-")}
    assert options <= supported, f"{where}: {command}"


def _subparsers() -> dict[str, argparse.ArgumentParser]:
    (commands,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(commands.choices)


def _page(folder: Path, text: str) -> list[Block]:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return snippets.blocks(page)


def test_runner__names_page_and_line_of_a_python_error(tmp_path: Path) -> None:
    chosen = _page(
        tmp_path,
        "<!-- run: test -->\n```python\nvalue = 1\n```\n\n"
        "<!-- run: test -->\n```python\nvalue += 1\nassert value == 3\n```\n",
    )
    with pytest.raises(SnippetFailed, match=r'(?s)page.md:8.*File "page.md", line 9'):
        snippets.run_blocks(chosen, tmp_path)


@pytest.mark.parametrize(
    "block",
    ["sh\nfalse\necho fine", "sh\nno-such-command", "toml\n[feeds.x]\nkind = 1", "json\n{", "\nx"],
)
def test_runner__refuses_what_does_not_run(tmp_path: Path, block: str) -> None:
    chosen = _page(tmp_path, f"<!-- run: test -->\n```{block}\n```\n")
    with pytest.raises(SnippetFailed, match=r"page.md:3"):
        snippets.run_blocks(chosen, tmp_path)


def test_runner__sees_a_missing_mark_and_an_indented_block(tmp_path: Path) -> None:
    first, second = _page(
        tmp_path, "Text.\n```sh\ntrue\n```\n\n- item\n\n  <!-- output -->\n  ```\n  a\n  ```\n"
    )
    assert (first.mark, second.mark, second.code) == (None, "output", "a\n")
