"""Settings of automation from the environment. Schedules and sensors are off by default.

Nothing is read on import. `read_automation` reads the settings of schedules and sensors once, when
the definitions of the code location are built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from charging_assets.deployments import storage
from charging_assets.settings import Settings
from charging_assets.sources.feeds import Feed, load_feeds

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
    reconcile_every_s: int = Settings.model_fields["reconcile_every_s"].default
    warnings: tuple[str, ...] = ()


def read_automation(environment: Mapping[str, str] | None = None) -> Automation:
    """The settings of the environment; invalid settings become warnings."""
    settings, default = Settings.read(environment), Automation()
    warnings: list[str] = []

    def read(setting: Callable[[], Value], default: Value, consequence: str) -> Value:
        try:
            return setting()
        except Exception as error:  # the code location must load in any case
            warnings.append(f"{error}. {consequence}")
            return default

    read(lambda: storage(environment), None, "Until then every run and sensor that uses it fails")
    return Automation(
        is_live=read(lambda: settings.is_live, default.is_live, "Until then it is off"),
        alerts=read(lambda: bool(settings.alerts), True, "Until then no alert is sent"),
        feeds=read(
            lambda: tuple(load_feeds(environment=environment).values()),
            default.feeds,
            "Until then every poll fails; correct it and reload the code location",
        ),
        reconcile_every_s=read(
            lambda: settings.reconcile_every_s,
            default.reconcile_every_s,
            "Until then the sensor reconcile_hours fails; correct it and restart Dagster",
        ),
        warnings=tuple(warnings),
    )
