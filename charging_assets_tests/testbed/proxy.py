"""The listener that the Redshift driver connects to; `session` handles each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import defaultdict
from pathlib import Path

from charging_assets_tests.testbed.objects import Objects
from charging_assets_tests.testbed.session import Session
from charging_assets_tests.testbed.statement_faults import Cut, StatementFaults
from charging_assets_tests.testbed.wire import Closed, Stream


class RedshiftProxy:
    """Accepts Redshift clients on 127.0.0.1 and forwards to PostgreSQL; one thread for each."""

    def __init__(self, socket_path: Path, tls: ssl.SSLContext, objects: Objects) -> None:
        self._socket_path = socket_path
        self._tls = tls
        self._objects = objects
        self.faults: defaultdict[str, StatementFaults] = defaultdict(StatementFaults)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._sessions: set[Session] = set()
        self._mutex = threading.Lock()
        threading.Thread(target=self._accept, name="redshift-proxy", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # stopped
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(
                Stream(connection),
                tls=self._tls,
                socket_path=self._socket_path,
                objects=self._objects,
                faults=self.faults,
            )
            with self._mutex:
                self._sessions.add(session)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session: Session) -> None:
        with contextlib.suppress(Closed, Cut, OSError):  # clients may disconnect at any time
            session.serve()
        session.close()
        with self._mutex:
            self._sessions.discard(session)

    def stop(self) -> None:
        """Stop listening and cut every connection."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._mutex:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()
