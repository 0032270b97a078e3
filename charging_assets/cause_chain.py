"""The causes of an exception, outermost first."""

from __future__ import annotations

from collections.abc import Iterator


def cause_chain(error: BaseException) -> Iterator[BaseException]:
    """The error, its cause or context, and so on; a circular chain ends too."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
