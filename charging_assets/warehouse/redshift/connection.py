"""Connect to Redshift: a Dagster resource around redshift-connector.

It signs in, sets up TLS and keepalive, and prepares each session.
"""

from __future__ import annotations

import re
from typing import Any

import dagster as dg
from pydantic import Field

from charging_assets.warehouse.interface import WarehouseError
from charging_assets.warehouse.redshift.errors import explain

APPLICATION = "charging_assets"
# The client waits this much longer than the server, so that the server reports the timeout.
_GRACE_S = 60
_NAME = re.compile(r"[\w.$-]{1,255}")


class RedshiftResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A Redshift cluster or workgroup. Nothing is connected before `connect` is called.

    Sign in by password, or by IAM: `iam` with `cluster` (provisioned) or `workgroup` (serverless),
    where credentials come from boto3's own chain. TLS is always on and the certificate is verified,
    the host's name included; a CA of your own is named by SSL_CERT_FILE.
    """

    host: str = Field(default="", description="Host; with IAM it may be left to the cluster's name")
    database: str = Field(description="Database.")
    port: int = Field(default=5439, description="Port.")
    user: str = Field(default="", description="Database user.")
    password: str = Field(default="", repr=False, description="Its password; none with IAM.")
    iam: bool = Field(default=False, description="Sign in with temporary IAM credentials.")
    cluster: str = Field(default="", description="Cluster identifier, for IAM.")
    workgroup: str = Field(default="", description="Serverless workgroup, for IAM.")
    region: str = Field(default="", description="AWS region, for IAM.")
    statement_timeout_s: int = Field(default=900, description="A statement is ended after this.")
    connect_timeout_s: int = Field(default=15, description="Seconds to connect in.")

    def connect(self, *, has_timeout: bool = True) -> Any:
        """A connection with autocommit on, in UTC, with the statement timeout set.

        Args:
            has_timeout: False for statements that may take hours, such as VACUUM.

        Raises WarehouseError for permanent errors, and the driver's errors for network failures.
        """
        import redshift_connector

        connection = redshift_connector.connect(**self._arguments())
        connection.autocommit = True
        # Until here the limit was the connect timeout; the driver would keep it permanently.
        timeout_s = self.statement_timeout_s if has_timeout else 0
        connection._usock.settimeout(timeout_s + _GRACE_S if timeout_s else None)
        cursor = connection.cursor()
        for statement in self.session_statements(timeout_s):
            cursor.execute(statement)
        return connection

    def session_statements(self, timeout_s: int) -> list[str]:
        """The first statements of every session; a timeout of 0 is none."""
        return [
            "SET timezone TO 'UTC'",
            f"SET statement_timeout TO {timeout_s * 1000}",
            f"SET query_group TO '{APPLICATION}'",
        ]

    def describe(self) -> str:
        """The database and host, without secrets."""
        at = self.host or self.workgroup or self.cluster
        # A connection string in one of these settings would be printed with its password.
        database, at = (name if _NAME.fullmatch(name) else "…" for name in (self.database, at))
        return f"Redshift database {database} at {at}:{self.port}"

    def _arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "database": self.database,
            "port": self.port,
            "ssl": True,
            # Explicit, so that the driver refuses a wrong name instead of only warning.
            "sslmode": "verify-full",
            "timeout": self.connect_timeout_s,
            "tcp_keepalive": True,
            "tcp_keepalive_idle": 60,
            "tcp_keepalive_interval": 15,
            "tcp_keepalive_count": 4,
            "application_name": APPLICATION,
            # Temp tables are dropped and created again under one name; a prepared statement would
            # read the dropped table.
            "max_prepared_statements": 0,
        }
        if self.host:
            arguments["host"] = self.host
        if self.user:
            arguments["db_user" if self.iam else "user"] = self.user
        if not self.iam:
            return {**arguments, "password": self.password}
        named = {
            "cluster_identifier": self.cluster,
            "serverless_work_group": self.workgroup,
            "region": self.region,
        }
        arguments |= {key: value for key, value in named.items() if value}
        return {**arguments, "iam": True, "is_serverless": bool(self.workgroup)}


def connection_error(resource: RedshiftResource, error: Exception) -> WarehouseError:
    """The error for a connection that failed, with its remedy."""
    return WarehouseError(
        f"cannot connect to {resource.describe()}: {explain(error)}; check CHARGING_REDSHIFT_HOST, "
        "_PORT, _DATABASE, _USER and _PASSWORD (or IAM), the network, and that this machine may "
        "reach it (`charging-assets doctor`)"
    )
