"""Retry transient errors of Redshift."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TypeVar

from charging_assets.warehouse.cancellation import sleep
from charging_assets.warehouse.interface import WarehouseError
from charging_assets.warehouse.plan import LoadError, PlanChanged
from charging_assets.warehouse.redshift.errors import (
    TRANSIENT,
    ErrorKind,
    classify_error,
    describe_error,
)

MAX_ATTEMPTS = 8
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 15.0
_log = logging.getLogger(__name__)

Result = TypeVar("Result")


def retry(
    what: str,
    operation: Callable[[], Result],
    *,
    after_error: Callable[[], None],
    make_error: Callable[[ErrorKind, Exception], Exception],
) -> Result:
    """Return the result of `operation`; retry transient errors with exponential, random waits.

    `after_error` is called after every error; `make_error` creates the error that is raised in the
    end.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return operation()
        except (LoadError, PlanChanged, WarehouseError):
            after_error()
            raise
        except Exception as error:
            after_error()
            kind = classify_error(error)
            if kind not in TRANSIENT or attempt == MAX_ATTEMPTS:
                raise make_error(kind, error) from error
            _log.warning("%s: %s; retrying: %s", what, kind.value, describe_error(error))
            _wait(attempt)
    raise AssertionError("the last attempt returns or raises")


def _wait(attempt: int) -> None:
    longest = min(_FIRST_WAIT_S * 2 ** (attempt - 1), _LONGEST_WAIT_S)
    sleep(random.uniform(longest / 2, longest))
