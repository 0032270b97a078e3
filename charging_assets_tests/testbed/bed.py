"""The test bed: S3 and Redshift, started and stopped together, with a fresh bucket and database."""

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

# Constants, so that no variables of the user's shell reach the bed's clients.
_ADMIN_USER, _ADMIN_PASSWORD = "awsuser", "Testbed-Password-1"


@dataclass(frozen=True)
class S3:
    """A bucket, with an identity that may write and one that may only read."""

    endpoint_url: str
    region: str
    bucket: str
    admin: Identity = seaweedfs.ADMIN
    reader: Identity = seaweedfs.READER

    def environment(self, identity: Identity | None = None) -> dict[str, str]:
        """The variables of the bucket and an identity (default: the admin)."""
        identity = identity or self.admin
        return {
            "CHARGING_S3_BUCKET": self.bucket,
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": identity.access_key_id,
            "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        }


@dataclass(frozen=True)
class Redshift:
    """A database, and the faults for its clients.

    The driver must trust `ca_file`: set SSL_CERT_FILE.
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
        """The variables with which the package connects and the driver trusts the certificate."""
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
    """Running S3 and Redshift. `new_bucket` and `new_database` create isolated ones."""

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
        """Create an empty bucket."""
        bucket = name or f"lake-{next(self._numbers)}"
        self.weed.client(seaweedfs.ADMIN).create_bucket(Bucket=bucket)
        return S3(self.weed.endpoint_url, seaweedfs.REGION, bucket)

    def new_database(self, isolation: Isolation = "snapshot", name: str | None = None) -> Redshift:
        """Create an empty database with an isolation level."""
        database = name or f"dev_{next(self._numbers)}"
        self.postgres.create_database(database, owner=_ADMIN_USER, isolation=isolation)
        return self.database(database, isolation)

    def database(self, name: str, isolation: Isolation = "snapshot") -> Redshift:
        """An existing database, or one that a test creates, with administrator credentials."""
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
        """The variables of a task that signs in to S3 and Redshift with an IAM role."""
        (identity,) = [identity for identity in seaweedfs.ROLES if identity.name == role]
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
    """Start all servers in a temporary folder; stop them and delete it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="charging-testbed-", dir=scratch_base()))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    with ExitStack() as exit_stack:
        exit_stack.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "s3").mkdir()
        weed = SeaweedFS(folder / "s3")
        exit_stack.callback(weed.stop)
        tls = make_certificates(folder)
        postgres = Postgres(folder / "redshift")
        exit_stack.callback(postgres.stop)
        postgres.wait_until_ready()
        postgres.run_sql(
            f"CREATE ROLE {_ADMIN_USER} LOGIN CREATEROLE CREATEDB PASSWORD '{_ADMIN_PASSWORD}';"
            # A superuser of Redshift may act for the users that it creates.
            f"ALTER ROLE {_ADMIN_USER} SET createrole_self_grant = 'set, inherit'"
        )
        objects = Objects(weed.client(seaweedfs.ADMIN), frozenset({_ADMIN_USER}))
        proxy = RedshiftProxy(postgres.socket_path, tls.server_context(), objects)
        exit_stack.callback(proxy.stop)
        roles = {role.access_key_id: role.name for role in seaweedfs.ROLES}
        serverless = RedshiftServerless(postgres, proxy.port, roles)
        exit_stack.callback(serverless.stop)
        weed.wait_until_ready()
        yield Bed(weed, postgres, proxy, tls, serverless)


def environment(s3: S3, redshift: Redshift) -> Mapping[str, str]:
    """The variables with which a shell uses the bed as S3 and Redshift."""
    return {"CHARGING_DEPLOYMENT": "aws", **s3.environment(), **redshift.environment()}
