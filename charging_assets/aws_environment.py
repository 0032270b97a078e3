"""The `aws` deployment: a lake in S3, a warehouse in Redshift.

Connections are made at the first use of an engine. boto3 finds AWS credentials itself, in its
variables, profiles and roles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from charging_assets.extras import MissingExtra, require_extra
from charging_assets.settings import DeploymentError, Settings

if TYPE_CHECKING:
    from charging_assets.lake.s3 import S3Lake
    from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse


def s3_lake(settings: Settings) -> S3Lake:
    """The lake; DeploymentError names every variable of it that is missing or wrong."""
    _require_packages()
    _refuse(_lake_problems(settings))
    return _s3_lake(settings)


def engines(settings: Settings) -> tuple[S3Lake, RedshiftWarehouse]:
    """The lake and the warehouse; DeploymentError names every variable that is missing or wrong."""
    _require_packages()
    from charging_assets.warehouse.redshift.connection import RedshiftResource
    from charging_assets.warehouse.redshift.copy import validate_role
    from charging_assets.warehouse.redshift.grants import reader_grants
    from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse

    problems = [*_lake_problems(settings), *settings.problems("redshift")]
    for field, check in (
        ("redshift_iam_role", validate_role),
        ("redshift_reader_group", reader_grants),
    ):
        if not settings.problems(field):
            try:
                check(getattr(settings, field))
            except ValueError as error:
                problems.append(f"{Settings.model_fields[field].alias}: {error}")
    _refuse(problems)
    redshift = RedshiftResource(
        host=settings.redshift_host,
        port=settings.redshift_port,
        database=settings.redshift_database,
        user=settings.redshift_user,
        password="" if settings.redshift_iam else settings.redshift_password,
        iam=settings.redshift_iam,
        cluster=settings.redshift_cluster,
        workgroup=settings.redshift_workgroup,
        region=settings.region or settings.default_region,
        statement_timeout_s=settings.redshift_statement_timeout_s,
    )
    lake, group = _s3_lake(settings), settings.redshift_reader_group
    return lake, RedshiftWarehouse(redshift, lake, settings.redshift_iam_role, reader_group=group)


def _lake_problems(settings: Settings) -> list[str]:
    is_one_variable = settings.problems("lake") or settings.lake
    bucket = "lake" if is_one_variable else "s3"
    return settings.problems(bucket, "region", "default_region", "endpoint_url")


def _refuse(problems: list[str]) -> None:
    if problems:
        raise DeploymentError(
            "CHARGING_DEPLOYMENT=aws has missing or invalid settings:\n  " + "\n  ".join(problems)
        )


def _require_packages() -> None:
    try:
        require_extra("aws", "CHARGING_DEPLOYMENT=aws")
    except MissingExtra as error:
        raise DeploymentError(str(error)) from None


def _s3_lake(settings: Settings) -> S3Lake:
    from charging_assets.lake.s3 import S3Lake
    from charging_assets.lake.s3_resource import LakeS3Resource

    bucket, prefix = settings.lake or (settings.s3_bucket, settings.s3_prefix)
    s3 = LakeS3Resource(
        region_name=settings.region or settings.default_region or None,
        endpoint_url=settings.endpoint_url_s3 or settings.endpoint_url or None,
    )
    return S3Lake(bucket, prefix, s3)
