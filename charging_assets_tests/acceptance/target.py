"""The databases and users of an acceptance, made by the deployed bootstrap script."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from charging_assets.lake.s3 import S3Lake
from charging_assets.warehouse.redshift.connection import RedshiftResource
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets_tests.acceptance.statements import Fault, Plans, WatchedResource
from charging_assets_tests.deploy.files import DEPLOY
from charging_assets_tests.deploy.roles import Role, role

ROLES = ("run", "services", "reader")
ISOLATIONS = ("SNAPSHOT", "SERIALIZABLE")


@dataclass
class Target:
    """A Redshift, with a database per isolation level and a user per role of the deployment.

    The names of databases, users and group are of this acceptance. S3 requests of the client are
    checked against the policies of `deploy/aws`, with the test lake as the bucket.
    """

    admin: RedshiftResource
    lake: S3Lake
    iam_role: str
    plans: Plans
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    password: str = field(default_factory=lambda: f"Aa1{secrets.token_hex(16)}")
    roles: dict[str, Role] = field(default_factory=dict)
    _warehouses: list[RedshiftWarehouse] = field(default_factory=list)

    @property
    def group(self) -> str:
        return f"charging_verify_{self.id}_readers"

    def database(self, isolation: str) -> str:
        return f"charging_verify_{self.id}_{isolation.lower()}"

    def user(self, name: str) -> str:
        return f"charging_verify_{self.id}_{name}"

    def run(self, *statements: str, database: str = "", user: str = "") -> list[list[Any]]:
        """Run statements as the administrator or a user; the rows of the last."""
        resource = self._resource(database or self.admin.database, user)
        connection = resource.connect()
        rows: list[list[Any]] = []
        try:
            for statement in statements:
                cursor = connection.cursor()
                cursor.execute(statement)
                rows = [list(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            connection.close()
        return rows

    def create(self) -> None:
        """Create databases, users and group, and the rights of the bootstrap script."""
        for isolation in ISOLATIONS:
            self.run(f"CREATE DATABASE {self.database(isolation)} ISOLATION LEVEL {isolation}")
        for name in ROLES:
            self.run(f"CREATE USER {self.user(name)} PASSWORD '{self.password}'")
        members = ", ".join(self.user(name) for name in ROLES[1:])
        self.run(f"CREATE GROUP {self.group} WITH USER {members}")
        for isolation in ISOLATIONS:
            for place, statement in self._bootstrap(isolation):
                if statement.startswith("GRANT ASSUMEROLE"):
                    # Refused as long as PUBLIC has it in this namespace, where it is not needed.
                    with suppress(Exception):
                        self.run(statement, database=place)
                    continue
                self.run(statement, database=place)

    def _bootstrap(self, isolation: str) -> Iterator[tuple[str, str]]:
        """The script's grants with the names of this acceptance, each with its database.

        Not the REVOKE of ASSUMEROLE, which is for the whole namespace.
        """
        text = re.sub(r"--.*", "", (DEPLOY / "aws/bootstrap.sql").read_text(encoding="utf-8"))
        text = re.sub(r"IAMR:charging-assets-(\w+)", lambda m: self.user(m[1]), text)
        text = re.sub(r"'arn:[^']*'", f"'{self.iam_role}'", text)
        first, second = text.split("\\connect charging")
        own = self.database(isolation)
        for place, part in ((self.admin.database, first), (own, second)):
            for statement in (each.strip() for each in part.split(";")):
                words = " ".join(statement.split()[:2])
                if words in {"CREATE DATABASE", "CREATE USER", "CREATE GROUP", "REVOKE ASSUMEROLE"}:
                    continue
                if words == "GRANT ASSUMEROLE" and self.iam_role == "default":
                    continue
                if statement:
                    yield place, re.sub(r"\bDATABASE charging\b", f"DATABASE {own}", statement)

    def warehouse(
        self, isolation: str = "SNAPSHOT", user: str = "run", *, fault: Fault | None = None,
        **changed: Any,
    ) -> RedshiftWarehouse:  # fmt: skip
        """A warehouse as another process of a role would have it."""
        resource = self._resource(self.database(isolation), user)
        resource = RedshiftResource(**{**resource.model_dump(), **changed})
        watched: Any = WatchedResource(resource, self.plans, fault)
        made = RedshiftWarehouse(watched, self.lake, self.iam_role, reader_group=self.group)
        self._warehouses.append(made)
        return made

    def acting_lake(self, name: str) -> S3Lake:
        """The lake with the rights of a role of the deployment."""
        acting = self.roles.setdefault(name, role(f"charging-assets-{name}"))
        acting.prefix = self.lake.prefix
        watched = S3Lake(self.lake.bucket, self.lake.prefix, self.lake._s3)
        acting.watch(watched._client)
        return watched

    def drop(self) -> list[str]:
        """Drop all that was created; returns what could not be dropped."""
        for warehouse in self._warehouses:
            warehouse.close()
        problems = []
        statements = [f"DROP DATABASE {self.database(isolation)}" for isolation in ISOLATIONS]
        if self.iam_role != "default":
            for command in ("COPY", "UNLOAD"):
                with suppress(Exception):
                    self.run(
                        f"REVOKE ASSUMEROLE ON '{self.iam_role}' FROM {self.user('run')} "
                        f"FOR {command}"
                    )
        statements.append(f"DROP GROUP {self.group}")
        statements += [f"DROP USER {self.user(name)}" for name in ROLES]
        for statement in statements:
            try:
                self._patiently(statement)
            except Exception as error:
                problems.append(f"{statement}: {error}")
        for prefix in ("loads/", "published/", "flat/", "raw/"):
            for key in self.lake.keys(prefix):
                with suppress(Exception):
                    self.lake.delete(key)
        return problems

    def _patiently(self, statement: str) -> None:
        """The server may learn only later that its sessions have ended."""
        for wait_s in (0.5, 1, 2, 4, 8):
            try:
                self.run(statement)
                return
            except Exception as error:
                if "being accessed" not in str(error):
                    raise
            time.sleep(wait_s)
        self.run(statement)

    def _resource(self, database: str, user: str) -> RedshiftResource:
        settings = {**self.admin.model_dump(), "database": database}
        if user:
            settings |= {
                "user": self.user(user), "password": self.password, "iam": False,
                "cluster": "", "workgroup": "",
            }  # fmt: skip
        return RedshiftResource(**settings)
