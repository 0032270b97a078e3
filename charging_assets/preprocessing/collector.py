"""Python's garbage collector, kept out of the way of a parse.

Belongs here: pausing it. Does not belong here: what is parsed.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No collection meanwhile, in the whole process; as it was before, afterwards.

    For work that makes many objects which all live on and which do not refer to each other in
    circles: the collector would look through all of them again and again and find nothing.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
