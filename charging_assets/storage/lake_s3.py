"""A lake in S3, or in a store that speaks it.

Belongs here: the `Lake` interface as requests. Does not belong here: how a client is made
(`s3_resource`), what a refusal means (`s3_errors`).

An object is one PUT with a checksum, so that it is whole or absent: there is no upload in parts
that could be left unfinished. A PUT whose reply was lost may have happened: each create-only PUT
carries a mark of its own, and whoever cannot know looks whose mark the object has.
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

from charging_assets.storage.lake import ObjectMissing, checked_key, checked_prefix, is_key
from charging_assets.storage.s3_errors import code_of, is_missing, told
from charging_assets.text import redact_url

if TYPE_CHECKING:
    from charging_assets.storage.s3_resource import LakeS3Resource

_WRITER = "writer"
_READERS = 8
_TRIES, _WAIT_S = 4, 0.2
_EXISTS, _RACING = "PreconditionFailed", "ConditionalRequestConflict"


class S3Lake:
    """A lake below a prefix of a bucket. Readers need `s3:GetObject` and `s3:ListBucket` alone."""

    def __init__(self, bucket: str, prefix: str, s3: LakeS3Resource) -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._s3 = s3
        self._endpoint = redact_url(s3.endpoint_url) if s3.endpoint_url else "S3"
        self._made: Any = None
        self._mutex = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to connect by itself."""
        # Dagster's resources cannot be pickled.
        return {"bucket": self.bucket, "prefix": self.prefix, "s3": self._s3.model_dump()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from charging_assets.storage.s3_resource import LakeS3Resource

        self.__init__(state["bucket"], state["prefix"], LakeS3Resource(**state["s3"]))  # type: ignore[misc]

    def put_new(self, key: str, body: bytes) -> bool:
        from botocore.exceptions import ClientError, HTTPClientError

        name, mark = self._name(key), uuid.uuid4().hex
        with self._told(f"cannot write {self.uri(key)}"):
            try:
                self._put_new(name, body, mark)
            except (ClientError, HTTPClientError) as error:
                if not _may_have_happened(error):
                    raise
                # An earlier try of this very PUT may have been the one that won.
                held = self._writer(name)
                if held is None:
                    raise
                return held == mark
        return True

    def _put_new(self, name: str, body: bytes, mark: str) -> None:
        from botocore.exceptions import ClientError

        for attempt in range(1, _TRIES):
            try:
                return self._put(name, body, IfNoneMatch="*", Metadata={_WRITER: mark})
            except ClientError as error:
                if code_of(error) != _RACING:
                    raise
                time.sleep(_WAIT_S * attempt)
        return self._put(name, body, IfNoneMatch="*", Metadata={_WRITER: mark})

    def put(self, key: str, body: bytes) -> None:
        name = self._name(key)
        with self._told(f"cannot write {self.uri(key)}"):
            self._put(name, body)

    def get(self, key: str) -> bytes:
        from botocore.exceptions import ClientError

        name = self._name(key)
        with self._told(f"cannot read {self.uri(key)}"):
            try:
                return self._body(name)
            except ClientError as error:
                if not is_missing(error):
                    raise
        raise ObjectMissing(f"the lake at {self._root()} has no object {key}")

    def get_many(self, keys: Iterable[str]) -> list[bytes]:
        wanted = list(keys)
        if len(wanted) < 2:
            return [self.get(key) for key in wanted]
        _ = self._client
        with ThreadPoolExecutor(min(_READERS, len(wanted)), thread_name_prefix="s3-get") as pool:
            return list(pool.map(self.get, wanted))

    def keys(self, prefix: str) -> list[str]:
        folder = self.prefix + checked_prefix(prefix)
        with self._told(f"cannot list {self._root()}{prefix}"):
            found = [
                str(each["Key"]).removeprefix(self.prefix)
                for page in self._pages(Prefix=folder)
                for each in page.get("Contents", ())
            ]
        # Consoles mark folders by objects whose name ends in a slash; those are none of ours.
        return sorted(key for key in found if is_key(key))

    def folders(self, prefix: str) -> list[str]:
        folder = self.prefix + checked_prefix(prefix)
        with self._told(f"cannot list {self._root()}{prefix}"):
            return sorted(
                str(each["Prefix"]).removeprefix(folder).rstrip("/")
                for page in self._pages(Prefix=folder, Delimiter="/")
                for each in page.get("CommonPrefixes", ())
            )

    def delete(self, key: str) -> None:
        name = self._name(key)
        with self._told(f"cannot delete {self.uri(key)}"):
            self._client.delete_object(Bucket=self.bucket, Key=name)

    def uri(self, key: str) -> str:
        return self._root() + checked_key(key)

    @property
    def _client(self) -> Any:
        """The client, made when it is first needed: a code location must load without a network."""
        with self._mutex:
            if self._made is None:
                self._made = self._s3.get_client()
            return self._made

    def _root(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def _name(self, key: str) -> str:
        return self.prefix + checked_key(key)

    def _told(self, doing: str) -> Any:
        return told(doing, self.bucket, self._endpoint)

    def _put(self, name: str, body: bytes, **how: Any) -> None:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        self._client.put_object(
            Bucket=self.bucket, Key=name, Body=body, ChecksumSHA256=digest, **how
        )

    def _body(self, name: str) -> bytes:
        """The object, whole: botocore retries a request, but not a body that ends half-way."""
        from botocore.exceptions import FlexibleChecksumError, HTTPClientError, IncompleteReadError

        for attempt in range(1, _TRIES):
            try:
                return self._read(name)
            except (FlexibleChecksumError, HTTPClientError, IncompleteReadError, OSError):
                time.sleep(_WAIT_S * attempt)
        return self._read(name)

    def _read(self, name: str) -> bytes:
        body: bytes = self._client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
        return body

    def _writer(self, name: str) -> str | None:
        """Whose mark the object bears; None where there is no object, or none that can be seen."""
        from botocore.exceptions import ClientError

        try:
            found: Mapping[str, Any] = self._client.head_object(Bucket=self.bucket, Key=name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return str(found.get("Metadata", {}).get(_WRITER, ""))

    def _pages(self, **asked: Any) -> Iterator[Mapping[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2")
        yield from pages.paginate(Bucket=self.bucket, **asked)


def _may_have_happened(error: Exception) -> bool:
    """Whether a create-only PUT that ended so may all the same have made the object."""
    response = getattr(error, "response", None)
    if response is None:  # no answer at all
        return True
    return code_of(error) == _EXISTS or response["ResponseMetadata"]["HTTPStatusCode"] >= 500
