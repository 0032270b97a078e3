"""The API for sign-in to Redshift Serverless with IAM: GetCredentials and GetWorkgroup.

It maps a role to a database user with a temporary password. Callers are identified by their access
key; signatures are not verified.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from charging_assets_tests.testbed.postgres import Postgres
from charging_assets_tests.testbed.tokens import literal, quoted

WORKGROUP = "charging-assets"
_LIFETIME_S = 900
_KEY = re.compile(r"Credential=([^/]+)/")

# Whether the policies of a role allow an action such as `redshift-serverless:GetCredentials`.
IsAllowed = Callable[[str, str], bool]


class RedshiftServerless:
    """The API on a port of 127.0.0.1; `roles` are names of IAM roles by their access key."""

    def __init__(self, postgres: Postgres, redshift_port: int, roles: dict[str, str]) -> None:
        self._postgres, self._redshift_port, self._roles = postgres, redshift_port, roles
        self._passwords: dict[str, str] = {}
        self._mutex = threading.Lock()
        self.is_allowed: IsAllowed = lambda role, action: True
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = api._answer(
                    self.headers.get("X-Amz-Target", "").rpartition(".")[2],
                    self.headers.get("Authorization", ""),
                    body,
                )
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(
        self, operation: str, authorization: str, parameters: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        match = _KEY.search(authorization)
        role = self._roles.get(match[1]) if match else None
        if role is None:
            return 403, _error("UnrecognizedClientException", "The security token is invalid.")
        if not self.is_allowed(role, f"redshift-serverless:{operation}"):
            return 403, _error(
                "AccessDeniedException",
                f"role/{role} is not authorized to perform: redshift-serverless:{operation}",
            )
        if parameters.get("workgroupName") != WORKGROUP:
            return 400, _error("ResourceNotFoundException", "There is no such workgroup.")
        if operation == "GetCredentials":
            return 200, self._credentials(role)
        if operation == "GetWorkgroup":
            endpoint = {"address": "localhost", "port": self._redshift_port}
            return 200, {"workgroup": {"workgroupName": WORKGROUP, "endpoint": endpoint}}
        return 400, _error("UnknownOperationException", operation)

    def _credentials(self, role: str) -> dict[str, Any]:
        """Credentials of the user IAMR:<role>, which is created without rights if it is missing."""
        user = f"IAMR:{role}"
        with self._mutex:
            password = self._passwords.setdefault(user, secrets.token_hex(16))
            self._postgres.run_sql(
                "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = "
                f"{literal(user)}) THEN CREATE ROLE {quoted(user)} LOGIN; END IF; END $$; "
                f"ALTER ROLE {quoted(user)} PASSWORD {literal(password)}"
            )
        return {
            "dbUser": user, "dbPassword": password,
            "expiration": time.time() + _LIFETIME_S, "nextRefreshTime": time.time() + _LIFETIME_S,
        }  # fmt: skip


def _error(kind: str, message: str) -> dict[str, str]:
    return {"__type": kind, "message": message}
