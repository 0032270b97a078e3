"""Whether automation runs by itself: off until it is switched on.

Belongs here: reading the switches of the environment. Does not belong here: what they switch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def is_live(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether schedules and sensors run unasked: CHARGING_LIVE=1, as `charging-assets live` sets.

    Only for those that nobody has switched in the UI: what a person switched stays as it is.
    """
    return environment.get("CHARGING_LIVE") == "1"


def refreshes(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the running hour is loaded after every poll; CHARGING_REFRESH=0 waits for its end."""
    return environment.get("CHARGING_REFRESH") != "0"


def alerts_are_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether CHARGING_ALERTS names anything; whether it is usable shows when it is used."""
    return bool(environment.get("CHARGING_ALERTS", "").strip())


def tells_warnings(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether checks that only warn are told too: CHARGING_ALERT_WARNINGS=1."""
    return environment.get("CHARGING_ALERT_WARNINGS") == "1"
