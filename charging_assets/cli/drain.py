"""`drain`: archive the polls in the spool. Every poll does so too; this command does it now."""

from __future__ import annotations

import argparse

from charging_assets.cli import show
from charging_assets.cli.errors import FAILED
from charging_assets.text import count_noun

NAME = "drain"
HELP = "Archive polls that are in the spool because the lake was unavailable."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This command has no arguments."""


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments

    storage = deployments.storage()
    if storage.spool is None or not storage.spool.waiting():
        print("the spool is empty; every poll is archived")
        return 0
    done = storage.spool.drain(storage.lake)
    print(f"{count_noun(len(done.archived), 'poll')} archived from {storage.spool.folder}")
    if done.waiting:
        show.err().print(
            f"error: {count_noun(done.waiting, 'poll')} still wait: {done.summary()}",
            style="red", markup=False, soft_wrap=True,
        )  # fmt: skip
    return FAILED if done.waiting else 0
