"""The whole bed: S3 and Redshift, started together and ended together.

Belongs here: what a test gets and how it gets a fresh one. Does not belong here: the parts.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from charging_assets_tests.testbed import seaweedfs
from charging_assets_tests.testbed.objects import COPY_ROLE, Objects
from charging_assets_tests.testbed.postgres import Postgres, scratch_base
from charging_assets_tests.testbed.proxy import RedshiftProxy
from charging_assets_tests.testbed.seaweedfs import Identity, SeaweedFS
from charging_assets_tests.testbed.serverless import WORKGROUP, RedshiftServerless
from charging_assets_tests.testbed.statement_faults import StatementFaults
from charging_assets_tests.testbed.tls import Certificates, make_certificates

Isolation = Literal["snapshot", "serializable"]

# Standard: whatever a user's shell has would reach the bed's clients.
_ADMIN_USER, _ADMIN_PASSWORD = "awsuser", "Testbed-Password-1"


@dataclass(frozen=True)
class S3:
    """A bucket of its own, and who may do what in it."""

    endpoint_url: str
    region: str
    bucket: str
    admin: Identity = seaweedfs.ADMIN
    reader: Identity = seaweedfs.READER

    def environment(self, identity: Identity | None = None) -> dict[str, str]:
        """The variables of a bucket and an identity, the admin unless another is given."""
        who = identity or self.admin
        return {
            "CHARGING_S3_BUCKET": self.bucket,
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": who.access_key_id,
            "AWS_SECRET_ACCESS_KEY": who.secret_access_key,
        }


@dataclass(frozen=True)
class Redshift:
    """A database of its own, and the faults that its clients meet.

    `ca_file` must be trusted: SSL_CERT_FILE names it to the driver.
    """

    host: str
    port: int
    database: str
    user: str
    password: str
    isolation: Isolation
    iam_role: str
    ca_file: Path
    faults: StatementFaults

    def environment(self) -> dict[str, str]:
        """The variables by which the package finds it, and by which the driver trusts it."""
        return {
            "CHARGING_REDSHIFT_HOST": self.host,
            "CHARGING_REDSHIFT_PORT": str(self.port),
            "CHARGING_REDSHIFT_DATABASE": self.database,
            "CHARGING_REDSHIFT_USER": self.user,
            "CHARGING_REDSHIFT_PASSWORD": self.password,
            "CHARGING_REDSHIFT_IAM_ROLE": self.iam_role,
            "SSL_CERT_FILE": str(self.ca_file),
        }

    def connection_arguments(self) -> dict[str, object]:
        """The keyword arguments of `redshift_connector.connect`."""
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password": self.password,
            "sslmode": "verify-full",
        }


class Bed:
    """S3 and Redshift, running. `new_bucket` and `new_database` give what nobody else touches."""

    def __init__(
        self,
        weed: SeaweedFS,
        postgres: Postgres,
        proxy: RedshiftProxy,
        tls: Certificates,
        serverless: RedshiftServerless,
    ) -> None:
        self.weed, self.postgres, self.proxy, self.tls = weed, postgres, proxy, tls
        self.serverless = serverless
        self._numbers = itertools.count(1)

    def new_bucket(self, name: str | None = None) -> S3:
        """An empty bucket."""
        bucket = name or f"lake-{next(self._numbers)}"
        self.weed.client(seaweedfs.ADMIN).create_bucket(Bucket=bucket)
        return S3(self.weed.endpoint_url, seaweedfs.REGION, bucket)

    def new_database(self, isolation: Isolation = "snapshot", name: str | None = None) -> Redshift:
        """An empty database with the isolation level given."""
        database = name or f"dev_{next(self._numbers)}"
        self.postgres.create_database(database, owner=_ADMIN_USER, isolation=isolation)
        return self.database(database, isolation)

    def database(self, name: str, isolation: Isolation = "snapshot") -> Redshift:
        """A database that is there, or that a test makes, as its administrator sees it."""
        return Redshift(
            "localhost",
            self.proxy.port,
            name,
            _ADMIN_USER,
            _ADMIN_PASSWORD,
            isolation,
            COPY_ROLE,
            self.tls.authority,
            self.proxy.faults[name],
        )

    def role_environment(self, role: str, s3: S3, database: str) -> dict[str, str]:
        """The variables of a task with an IAM role, which signs in to S3 and Redshift by it."""
        (identity,) = [each for each in seaweedfs.ROLES if each.name == role]
        return {
            **s3.environment(identity),
            "AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS": self.serverless.endpoint_url,
            "CHARGING_DEPLOYMENT": "aws",
            "CHARGING_REDSHIFT_IAM": "true",
            "CHARGING_REDSHIFT_WORKGROUP": WORKGROUP,
            "CHARGING_REDSHIFT_DATABASE": database,
            "CHARGING_REDSHIFT_IAM_ROLE": COPY_ROLE,
            "SSL_CERT_FILE": str(self.tls.authority),
        }


@contextmanager
def running_bed() -> Iterator[Bed]:
    """Start everything in a folder of its own, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="charging-testbed-", dir=scratch_base()))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "s3").mkdir()
        weed = SeaweedFS(folder / "s3")
        ending.callback(weed.stop)
        tls = make_certificates(folder)
        postgres = Postgres(folder / "redshift")
        ending.callback(postgres.stop)
        postgres.wait_until_ready()
        postgres.run_sql(
            f"CREATE ROLE {_ADMIN_USER} LOGIN CREATEROLE CREATEDB PASSWORD '{_ADMIN_PASSWORD}';"
            # What a superuser of Redshift may: act for the users that it creates.
            f"ALTER ROLE {_ADMIN_USER} SET createrole_self_grant = 'set, inherit'"
        )
        objects = Objects(weed.client(seaweedfs.ADMIN))
        proxy = RedshiftProxy(postgres.socket_path, tls.server_context(), objects)
        ending.callback(proxy.stop)
        roles = {role.access_key_id: role.name for role in seaweedfs.ROLES}
        serverless = RedshiftServerless(postgres, proxy.port, roles)
        ending.callback(serverless.stop)
        weed.wait_until_ready()
        yield Bed(weed, postgres, proxy, tls, serverless)


def environment(s3: S3, redshift: Redshift) -> Mapping[str, str]:
    """What a shell exports to use the bed as S3 and Redshift."""
    return {"CHARGING_DEPLOYMENT": "aws", **s3.environment(), **redshift.environment()}
