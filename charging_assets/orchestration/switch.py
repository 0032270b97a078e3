"""Settings of automation from the environment. Schedules and sensors are off by default.

Nothing is read on import. `read_automation` reads the settings of schedules and sensors once, when
the definitions of the code location are built.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from charging_assets.deployments import DeploymentError, storage
from charging_assets.sources.feeds import Feed, load_feeds

_MAX_DIGITS = 9
_RECONCILE_EVERY_S = 30

Value = TypeVar("Value")


@dataclass(frozen=True)
class Automation:
    """The settings of schedules and sensors; the defaults apply without any variable.

    `warnings` name invalid settings. Definitions use the default instead, and runs that need the
    setting fail.
    """

    is_live: bool = False
    alerts: bool = False
    feeds: tuple[Feed, ...] = ()
    reconcile_every_s: int = _RECONCILE_EVERY_S
    warnings: tuple[str, ...] = ()


def read_automation(environment: Mapping[str, str] = os.environ) -> Automation:
    """The settings of the environment; invalid settings become warnings."""
    warnings: list[str] = []

    def read(setting: Callable[[], Value], default: Value, consequence: str) -> Value:
        try:
            return setting()
        except Exception as error:  # the code location must load in any case
            warnings.append(f"{error}. {consequence}")
            return default

    read(lambda: storage(environment), None, "Until then every run and sensor that uses it fails")
    return Automation(
        is_live=is_live(environment),
        alerts=has_alert_channels(environment),
        feeds=read(
            lambda: tuple(load_feeds(environment=environment).values()),
            (),
            "Until then every poll fails; correct it and reload the code location",
        ),
        reconcile_every_s=read(
            lambda: reconcile_every_s(environment),
            _RECONCILE_EVERY_S,
            "Until then the sensor reconcile_hours fails; correct it and restart Dagster",
        ),
        warnings=tuple(warnings),
    )


def is_live(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether schedules and sensors are on by default: CHARGING_LIVE=1, as set by `live`.

    Schedules and sensors that were switched in the UI keep that state.
    """
    return environment.get("CHARGING_LIVE") == "1"


def is_refresh_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the current hour is loaded after every poll; CHARGING_REFRESH=0 waits for its end."""
    return environment.get("CHARGING_REFRESH") != "0"


def is_compaction_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `maintain` compacts past days; by default only in a local archive.

    In S3 the role that loads may not have permission to delete raw objects; CHARGING_COMPACT=1
    turns compaction on. CHARGING_COMPACT=0 turns it off.
    """
    setting = environment.get("CHARGING_COMPACT")
    return (
        setting == "1"
        if setting
        else (environment.get("CHARGING_DEPLOYMENT") or "local") == "local"
    )


def reconcile_every_s(environment: Mapping[str, str] = os.environ) -> int:
    """Seconds between two scans for stale hours: CHARGING_RECONCILE_EVERY_S, or 30.

    Each scan queries the warehouse, which wakes a warehouse that sleeps and is billed per minute.

    Raises:
        DeploymentError: the value is not a positive whole number.
    """
    seconds = environment.get("CHARGING_RECONCILE_EVERY_S") or str(_RECONCILE_EVERY_S)
    if not seconds.isdecimal() or len(seconds) > _MAX_DIGITS or int(seconds) < 1:
        raise DeploymentError(
            "CHARGING_RECONCILE_EVERY_S is not a whole number above 0; give seconds, or unset it"
        )
    return int(seconds)


def has_alert_channels(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether CHARGING_ALERTS is set; it is validated when an alert is sent."""
    return bool(environment.get("CHARGING_ALERTS", "").strip())


def alerts_on_warnings(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether failed checks of severity WARN are also sent: CHARGING_ALERT_WARNINGS=1."""
    return environment.get("CHARGING_ALERT_WARNINGS") == "1"
