"""dagster-aws' S3Resource with the timeouts, retries and addressing that a lake needs."""

from __future__ import annotations

from typing import Any

from dagster_aws.s3 import S3Resource
from pydantic import Field


class LakeS3Resource(S3Resource):
    """S3 or an S3-compatible store, with botocore's retries and finite timeouts.

    With an `endpoint_url`, buckets are addressed by path: the certificate and DNS of other stores
    rarely support `bucket.host`.
    """

    max_attempts: int = Field(default=8, description="Attempts per request, including the first.")
    retry_mode: str = Field(
        default="standard", description="botocore's retry mode: standard, or adaptive."
    )
    connect_timeout_s: float = Field(default=5.0, description="Seconds to connect in.")
    read_timeout_s: float = Field(default=60.0, description="Seconds without a byte.")
    connections: int = Field(default=16, description="Connections that are kept open.")

    def get_client(self) -> Any:
        """An S3 client; it may be shared by threads."""
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config

        settings = Config(
            retries={"total_max_attempts": self.max_attempts, "mode": self.retry_mode},
            connect_timeout=self.connect_timeout_s,
            read_timeout=self.read_timeout_s,
            max_pool_connections=self.connections,
            s3={"addressing_style": "path"} if self.endpoint_url else None,
            signature_version=UNSIGNED if self.use_unsigned_session else None,
        )
        return boto3.session.Session(profile_name=self.profile_name).client(
            "s3",
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            use_ssl=self.use_ssl,
            verify=self.verify,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
            config=settings,
        )
