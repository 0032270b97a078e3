"""A lake in S3, or in an S3-compatible store.

Each object is written by one PUT with a checksum, so it is complete or absent: no multipart upload
can be left unfinished. A PUT may have succeeded although its response was lost. So each create-only
PUT has its own write id, and a writer in doubt reads the write id of the object.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from charging_assets.lake.s3_errors import code_of, is_missing, translate_errors
from charging_assets.lake.store import ObjectMissing, is_key, validate_key, validate_prefix
from charging_assets.text import redact_url

if TYPE_CHECKING:
    from charging_assets.lake.s3_resource import LakeS3Resource

_WRITER = "writer"
_READERS = 8
_MAX_ATTEMPTS, _WAIT_S = 4, 0.2
_EXISTS, _RACING = "PreconditionFailed", "ConditionalRequestConflict"


class S3Lake:
    """A lake below a prefix of a bucket. Readers need `s3:GetObject` and `s3:ListBucket` alone."""

    def __init__(self, bucket: str, prefix: str, s3: LakeS3Resource) -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._s3 = s3
        self._endpoint = redact_url(s3.endpoint_url) if s3.endpoint_url else "S3"
        self._cached_client: Any = None
        self._mutex = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to connect by itself."""
        # Dagster's resources cannot be pickled.
        return {"bucket": self.bucket, "prefix": self.prefix, "s3": self._s3.model_dump()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from charging_assets.lake.s3_resource import LakeS3Resource

        self.__init__(state["bucket"], state["prefix"], LakeS3Resource(**state["s3"]))  # type: ignore[misc]

    def put_new(self, key: str, body: bytes) -> bool:
        from botocore.exceptions import ClientError, HTTPClientError

        name, write_id = self._name(key), uuid.uuid4().hex
        with self._translate_errors(f"cannot write {self.uri(key)}"):
            try:
                self._put_new(name, body, write_id)
            except (ClientError, HTTPClientError) as error:
                if not _may_have_succeeded(error):
                    raise
                # An earlier attempt of this PUT may have created the object.
                existing_id = self._read_write_id(name)
                if existing_id is None:
                    raise
                return existing_id == write_id
        return True

    def _put_new(self, name: str, body: bytes, write_id: str) -> None:
        from botocore.exceptions import ClientError

        for attempt in range(1, _MAX_ATTEMPTS):
            try:
                return self._put(name, body, IfNoneMatch="*", Metadata={_WRITER: write_id})
            except ClientError as error:
                if code_of(error) != _RACING:
                    raise
                time.sleep(_WAIT_S * attempt)
        return self._put(name, body, IfNoneMatch="*", Metadata={_WRITER: write_id})

    def put(self, key: str, body: bytes) -> None:
        name = self._name(key)
        with self._translate_errors(f"cannot write {self.uri(key)}"):
            self._put(name, body)

    def get(self, key: str) -> bytes:
        from botocore.exceptions import ClientError

        name = self._name(key)
        with self._translate_errors(f"cannot read {self.uri(key)}"):
            try:
                return self._body(name)
            except ClientError as error:
                if not is_missing(error):
                    raise
        raise ObjectMissing(f"the lake at {self._root()} has no object {key}")

    def get_many(self, keys: Iterable[str]) -> list[bytes]:
        key_list = list(keys)
        if len(key_list) < 2:
            return [self.get(key) for key in key_list]
        _ = self._client
        with ThreadPoolExecutor(min(_READERS, len(key_list)), thread_name_prefix="s3-get") as pool:
            return list(pool.map(self.get, key_list))

    def keys(self, prefix: str) -> list[str]:
        folder = self.prefix + validate_prefix(prefix)
        with self._translate_errors(f"cannot list {self._root()}{prefix}"):
            keys = [
                str(each["Key"]).removeprefix(self.prefix)
                for page in self._pages(Prefix=folder)
                for each in page.get("Contents", ())
            ]
        # Consoles mark folders with objects whose name ends in a slash: ignore them.
        return sorted(key for key in keys if is_key(key))

    def folders(self, prefix: str) -> list[str]:
        folder = self.prefix + validate_prefix(prefix)
        with self._translate_errors(f"cannot list {self._root()}{prefix}"):
            return sorted(
                str(each["Prefix"]).removeprefix(folder).rstrip("/")
                for page in self._pages(Prefix=folder, Delimiter="/")
                for each in page.get("CommonPrefixes", ())
            )

    def delete(self, key: str) -> None:
        name = self._name(key)
        with self._translate_errors(f"cannot delete {self.uri(key)}"):
            self._client.delete_object(Bucket=self.bucket, Key=name)

    def uri(self, key: str) -> str:
        return self._root() + validate_key(key)

    @property
    def _client(self) -> Any:
        """The client, created on first use: a code location must load without a network."""
        with self._mutex:
            if self._cached_client is None:
                self._cached_client = self._s3.get_client()
            return self._cached_client

    def _root(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def _name(self, key: str) -> str:
        return self.prefix + validate_key(key)

    def _translate_errors(self, doing: str) -> Any:
        return translate_errors(doing, self.bucket, self._endpoint)

    def _put(self, name: str, body: bytes, **options: Any) -> None:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        self._client.put_object(
            Bucket=self.bucket, Key=name, Body=body, ChecksumSHA256=digest, **options
        )

    def _body(self, name: str) -> bytes:
        """Read a complete object: botocore retries requests, but not truncated bodies."""
        from botocore.exceptions import FlexibleChecksumError, HTTPClientError, IncompleteReadError

        for attempt in range(1, _MAX_ATTEMPTS):
            try:
                return self._read(name)
            except (FlexibleChecksumError, HTTPClientError, IncompleteReadError, OSError):
                time.sleep(_WAIT_S * attempt)
        return self._read(name)

    def _read(self, name: str) -> bytes:
        body: bytes = self._client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
        return body

    def _read_write_id(self, name: str) -> str | None:
        """The write id of the object; None if there is no (visible) object."""
        from botocore.exceptions import ClientError

        try:
            response: Mapping[str, Any] = self._client.head_object(Bucket=self.bucket, Key=name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return str(response.get("Metadata", {}).get(_WRITER, ""))

    def _pages(self, **options: Any) -> Iterator[Mapping[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2")
        yield from pages.paginate(Bucket=self.bucket, **options)


def _may_have_succeeded(error: Exception) -> bool:
    """Whether a create-only PUT may have created the object in spite of this error."""
    response = getattr(error, "response", None)
    if response is None:  # no answer at all
        return True
    return code_of(error) == _EXISTS or response["ResponseMetadata"]["HTTPStatusCode"] >= 500
