"""Whether automation runs by itself: off until it is switched on.

Belongs here: reading the switches of the environment. Does not belong here: what they switch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_MOST_DIGITS = 9


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


def heal_every_s(environment: Mapping[str, str] = os.environ) -> int:
    """Seconds between two looks for stale hours: CHARGING_HEAL_EVERY_S, or 30.

    Each look asks the warehouse, which wakes one that sleeps and is paid by the minute.

    Raises:
        DeploymentError: it is no number of seconds.
    """
    seconds = environment.get("CHARGING_HEAL_EVERY_S") or "30"
    if not seconds.isdecimal() or len(seconds) > _MOST_DIGITS or int(seconds) < 1:
        from charging_assets.deployments import DeploymentError

        raise DeploymentError(
            "CHARGING_HEAL_EVERY_S is not a whole number above 0; give seconds, or unset it"
        )
    return int(seconds)


def alerts_are_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether CHARGING_ALERTS names anything; whether it is usable shows when it is used."""
    return bool(environment.get("CHARGING_ALERTS", "").strip())


def tells_warnings(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether checks that only warn are told too: CHARGING_ALERT_WARNINGS=1."""
    return environment.get("CHARGING_ALERT_WARNINGS") == "1"
