"""A requests session whose sockets are registered, so that a deadline can shut them.

On its own, `requests` limits only the time between two bytes, so that a response of one byte a
second never ends.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from charging_assets.sources.feeds import is_loopback


class Session(requests.Session):
    """A requests session for one poll, for all of its threads; proxies and CAs as usual."""

    def __init__(self, user_agent: str, max_workers: int) -> None:
        super().__init__()
        encodings = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        self.headers.update({"User-Agent": user_agent, **encodings})
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Otherwise requests replaces the header of a credential by a password from ~/.netrc.
        self.auth = lambda request: request
        for scheme in _POOLS:
            self.mount(f"{scheme}://", _Adapter(pool_maxsize=max_workers))

    def get_redirect_target(self, resp: Any) -> None:
        """None: otherwise requests reads and decompresses the whole body of each redirect."""

    def merge_environment_settings(self, url: Any, *args: Any, **kwargs: Any) -> Any:
        """Use the environment's proxies, but none for loopback: a proxy's loopback is its own."""
        settings: Any = super().merge_environment_settings(url, *args, **kwargs)
        return {**settings, "proxies": {}} if is_loopback(urlsplit(url).hostname) else settings


class PrivateAddressError(OSError):
    """A host that a response led to has a private address; no request was sent."""


@contextmanager
def guard(*, is_public_only: bool, redact: Callable[[str], str]) -> Iterator[None]:
    """Refuse private addresses in this thread's requests, and redact what urllib3 logs."""
    public_only, redaction = _PUBLIC_ONLY.set(is_public_only), _REDACT.set(redact)
    try:
        yield
    finally:
        _PUBLIC_ONLY.reset(public_only)
        _REDACT.reset(redaction)


_PUBLIC_ONLY: ContextVar[bool] = ContextVar("public_only", default=False)
_REDACT: ContextVar[Callable[[str], str] | None] = ContextVar("redact", default=None)


def _redact_record(record: logging.LogRecord) -> bool:
    """A filter: urllib3 logs URLs, and headers that it cannot parse, which may echo a token."""
    if redact := _REDACT.get():
        record.msg, record.args = redact(record.getMessage()), ()
        record.exc_info = record.exc_text = None
    return True


for _name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_redact_record)


def _refuse_private(sock: socket.socket) -> None:
    address = ipaddress.ip_address(sock.getpeername()[0].partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if not address.is_global:
        sock.close()
        raise PrivateAddressError("the host has a private address")


class Deadline:
    """Shuts the sockets of its thread's attempt after `time_s` seconds, whatever they wait for."""

    def __init__(self, time_s: float) -> None:
        self.expired = False
        self._lock, self._sockets = threading.Lock(), list[socket.socket]()
        self._timer = threading.Timer(max(time_s, 0), self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        _DEADLINE.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _DEADLINE.set(None)
        with self._lock:
            for sock in self._sockets:
                sock.close()

    def watch(self, sock: socket.socket) -> None:
        """Keep a duplicate of the socket: TLS detaches the first, and `close` may drop another."""
        with self._lock:
            if self.expired:
                raise TimeoutError
            self._sockets.append(socket.socket(fileno=os.dup(sock.fileno())))

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            for sock in self._sockets:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


_DEADLINE: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def _watch(sock: socket.socket) -> socket.socket:
    if deadline := _DEADLINE.get():
        deadline.watch(sock)
    return sock


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        sock = _watch(super()._new_conn())
        # A proxy resolves the host itself, and its own address is not the host's.
        if _PUBLIC_ONLY.get() and self.proxy is None:
            _refuse_private(sock)
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _watch(self.sock)
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
