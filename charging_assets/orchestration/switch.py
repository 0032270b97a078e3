"""Whether automation runs by itself: off until it is switched on.

Belongs here: reading the switches of the environment. Does not belong here: what they switch.

Nothing is read when the module is imported. What a schedule or sensor is defined with is read once,
by `read_automation`, when the code location's definitions are built.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from charging_assets.deployments import DeploymentError, storage
from charging_assets.sources.feeds import Feed, load_feeds

_MOST_DIGITS = 9
_HEAL_EVERY_S = 30

Value = TypeVar("Value")


@dataclass(frozen=True)
class Automation:
    """What the environment decides of schedules and sensors when they are defined.

    The defaults are those without any variable. `warnings` name the settings that cannot be used;
    what is defined has the default in their place, and what needs the setting fails when it runs.
    """

    is_live: bool = False
    alerts: bool = False
    feeds: tuple[Feed, ...] = ()
    reconcile_every_s: int = _HEAL_EVERY_S
    warnings: tuple[str, ...] = ()


def read_automation(environment: Mapping[str, str] = os.environ) -> Automation:
    """The automation of the environment; settings that cannot be used become warnings."""
    warnings: list[str] = []

    def read(setting: Callable[[], Value], default: Value, otherwise: str) -> Value:
        try:
            return setting()
        except Exception as error:  # whatever is wrong: the code location loads, and polls
            warnings.append(f"{error}. {otherwise}")
            return default

    read(lambda: storage(environment), None, "Until then every run and sensor that uses it fails")
    return Automation(
        is_live=is_live(environment),
        alerts=alerts_are_on(environment),
        feeds=read(
            lambda: tuple(load_feeds(environment=environment).values()),
            (),
            "Until then every poll fails; correct it and reload the code location",
        ),
        reconcile_every_s=read(
            lambda: reconcile_every_s(environment),
            _HEAL_EVERY_S,
            "Until then the sensor reconcile_hours fails; correct it and restart Dagster",
        ),
        warnings=tuple(warnings),
    )


def is_live(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether schedules and sensors run unasked: CHARGING_LIVE=1, as `charging-assets live` sets.

    Only for those that nobody has switched in the UI: what a person switched stays as it is.
    """
    return environment.get("CHARGING_LIVE") == "1"


def refreshes(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the running hour is loaded after every poll; CHARGING_REFRESH=0 waits for its end."""
    return environment.get("CHARGING_REFRESH") != "0"


def compacts(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `maintain` compacts days that are over: where nothing is said, in a local archive.

    In S3 what loads may not delete from the archive; CHARGING_COMPACT=1 says that it may.
    CHARGING_COMPACT=0 leaves every raw object as it is.
    """
    said = environment.get("CHARGING_COMPACT")
    return said == "1" if said else (environment.get("CHARGING_DEPLOYMENT") or "local") == "local"


def reconcile_every_s(environment: Mapping[str, str] = os.environ) -> int:
    """Seconds between two looks for stale hours: CHARGING_RECONCILE_EVERY_S, or 30.

    Each look asks the warehouse, which wakes one that sleeps and is paid by the minute.

    Raises:
        DeploymentError: it is no number of seconds.
    """
    seconds = environment.get("CHARGING_RECONCILE_EVERY_S") or str(_HEAL_EVERY_S)
    if not seconds.isdecimal() or len(seconds) > _MOST_DIGITS or int(seconds) < 1:
        raise DeploymentError(
            "CHARGING_RECONCILE_EVERY_S is not a whole number above 0; give seconds, or unset it"
        )
    return int(seconds)


def alerts_are_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether CHARGING_ALERTS names anything; whether it is usable shows when it is used."""
    return bool(environment.get("CHARGING_ALERTS", "").strip())


def tells_warnings(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether checks that only warn are told too: CHARGING_ALERT_WARNINGS=1."""
    return environment.get("CHARGING_ALERT_WARNINGS") == "1"
