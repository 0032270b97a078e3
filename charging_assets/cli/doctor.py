"""`doctor`: whether everything is as it should be here, and what to do where it is not.

Belongs here: running the checks and telling their findings. Does not belong here: the checks
(`checkup`), or figures of what was loaded (`status`).
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from charging_assets.cli import show
from charging_assets.cli.arguments import add_json
from charging_assets.cli.checkup import Finding, findings
from charging_assets.cli.errors import FAILED

NAME = "doctor"
HELP = "Check the installation, the data and Dagster's home, and say what to do."
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    found = findings()
    if arguments.json:
        show.print_json([asdict(finding) for finding in found])
    else:
        _tell(found)
    return FAILED if any(finding.state == "failed" for finding in found) else 0


def _tell(found: list[Finding]) -> None:
    from rich.markup import escape

    console = show.out()
    for finding in found:
        state = f"[{_STYLES[finding.state]}]{finding.state:<8}[/]"
        console.print(
            f"{state} {finding.check:<11} {escape(finding.said)}", soft_wrap=True, emoji=False
        )
        if finding.remedy:
            console.print(f"{'':20} → {escape(finding.remedy)}", soft_wrap=True, emoji=False)
