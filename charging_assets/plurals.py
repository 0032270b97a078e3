"""Numbers with their nouns, as the command line and runs tell them.

Belongs here: the wording that both share; it imports nothing. Does not belong here: what is said.
"""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 hour`, `48 hours`, with thousands set apart."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
