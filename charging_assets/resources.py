"""The Dagster resources of a deployment, with typed settings.

Settings are read and connections are opened when a run or tick needs the resource. An empty field
is then read from its environment variable, which `settings` validates.

Dagster needs the types of the fields at runtime, so this module does not import annotations.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import dagster as dg
from pydantic import Field

from charging_assets import deployments
from charging_assets.acquisition.assets import RawArchiveIOManager
from charging_assets.archive.spool import Spool
from charging_assets.hours import Hour
from charging_assets.io_managers import LakeIOManager, Progress, WarehouseIOManager
from charging_assets.lake.store import Lake
from charging_assets.settings import DeploymentError, deployment
from charging_assets.sources.feeds import Feed, load_feeds
from charging_assets.warehouse.interface import Warehouse

_DEPLOYMENT = Field(
    default="",
    description="`local` (a folder and DuckDB) or `aws` (S3 and Redshift). "
    "Empty: CHARGING_DEPLOYMENT, else local.",
)
_HOME = Field(
    default="",
    description="Folder of the local deployment, and of the spool. Empty: CHARGING_HOME, else "
    "`.charging`.",
)
_LOCATION = Field(
    default="",
    description="The lake of `aws`, as s3://bucket/prefix. Empty: CHARGING_LAKE, else "
    "CHARGING_S3_BUCKET and CHARGING_S3_PREFIX.",
)
_REGION = Field(
    default="", description="AWS region. Empty: AWS_REGION, AWS_DEFAULT_REGION or boto3's own."
)
_ENDPOINT_URL = Field(
    default="",
    description="URL of an S3-compatible store. Empty: AWS_ENDPOINT_URL_S3, else AWS's own.",
)


class _Settings(dg.ConfigurableResource[Any]):
    """Fields that replace environment variables; the variables are read on initialization."""

    _variables: ClassVar[Mapping[str, str]] = {
        "deployment": "CHARGING_DEPLOYMENT",
        "home": "CHARGING_HOME",
        "lake_location": "CHARGING_LAKE",
        "region": "AWS_REGION",
        "endpoint_url": "AWS_ENDPOINT_URL_S3",
        "host": "CHARGING_REDSHIFT_HOST",
        "port": "CHARGING_REDSHIFT_PORT",
        "database": "CHARGING_REDSHIFT_DATABASE",
        "user": "CHARGING_REDSHIFT_USER",
        "password": "CHARGING_REDSHIFT_PASSWORD",
        "iam": "CHARGING_REDSHIFT_IAM",
        "cluster": "CHARGING_REDSHIFT_CLUSTER",
        "workgroup": "CHARGING_REDSHIFT_WORKGROUP",
        "iam_role": "CHARGING_REDSHIFT_IAM_ROLE",
        "reader_group": "CHARGING_REDSHIFT_READER_GROUP",
        "statement_timeout_s": "CHARGING_REDSHIFT_STATEMENT_TIMEOUT_S",
        "file": "CHARGING_FEEDS",
    }

    def environment(self) -> dict[str, str]:
        """The environment variables of this process, replaced by the fields that are set.

        Raises:
            DeploymentError: a field of the deployment `aws` is set in a local deployment.
        """
        fields = {
            name: str(value)
            for name in type(self).model_fields
            if name in self._variables and (value := getattr(self, name)) not in ("", None)
        }
        environment = {**os.environ, **{self._variables[name]: fields[name] for name in fields}}
        only_aws = sorted(fields.keys() - {"deployment", "home", "file"})
        if only_aws and deployment(environment) != "aws":
            raise DeploymentError(
                f"{type(self).__name__} sets {', '.join(only_aws)}, which the deployment `local` "
                'does not have; set deployment="aws" or CHARGING_DEPLOYMENT=aws'
            )
        return environment


class LakeResource(_Settings):
    """Storage of objects: raw responses, flat files, published tables. A folder, or S3.

    Assets receive a `charging_assets.lake.store.Lake`. boto3 finds the AWS credentials.
    """

    deployment: str = _DEPLOYMENT
    home: str = _HOME
    lake_location: str = _LOCATION
    region: str = _REGION
    endpoint_url: str = _ENDPOINT_URL

    def create_resource(self, context: dg.InitResourceContext) -> Lake:
        """The lake.

        Raises:
            DeploymentError: settings are missing or invalid; the message names each.
            HomeError: the folder cannot be used.
        """
        return deployments.lake(self.environment())


class WarehouseResource(_Settings):
    """Storage of tables: staging, dimensions, facts, marts and your own. DuckDB, or Redshift.

    Assets receive a `charging_assets.warehouse.interface.Warehouse`. Loads into Redshift are staged
    in the lake, where `iam_role` reads them.
    """

    deployment: str = _DEPLOYMENT
    home: str = _HOME
    lake_location: str = _LOCATION
    region: str = _REGION
    endpoint_url: str = _ENDPOINT_URL
    host: str = Field(default="", description="Redshift's host. Empty: CHARGING_REDSHIFT_HOST.")
    port: int | None = Field(
        default=None, description="Its port. Empty: CHARGING_REDSHIFT_PORT, else 5439."
    )
    database: str = Field(
        default="", description="The database. Empty: CHARGING_REDSHIFT_DATABASE."
    )
    user: str = Field(default="", description="Database user. Empty: CHARGING_REDSHIFT_USER.")
    password: str = Field(
        default="",
        repr=False,
        description='Its password, as `EnvVar("NAME")`: the UI then shows the name alone. Empty: '
        "CHARGING_REDSHIFT_PASSWORD.",
    )
    iam: bool | None = Field(
        default=None,
        description="Sign in with temporary IAM credentials. Empty: CHARGING_REDSHIFT_IAM, else "
        "false.",
    )
    cluster: str = Field(
        default="", description="Cluster, for IAM. Empty: CHARGING_REDSHIFT_CLUSTER."
    )
    workgroup: str = Field(
        default="", description="Workgroup, for IAM. Empty: CHARGING_REDSHIFT_WORKGROUP."
    )
    iam_role: str = Field(
        default="",
        description="Role by which Redshift reads the lake. Empty: CHARGING_REDSHIFT_IAM_ROLE.",
    )
    reader_group: str = Field(
        default="",
        description="Group that may read all tables. Empty: CHARGING_REDSHIFT_READER_GROUP, else "
        "none.",
    )
    statement_timeout_s: int | None = Field(
        default=None,
        description="Seconds after which a statement is ended. Empty: "
        "CHARGING_REDSHIFT_STATEMENT_TIMEOUT_S, else 900.",
    )

    def create_resource(self, context: dg.InitResourceContext) -> Warehouse:
        """The warehouse; connections are opened later. Raises the errors of `LakeResource`."""
        return deployments.warehouse(self.environment())


class SpoolResource(_Settings):
    """The local spool for polls that could not be written to the lake."""

    home: str = _HOME

    def create_resource(self, context: dg.InitResourceContext) -> Spool:
        """The spool. Raises HomeError if its folder is not usable."""
        return deployments.spool(self.environment())


class FeedsResource(_Settings):
    """The feeds to poll: the packaged feeds, with the changes of your TOML file.

    Each run reads the file, so that a change takes effect with the next poll.
    """

    file: str = Field(
        default="", description="Your feeds file. Empty: CHARGING_FEEDS, else the packaged feeds."
    )

    def create_resource(self, context: dg.InitResourceContext) -> dict[str, Feed]:
        """The feeds by name. Raises FeedError, which names the file, the feed and the setting."""
        return load_feeds(environment=self.environment())


class ProgressResource(dg.ConfigurableResource[Any]):
    """Called for loaded hours. Does nothing; the command line replaces it by a progress bar."""

    def __call__(self, asset: str, hours: Sequence[Hour], seconds: float) -> None:
        """An asset loaded hours in this many seconds."""


class RawIOManagerFactory(dg.ConfigurableIOManagerFactory[RawArchiveIOManager]):
    """Loads the archived polls of an hour from the lake."""

    lake: dg.ResourceDependency[Lake]

    def create_io_manager(self, context: dg.InitResourceContext) -> RawArchiveIOManager:
        return RawArchiveIOManager(self.lake)


class LakeIOManagerFactory(dg.ConfigurableIOManagerFactory[LakeIOManager]):
    """Flat tables as Parquet in the lake; read as pandas, Arrow or a `FlatFile`."""

    lake: dg.ResourceDependency[Lake]

    def create_io_manager(self, context: dg.InitResourceContext) -> LakeIOManager:
        return LakeIOManager(self.lake)


class WarehouseIOManagerFactory(dg.ConfigurableIOManagerFactory[WarehouseIOManager]):
    """Tables in the warehouse; stores and loads pandas frames and Arrow tables of your own assets.

    An asset's frame replaces its partition in the table `user_tables.<asset>`, or in the schema
    that the asset's metadata `schema` or key prefix names.
    """

    warehouse: dg.ResourceDependency[Warehouse]

    def create_io_manager(self, context: dg.InitResourceContext) -> WarehouseIOManager:
        return WarehouseIOManager(self.warehouse)


def deployed(
    lake: LakeResource | None = None,
    warehouse: WarehouseResource | None = None,
    feeds: FeedsResource | None = None,
) -> dict[str, Any]:
    """The resources of a deployment, by the keys that assets use.

    Resources that are not given are configured by the environment.
    """
    lake, warehouse = lake or LakeResource(), warehouse or WarehouseResource()
    return {
        "lake": lake,
        "warehouse": warehouse,
        "spool": SpoolResource(home=lake.home),
        "progress": ProgressResource(),
        "feeds": feeds or FeedsResource(),
        "raw_io_manager": RawIOManagerFactory(lake=lake),
        "lake_io_manager": LakeIOManagerFactory(lake=lake),
        "warehouse_io_manager": WarehouseIOManagerFactory(warehouse=warehouse),
    }


def for_storage(
    storage: deployments.Storage,
    feeds: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The Dagster resources for a given storage, such as `memory_storage` in tests.

    `deployed` makes those of the environment. `progress` is called for each asset that a run of
    this process loads.
    """
    return {
        "lake": storage.lake,
        "warehouse": storage.warehouse,
        "spool": storage.spool,
        "progress": progress or ProgressResource(),
        "feeds": load_feeds() if feeds is None else feeds,
        "raw_io_manager": RawArchiveIOManager(storage.lake),
        "lake_io_manager": LakeIOManager(storage.lake),
        "warehouse_io_manager": WarehouseIOManager(storage.warehouse, progress),
    }
