"""Trying again what passes by itself.

Belongs here: how often and how long. Does not belong here: what an error means
(`redshift_errors`).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TypeVar

from charging_assets.storage.cancellation import sleep
from charging_assets.storage.plan import LoadError, PlanChanged
from charging_assets.storage.redshift_errors import PASSES, Kind, kind_of, told
from charging_assets.storage.warehouse import WarehouseError

TRIES = 8
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 15.0
_log = logging.getLogger(__name__)

Result = TypeVar("Result")


def tried(
    what: str,
    once: Callable[[], Result],
    *,
    after_error: Callable[[], None],
    failed: Callable[[Kind, Exception], Exception],
) -> Result:
    """The result of `once`, tried again with growing, uneven waits while it may yet succeed.

    `after_error` is called after every error; `failed` makes the error that is raised in the end.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return once()
        except (LoadError, PlanChanged, WarehouseError):
            after_error()
            raise
        except Exception as error:
            after_error()
            kind = kind_of(error)
            if kind not in PASSES or attempt == TRIES:
                raise failed(kind, error) from error
            _log.warning("%s: %s; trying again: %s", what, kind.value, told(error))
            _wait(attempt)
    raise AssertionError("the last try returns or raises")


def _wait(attempt: int) -> None:
    longest = min(_FIRST_WAIT_S * 2 ** (attempt - 1), _LONGEST_WAIT_S)
    sleep(random.uniform(longest / 2, longest))
