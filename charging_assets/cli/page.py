"""Generate docs/command-line.md from the parsers: `python -m charging_assets.cli.page`.

A test fails if the page is out of date. argparse's own help text is not used, because its format
differs between Python releases.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from charging_assets.cli import _parser

TARGET = Path("docs/command-line.md")

_HEAD = """# Command line

Generated from `charging_assets/cli/` by `python -m charging_assets.cli.page`; do not edit.
`charging-assets --help` and the `--help` of each command print the same.

Commands use the deployment set by the [environment](deployment.md#environment). Hours are UTC,
written as `2026-01-12T00`.

| exit code | meaning |
|---|---|
| 0 | success |
| 1 | a failure; the message on standard error names it and the remedy |
| 2 | wrong arguments, settings or environment, or a missing extra |
| 130, 143 | interrupted by SIGINT, SIGTERM |
| 141 | the reader of the output is gone, as after `\\| head` |

| command | |
|---|---|
"""


def page() -> str:
    """The page as Markdown, with commands in the order of `--help`."""
    (commands,) = (
        action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    parsers: dict[str, argparse.ArgumentParser] = dict(commands.choices)
    contents = "\n".join(
        f"| [`{name}`](#{name}) | {_text(parser.description or '')} |"
        for name, parser in parsers.items()
    )
    sections = [_section(name, parser) for name, parser in parsers.items()]
    return f"{_HEAD}{contents}\n\n" + "\n".join(sections)


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    """Usage and arguments of one command, without `--help`."""
    actions = [each for each in parser._actions if not isinstance(each, argparse._HelpAction)]
    rows = "\n".join(f"| {_name(each)} | {_meaning(parser, each)} |" for each in actions)
    usage = " ".join(["charging-assets", name, *map(_usage, actions)])
    return f"## {name}\n\n`{usage}`\n\n| argument | meaning |\n|---|---|\n{rows}\n"


def _usage(action: argparse.Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return f"{value} [{value} …]" if action.nargs == "+" else value
    text = f"{action.option_strings[-1]} {value}".strip()
    return text if action.required else f"[{text}]"


def _name(action: argparse.Action) -> str:
    names = action.option_strings or [_value(action)]
    value = f" {_value(action)}" if action.option_strings and action.nargs != 0 else ""
    return ", ".join(f"`{name}`" for name in [*names[:-1], names[-1] + value])


def _value(action: argparse.Action) -> str:
    """Placeholder for the value of an argument; empty for a switch."""
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    metavar = action.metavar if isinstance(action.metavar, str) else None
    return metavar or (action.dest.upper() if action.option_strings else action.dest)


def _meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = (action.help or "") % {"default": action.default, "prog": parser.prog}
    return _text(f"{text}; required" if action.required and action.option_strings else text)


def _text(text: str) -> str:
    """Plain text for a cell of a table."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
