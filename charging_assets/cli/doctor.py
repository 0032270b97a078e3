"""`doctor`: run the checks of `checkup` and print their findings and remedies."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from charging_assets.cli import show
from charging_assets.cli.arguments import add_json
from charging_assets.cli.doctor_checks import Finding, findings
from charging_assets.cli.errors import FAILED

NAME = "doctor"
HELP = "Check the installation, the data and Dagster's home, and print a remedy for each problem."
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    results = findings()
    if arguments.json:
        show.print_json([asdict(finding) for finding in results])
    else:
        _print(results)
    return FAILED if any(finding.state == "failed" for finding in results) else 0


def _print(results: list[Finding]) -> None:
    from rich.markup import escape

    console = show.out()
    for finding in results:
        state = f"[{_STYLES[finding.state]}]{finding.state:<8}[/]"
        console.print(
            f"{state} {finding.check:<11} {escape(finding.message)}", soft_wrap=True, emoji=False
        )
        if finding.remedy:
            console.print(f"{'':20} → {escape(finding.remedy)}", soft_wrap=True, emoji=False)
