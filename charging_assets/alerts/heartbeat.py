"""The heartbeat: a URL that is called after each archived poll, and missed by a watcher elsewhere.

Belongs here: the call. Does not belong here: when (`acquisition.assets`). A daemon that is dead
cannot alert; a service that expects this call every few minutes can.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from charging_assets.alerts.addresses import heartbeat_address, is_here

_TIMEOUT_S = 10.0


def beat() -> str | None:
    """Call the heartbeat's URL, if there is one; why it failed, or None. Never raises for it."""
    url = heartbeat_address()
    if url is None:
        return None
    try:
        here = is_here(urlsplit(url))
        response = requests.get(
            url,
            timeout=_TIMEOUT_S,
            allow_redirects=False,
            proxies={"http": "", "https": ""} if here else None,
        )
    except requests.RequestException as error:
        return type(error).__name__
    return None if response.ok else f"HTTP {response.status_code}"
