"""Code blocks of the documentation: how they are marked, and how each language is run.

An HTML comment on the line before the fence marks a block; renderers do not show it:

    <!-- run: test -->          run by `make test`
    <!-- run: slow -->          run by `make slow`
    <!-- not run: REASON -->    cannot run here
    <!-- output -->             a drawing or what a command prints, no code

The blocks of a page run in the order of the page, as a reader would run them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO

import duckdb
import yaml

from charging_assets import connect
from charging_assets.sources.feeds import load_feeds

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEST, SLOW, NOT_RUN, OUTPUT = "run: test", "run: slow", "not run", "output"

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)\n(?P<code>.*?)^(?P=indent)```$", re.M | re.S
)
_MARK = re.compile(r"<!-- (run: test|run: slow|not run: \S.*|output) -->")
_DATABASE = re.compile(r"-- duckdb -readonly (\S+)\n")
# Values for the parameters that queries name, within the simulated hours.
_PARAMETERS = {
    "now": datetime(2026, 1, 12, 1, 30),
    "since": datetime(2026, 1, 12),
    "station_id": "1",
}
_TIMEOUT_S = {TEST: 300, SLOW: 1800}


class SnippetFailed(AssertionError):
    """A block does not run as written; the message names page and line."""


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its first line of code, `mark` None if it has none."""

    page: str
    line: int
    language: str
    code: str
    mark: str | None

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def kind(self) -> str | None:
        """The mark without the reason."""
        return self.mark.partition(": ")[0] if self.mark and NOT_RUN in self.mark else self.mark


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    page_blocks = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()].splitlines()
        mark = _MARK.fullmatch(before[-1].strip()) if before else None
        page_blocks.append(
            Block(
                page=str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name,
                line=len(before) + 2,
                language=match["language"],
                code=textwrap.dedent(match["code"]),
                mark=mark[1] if mark else None,
            )
        )
    return page_blocks


def run_blocks(chosen: Iterable[Block], folder: Path) -> None:
    """Run blocks in order, in a folder that looks like the checkout of a reader.

    Raises:
        SnippetFailed: one does not run; the message names its page and line.
    """
    with _PythonSession(folder) as python:
        for block in chosen:
            try:
                _run(block, folder, python)
            except SnippetFailed:
                raise
            except Exception as error:
                raise SnippetFailed(f"{block.where}: {type(error).__name__}: {error}") from error


def environment(folder: Path) -> dict[str, str]:
    """The environment of commands: this project's programs, and the folder's own home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CHARGING_", "DAGSTER_", "AWS_", "PYTEST_", "MAKE"))
    }
    programs = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": programs, "CHARGING_HOME": str(folder / ".charging")}


def check_syntax(block: Block) -> None:
    """Nothing if a block that is not run is at least well-formed.

    Raises:
        SnippetFailed: it is not.
    """
    try:
        if block.language == "sh":
            subprocess.run(
                ["bash", "-n"], input=block.code, text=True, check=True, capture_output=True
            )
        elif block.language == "python":
            compile(block.code, block.where, "exec")
        elif block.language in _CONFIGURATION:
            _CONFIGURATION[block.language](block.code)
    except Exception as error:
        raise SnippetFailed(f"{block.where}: {error}") from error


_CONFIGURATION = {"json": json.loads, "yaml": yaml.safe_load, "toml": tomllib.loads}


def _run(block: Block, folder: Path, python: _PythonSession) -> None:
    if block.language == "python":
        python.run(block)
    elif block.language == "sh":
        _run_shell(block, folder)
    elif block.language == "sql":
        _run_sql(block, folder)
    elif block.language in _CONFIGURATION:
        content = _CONFIGURATION[block.language](block.code)
        if block.language == "toml" and "feeds" in content:
            file = folder / "feeds.toml"
            file.write_text(block.code, encoding="utf-8")
            load_feeds(file)
    else:
        raise SnippetFailed(f"{block.where}: no way to run {block.language or 'plain text'!r}")


def _run_shell(block: Block, folder: Path) -> None:
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_S[block.mark or TEST],
        check=False,
    )
    if ended.returncode:
        raise SnippetFailed(f"{block.where}: exit code {ended.returncode}\n{ended.stdout[-3000:]}")


def _run_sql(block: Block, folder: Path) -> None:
    """In the database that the first line names, else as a query of `connect()`."""
    if named := _DATABASE.match(block.code):
        with duckdb.connect(str(folder / named[1]), read_only=True) as database:
            database.execute(block.code).fetchall()
        return
    named_parameters = set(re.findall(r"(?<!:):([a-z_]+)", block.code))
    parameters = {name: _PARAMETERS[name] for name in named_parameters}
    connect(environment(folder)).sql(block.code, **parameters)


_DRIVER = """
import json, sys, traceback
replies, sys.stdout = sys.stdout, sys.stderr
names = {"__name__": "__main__"}
for line in sys.stdin:
    block = json.loads(line)
    error = ""
    try:
        # Line numbers of a traceback are those of the page.
        code = "\\n" * (block["line"] - 1) + block["code"]
        exec(compile(code, block["page"], "exec"), names)
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps(error), file=replies, flush=True)
"""


class _PythonSession:
    """One Python process for the blocks of a page: later blocks see the names of earlier ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def __enter__(self) -> _PythonSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._log is not None:
            self._process.kill()
            self._process.communicate()
            self._log.close()

    def run(self, block: Block) -> None:
        if self._process is None:
            self._log = (self._folder / "python.log").open("w", encoding="utf-8")
            self._process = subprocess.Popen(
                [sys.executable, "-c", _DRIVER],
                cwd=self._folder,
                env=environment(self._folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"page": block.page, "line": block.line, "code": block.code}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = self._process.stdout.readline()
        if error := json.loads(reply) if reply else "the Python process ended":
            raise SnippetFailed(f"{block.where}:\n{error}")
