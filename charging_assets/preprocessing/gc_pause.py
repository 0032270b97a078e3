"""Pause Python's garbage collector while an hour is parsed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Disable garbage collection in the whole process, and restore its state afterwards.

    For work that creates many long-lived objects without reference cycles: the collector would scan
    all of them again and again without freeing anything.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
