"""`drain`: polls that wait in the spool are archived.

Belongs here: doing it by hand. Does not belong here: the spool itself; every poll drains it too.
"""

from __future__ import annotations

import argparse

from charging_assets.cli import show
from charging_assets.cli.errors import FAILED
from charging_assets.plurals import counted

NAME = "drain"
HELP = "Archive the polls that wait in the spool because the lake had refused them."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments

    storage = deployments.storage()
    if storage.spool is None or not storage.spool.waiting():
        print("the spool is empty: every poll is archived")
        return 0
    done = storage.spool.drain(storage.lake)
    print(f"{counted(len(done.archived), 'poll')} archived from {storage.spool.folder}")
    if done.waiting:
        show.err().print(
            f"error: {counted(done.waiting, 'poll')} still wait: {done.told()}",
            style="red", markup=False, soft_wrap=True,
        )  # fmt: skip
    return FAILED if done.waiting else 0
