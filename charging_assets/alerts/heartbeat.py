"""The heartbeat: a URL that is called after each archived poll.

A dead daemon cannot send alerts; an external service that expects this call can.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from charging_assets.settings import Settings, is_loopback

_TIMEOUT_S = 10.0


def beat() -> str | None:
    """Call the heartbeat URL, if set. Returns the reason of a failure, or None."""
    url = Settings.read().heartbeat_url
    if url is None:
        return None
    try:
        is_local = is_loopback(urlsplit(url))
        response = requests.get(
            url,
            timeout=_TIMEOUT_S,
            allow_redirects=False,
            proxies={"http": "", "https": ""} if is_local else None,
        )
    except requests.RequestException as error:
        return type(error).__name__
    return None if response.ok else f"HTTP {response.status_code}"
