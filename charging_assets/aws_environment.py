"""The `aws` deployment's environment: a lake in S3, a warehouse in Redshift.

This module validates the variables. Connections are made at the first use of an engine. boto3 finds
AWS credentials itself, in its variables, profiles and roles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from charging_assets.extras import MissingExtra, require_extra
from charging_assets.settings import DeploymentError

if TYPE_CHECKING:
    from charging_assets.lake.s3 import S3Lake
    from charging_assets.warehouse.redshift.connection import RedshiftResource
    from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9._=/-]*")
_LAKE = re.compile(r"s3://([^/]+)/?(.*)")
# Hosts, databases, clusters and workgroups. Without `:/@;=?` it cannot be a connection string.
_NAME = re.compile(r"[\w.$-]{1,255}")
_ENDPOINT = re.compile(r"https?://[\w.:\[\]-]+(/[\w./-]*)?")
_MOST_DIGITS = 9
_YES, _NO = {"1", "true", "yes"}, {"", "0", "false", "no"}


@dataclass(frozen=True)
class _LakeSettings:
    """Where the lake is, as far as it is set; whether it is usable `_Reader.check` says."""

    bucket: str
    prefix: str
    region: str
    endpoint_url: str


class _Reader:
    """Reads variables and collects all problems, to report them together.

    Problems name the variable and the valid form, never the value: a variable in the wrong place,
    or a connection string, may contain a password that would end up in logs.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return (self._environment.get(name) or default).strip()

    def required(self, name: str, what: str) -> str:
        value = self.text(name)
        if not value:
            self.problems.append(f"{name} is not set: {what}")
        return value

    def number(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if value.isdecimal() and len(value) <= _MOST_DIGITS and int(value) > 0:
            return int(value)
        self.problems.append(f"{name} is not a whole number above 0 of up to {_MOST_DIGITS} digits")
        return default

    def flag(self, name: str) -> bool:
        value = self.text(name).lower()
        if value not in _YES | _NO:
            self.problems.append(f"{name} is neither true nor false")
        return value in _YES

    def matching(self, name: str, value: str, pattern: re.Pattern[str], form: str) -> str:
        """Return the value; record a problem if it is not empty and does not match."""
        if value and not pattern.fullmatch(value):
            self.problems.append(f"{name} is invalid: {form}")
        return value

    def name(self, variable: str, value: str) -> str:
        """A name of AWS or Redshift, which messages may contain."""
        return self.matching(variable, value, _NAME, "give only a name, without address or options")

    def check(self) -> None:
        if self.problems:
            raise DeploymentError(
                "CHARGING_DEPLOYMENT=aws has missing or invalid settings:\n  "
                + "\n  ".join(self.problems)
            )


def s3_lake(environment: Mapping[str, str]) -> S3Lake:
    """The lake; DeploymentError names every variable of it that is missing or wrong."""
    reader = _Reader(environment)
    settings = _lake_settings(reader)
    _require_packages()
    reader.check()
    return _s3_lake(settings)


def engines(environment: Mapping[str, str]) -> tuple[S3Lake, RedshiftWarehouse]:
    """The lake and the warehouse; DeploymentError names every variable that is missing or wrong."""
    reader = _Reader(environment)
    settings = _lake_settings(reader)
    role = reader.required(
        "CHARGING_REDSHIFT_IAM_ROLE", "the role by which Redshift reads the bucket, or default"
    )
    group = reader.text("CHARGING_REDSHIFT_READER_GROUP")
    _require_packages()
    from charging_assets.warehouse.redshift.copy import validate_role
    from charging_assets.warehouse.redshift.grants import reader_grants
    from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse

    redshift = _redshift(reader, settings.region)
    for name, check, value in (
        ("CHARGING_REDSHIFT_IAM_ROLE", validate_role, role or "default"),
        ("CHARGING_REDSHIFT_READER_GROUP", reader_grants, group),
    ):
        try:
            check(value)
        except ValueError as error:
            reader.problems.append(f"{name}: {error}")
    reader.check()
    lake = _s3_lake(settings)
    return lake, RedshiftWarehouse(redshift, lake, role, reader_group=group)


def _require_packages() -> None:
    try:
        require_extra("aws", "CHARGING_DEPLOYMENT=aws")
    except MissingExtra as error:
        raise DeploymentError(str(error)) from None


def _s3_lake(settings: _LakeSettings) -> S3Lake:
    from charging_assets.lake.s3 import S3Lake
    from charging_assets.lake.s3_resource import LakeS3Resource

    s3 = LakeS3Resource(
        region_name=settings.region or None, endpoint_url=settings.endpoint_url or None
    )
    return S3Lake(settings.bucket, settings.prefix, s3)


def _lake_settings(reader: _Reader) -> _LakeSettings:
    bucket, prefix = _bucket(reader)
    region = next(
        (
            reader.name(name, value)
            for name in ("AWS_REGION", "AWS_DEFAULT_REGION")
            if (value := reader.text(name))
        ),
        "",
    )
    endpoint = next(
        (
            reader.matching(name, value, _ENDPOINT, "give https://host, without user and query")
            for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
            if (value := reader.text(name))
        ),
        "",
    )
    return _LakeSettings(bucket, prefix, region, endpoint)


def _bucket(reader: _Reader) -> tuple[str, str]:
    """CHARGING_LAKE=s3://bucket/prefix, or CHARGING_S3_BUCKET and CHARGING_S3_PREFIX."""
    if lake := reader.text("CHARGING_LAKE"):
        address = _LAKE.fullmatch(lake)
        if not address:
            reader.problems.append(
                "CHARGING_LAKE is invalid: give s3://bucket or s3://bucket/prefix"
            )
            return "", ""
        name, bucket = "CHARGING_LAKE", address[1]
        prefix_name, prefix = "the prefix in CHARGING_LAKE", address[2]
    else:
        name, prefix_name = "CHARGING_S3_BUCKET", "CHARGING_S3_PREFIX"
        prefix = reader.text(prefix_name)
        bucket = reader.required(
            name, "the bucket of the lake (or CHARGING_LAKE=s3://bucket/prefix)"
        )
    reader.matching(
        name, bucket, _BUCKET, "a bucket has 3 to 63 lower-case letters, digits, dots and hyphens"
    )
    reader.matching(prefix_name, prefix, _PREFIX, "use letters, digits, . _ = - and /")
    return bucket, prefix


def _redshift(reader: _Reader, region: str) -> RedshiftResource:
    from charging_assets.warehouse.redshift.connection import RedshiftResource

    iam, host = reader.flag("CHARGING_REDSHIFT_IAM"), reader.text("CHARGING_REDSHIFT_HOST")
    reader.name("CHARGING_REDSHIFT_HOST", host)
    cluster, workgroup = (
        reader.name(name, reader.text(name))
        for name in ("CHARGING_REDSHIFT_CLUSTER", "CHARGING_REDSHIFT_WORKGROUP")
    )
    user, password = reader.text("CHARGING_REDSHIFT_USER"), ""
    if iam:
        if not (cluster or workgroup):
            reader.problems.append(
                "CHARGING_REDSHIFT_CLUSTER is not set: IAM needs the cluster, or "
                "CHARGING_REDSHIFT_WORKGROUP"
            )
        if cluster and not user:
            reader.required("CHARGING_REDSHIFT_USER", "the database user for IAM")
    else:
        host = reader.required("CHARGING_REDSHIFT_HOST", "the cluster's or workgroup's host")
        user = reader.required("CHARGING_REDSHIFT_USER", "the database user")
        password = reader.required(
            "CHARGING_REDSHIFT_PASSWORD", "its password (or CHARGING_REDSHIFT_IAM=true)"
        )
    return RedshiftResource(
        host=host,
        port=reader.number("CHARGING_REDSHIFT_PORT", 5439),
        database=reader.name(
            "CHARGING_REDSHIFT_DATABASE",
            reader.required("CHARGING_REDSHIFT_DATABASE", "the database"),
        ),
        user=user,
        password=password,
        iam=iam,
        cluster=cluster,
        workgroup=workgroup,
        region=region,
        statement_timeout_s=reader.number("CHARGING_REDSHIFT_STATEMENT_TIMEOUT_S", 900),
    )
