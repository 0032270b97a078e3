"""Connections that can be cut: every socket of a request is known, and shut when time is over.

Belongs here: the requests session, its pools and the watchdog. Does not belong here: what is
asked, or how an answer is read (`client`, `bodies`).

`requests` alone bounds the gap between two bytes, so that a byte a second lasts for ever.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from charging_assets.acquisition.feeds import is_loopback


class Session(requests.Session):
    """A requests session for one poll, for all of its threads; proxies and CAs as usual."""

    def __init__(self, user_agent: str, max_workers: int) -> None:
        super().__init__()
        encodings = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        self.headers.update({"User-Agent": user_agent, **encodings})
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in _POOLS:
            self.mount(f"{scheme}://", _Adapter(pool_maxsize=max_workers))

    def get_redirect_target(self, resp: Any) -> None:
        """None: requests would read and inflate a redirect's body whole, followed or not."""

    def merge_environment_settings(self, url: Any, *args: Any, **kwargs: Any) -> Any:
        """The environment's proxies, save for this machine: a proxy's loopback is another's."""
        settings: Any = super().merge_environment_settings(url, *args, **kwargs)
        return {**settings, "proxies": {}} if is_loopback(urlsplit(url).hostname) else settings


class Watchdog:
    """Shuts the sockets of its thread's attempt when the time is over, whatever they wait for."""

    def __init__(self, time_s: float) -> None:
        self.has_bitten = False
        self._lock, self._held = threading.Lock(), list[socket.socket]()
        self._timer = threading.Timer(max(time_s, 0), self._bite)
        self._timer.daemon = True

    def __enter__(self) -> Watchdog:
        _WATCHDOG.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _WATCHDOG.set(None)
        with self._lock:
            for held in self._held:
                held.close()

    def hold(self, sock: socket.socket) -> None:
        """Take a handle of its own: TLS detaches the first, and `close` may forget the second."""
        with self._lock:
            if self.has_bitten:
                raise TimeoutError
            self._held.append(socket.socket(fileno=os.dup(sock.fileno())))

    def _bite(self) -> None:
        with self._lock:
            self.has_bitten = True
            for held in self._held:
                with suppress(OSError):
                    held.shutdown(socket.SHUT_RDWR)


_WATCHDOG: ContextVar[Watchdog | None] = ContextVar("watchdog", default=None)


def _watched(sock: socket.socket) -> socket.socket:
    if watchdog := _WATCHDOG.get():
        watchdog.hold(sock)
    return sock


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _watched(super()._new_conn())

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _watched(self.sock)
        super().request(*args, **kwargs)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"https": _TlsPool, "http": _Pool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        if isinstance(manager, urllib3.ProxyManager):
            manager.pool_classes_by_scheme = _POOLS
        return manager
