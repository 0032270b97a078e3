"""What an acceptance needs to know, read from the environment."""

from __future__ import annotations

from collections.abc import Mapping

from charging_assets.aws_environment import engines
from charging_assets.lake.s3 import S3Lake
from charging_assets.settings import DeploymentError, Settings
from charging_assets.warehouse.redshift.connection import RedshiftResource

HELP = """\
make verify-redshift needs a Redshift and a bucket for tests. Set

  CHARGING_REDSHIFT_HOST, CHARGING_REDSHIFT_DATABASE
      the endpoint, and any existing database of it
  CHARGING_REDSHIFT_USER, CHARGING_REDSHIFT_PASSWORD
      an administrator (superuser), who may create databases and users; or
      CHARGING_REDSHIFT_IAM=true with CHARGING_REDSHIFT_WORKGROUP or CHARGING_REDSHIFT_CLUSTER
  CHARGING_REDSHIFT_IAM_ROLE
      the role for COPY and UNLOAD, associated with the namespace or cluster
  CHARGING_LAKE=s3://bucket/prefix, AWS_REGION
      a bucket in the same region, with AWS credentials that may read, write and delete below the
      prefix. The role must be allowed to read PREFIX/*/loads/ and write PREFIX/*/published/unloads/

It creates databases, users and a group named charging_verify_…, and drops them at the end. On
Serverless with 4 RPUs it takes about an hour, which costs less than two US dollars. It writes
build/verify-redshift.json, without passwords, hosts and names of buckets and roles."""


class NotConfigured(Exception):
    """Settings are missing or invalid; the message has all of them."""


def read(environment: Mapping[str, str]) -> tuple[RedshiftResource, S3Lake, str]:
    """The administrator's resource, the lake and the role for COPY.

    Raises:
        NotConfigured: the message says what to set.
    """
    if not any(name.startswith("CHARGING_REDSHIFT_") for name in environment):
        raise NotConfigured(HELP)
    try:
        lake, warehouse = engines(Settings.read({**environment, "CHARGING_DEPLOYMENT": "aws"}))
    except DeploymentError as error:
        raise NotConfigured(f"{error}\n\n{HELP}") from error
    if not warehouse._redshift.host:  # its users sign in with passwords
        raise NotConfigured(f"CHARGING_REDSHIFT_HOST is not set\n\n{HELP}")
    return warehouse._redshift, lake, environment["CHARGING_REDSHIFT_IAM_ROLE"]
