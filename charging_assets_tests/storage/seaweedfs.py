"""SeaweedFS as S3 for tests: started on free ports, ended with the tests.

Belongs here: the process and its identities. Does not belong here: what is stored.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from charging_assets.storage.s3_resource import LakeS3Resource

BUCKET = "lake"
OWNER = ("OWNERKEY", "owner-secret-of-the-tests")
READER = ("READERKEY", "reader-secret-of-the-tests")
_STARTS_WITHIN_S = 60.0
# Its gRPC ports are its HTTP ports + 10000.
_GRPC = 10_000


@dataclass(frozen=True)
class SeaweedFS:
    """A running store."""

    endpoint_url: str

    def client(self, identity: tuple[str, str] = OWNER) -> Any:
        """A plain client, without the retries of the program."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=identity[0],
            aws_secret_access_key=identity[1],
            config=Config(retries={"total_max_attempts": 1}),
        )


def s3_resource(endpoint_url: str, identity: tuple[str, str] = OWNER, **how: Any) -> LakeS3Resource:
    """The program's own resource, against a store."""
    return LakeS3Resource(
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=identity[0],
        aws_secret_access_key=identity[1],
        **how,
    )


@contextmanager
def seaweedfs(folder: Path) -> Iterator[SeaweedFS]:
    """A store with an empty bucket `lake`, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s3.json").write_text(json.dumps({"identities": _identities()}))
    ports = dict(zip(("master", "volume", "filer", "s3", "admin"), _free_ports(5), strict=True))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            [
                _weed(),
                "mini",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-dir={folder}",
                *(f"-{name}.port={port}" for name, port in ports.items()),
                f"-s3.config={folder / 's3.json'}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-webdav=false",
                "-admin.ui=false",
                "-s3.allowDeleteBucketNotEmpty=false",
                "-s3.autoCreateBucket=false",
            ],
            cwd=folder,
            env={**environment, "GOMEMLIMIT": "300MiB"},
            stdout=log,
            stderr=log,
        )
    try:
        store = SeaweedFS(f"http://127.0.0.1:{ports['s3']}")
        _wait(store, process, folder / "weed.log")
        yield store
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _identities() -> list[dict[str, Any]]:
    allowed = {
        OWNER: ["Admin", "Read", "Write", "List", "Tagging"],
        READER: [f"Read:{BUCKET}", f"List:{BUCKET}"],
    }
    return [
        {
            "name": key.lower(),
            "credentials": [{"accessKey": key, "secretKey": secret}],
            "actions": actions,
        }
        for (key, secret), actions in allowed.items()
    ]


def _weed() -> str:
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"


def _free_ports(count: int) -> list[int]:
    """Ports of which that for gRPC is free as well."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port + _GRPC > 65_535 or port in found:
                continue
            try:
                other.bind(("127.0.0.1", port + _GRPC))
            except OSError:
                continue
            found.append(port)
    return found


def _wait(store: SeaweedFS, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until a PUT succeeds: a bucket can be listed before it can be written."""
    deadline, client, problem = time.monotonic() + _STARTS_WITHIN_S, store.client(), ""
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if not client.list_buckets()["Buckets"]:
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
            client.delete_object(Bucket=BUCKET, Key="ready")
        except (BotoCoreError, ClientError) as error:
            problem = str(error)
            time.sleep(0.1)
        else:
            return
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"SeaweedFS did not start: {problem}\n{tail}")
