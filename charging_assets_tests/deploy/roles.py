"""The IAM roles in docs/deployment.md, with S3 requests checked against their policies."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from charging_assets.lake.s3 import S3Lake
from charging_assets.lake.s3_resource import LakeS3Resource
from charging_assets.warehouse.sql_files import sql_folder
from charging_assets_tests.deploy.files import DEPLOY, ROOT, read_json
from charging_assets_tests.deploy.policies import Request, is_allowed

ACCOUNT = "111122223333"
BUCKET_NAME = "charging-assets-example"
BUCKET = f"arn:aws:s3:::{BUCKET_NAME}"
# For some deployments only; docs/deployment.md says which roles need them.
OPTIONAL_POLICIES = {"aws/cluster-login.json", "aws/kms.json"}
_TLS = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}


def policies_of_roles() -> dict[str, list[str]]:
    """The roles in docs/deployment.md with the files of their policies in `deploy/`."""
    page = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    section = re.split(r"^#+ ", page.split("### Roles\n")[1], flags=re.MULTILINE)[0]
    by_role = {}
    for row in section.splitlines():
        if row.startswith("| `charging-assets-"):
            role, policies, *_ = row.strip("|").split("|")
            by_role[role.strip(" `")] = re.findall(r"`([a-z/-]+\.json)`", policies)
    return by_role


def arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{role}"


@dataclass
class Role:
    """A role with its policies; `refused` are the requests that these do not allow.

    `prefix` is that of the lake in its bucket.
    """

    name: str
    policies: list[Any]
    prefix: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def may(self, action: str, resource: str, **context: str) -> bool:
        """Whether the role's policies and the bucket's allow a request."""
        keys = {**_TLS, "aws:PrincipalArn": arn(self.name), **context}
        request = Request(action, resource, keys)
        return is_allowed(request, self.policies, read_json("aws/bucket-policy.json"))

    def request(self, operation: str, key: str, is_new: bool = False) -> bool:
        """Record a request to S3 and return whether it is allowed; lists have the prefix as key.

        The policies are for a bucket without a prefix: the lake's is removed from the key.
        """
        key = key.removeprefix(self.prefix)
        if operation.startswith("ListObjects"):
            may_proceed = self.may("s3:ListBucket", BUCKET, **{"s3:prefix": key})
        elif operation == "PutObject":
            created = {"s3:ObjectCreationOperation": "true"}
            created |= {"s3:if-none-match": "*"} if is_new else {}
            may_proceed = self.may("s3:PutObject", f"{BUCKET}/{key}", **created)
        else:
            action = {"HeadObject": "GetObject"}.get(operation, operation)
            may_proceed = self.may(f"s3:{action}", f"{BUCKET}/{key}")
        self.requests.append((operation, key))
        if not may_proceed:
            self.refused.append((operation, key))
        return may_proceed

    def watch(self, client: Any) -> Any:
        """Make a client refuse the requests that AWS would refuse to the role."""
        from botocore.exceptions import ClientError

        def before(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
            key = str(params.get("Key") or params.get("Prefix") or "")
            context["key"] = key
            if not self.request(model.name, key, params.get("IfNoneMatch") == "*"):
                answer = {
                    "Error": {"Code": "AccessDenied", "Message": f"{self.name}: {key}"},
                    "ResponseMetadata": {"HTTPStatusCode": 403},
                }
                raise ClientError(answer, model.name)  # type: ignore[arg-type]

        def after(parsed: dict[str, Any], context: dict[str, Any], model: Any, **_: Any) -> None:
            # AWS reports a missing key only to callers that may list it.
            missing = parsed.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404
            key = context.get("key", "").removeprefix(self.prefix)
            if missing and not self.may("s3:ListBucket", BUCKET, **{"s3:prefix": key}):
                self.refused.append((f"{model.name} of a missing key", key))
                parsed["Error"] = {"Code": "AccessDenied", "Message": f"{self.name}: {key}"}

        client.meta.events.register("before-parameter-build.s3", before)
        client.meta.events.register("after-call.s3", after)
        return client


def role(name: str) -> Role:
    """A role with its policies in docs/deployment.md."""
    return Role(name, [read_json(file) for file in policies_of_roles()[name]])


@contextmanager
def restricted_to(acting: Role) -> Iterator[None]:
    """Lakes that are created within the block send requests as the role."""
    make = LakeS3Resource.get_client
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LakeS3Resource, "get_client", lambda self: acting.watch(make(self)))
        yield


def policy_files() -> set[str]:
    """The files of identity policies in `deploy/`."""
    others = {"bucket-policy.json", "lifecycle.json", "lifecycle-logs.json",
              "task-definition.json", "redshift-copy-trust.json"}  # fmt: skip
    paths = [*DEPLOY.glob("aws/*.json"), *DEPLOY.glob("ecs/*.json")]
    return {str(path.relative_to(DEPLOY)) for path in paths if path.name not in others}


def folders_in_the_code() -> set[str]:
    """The folders of the lake: the first parts of keys in string constants of the package."""
    # Not of the lake: folders of SQL files (but `reports`) and of the project, names of Dagster,
    # media types.
    others = {path.name for path in sql_folder().iterdir()} - {"reports"}
    others |= {"application", "dagster", "deploy", "history", "schedules"}
    folders = set()
    for path in (ROOT / "charging_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            value = getattr(node, "value", None)
            if isinstance(node, ast.Constant) and isinstance(value, str):
                match = re.match(r"([a-z]+)/($|[a-z_]+[=/])", value)
                folders |= {match[1]} if match else set()
    return folders - others


class CheckedLake(S3Lake):
    """A lake of the program whose requests are refused if no deployed role may send them.

    Tests act as all roles at once: as the archivist, with the policies of the runs too.
    """

    _acting: Role | None = None

    @property
    def _client(self) -> Any:
        if self._acting is None:
            names = ("charging-assets-archivist", "charging-assets-run")
            self._acting = Role(names[0], [p for name in names for p in role(name).policies])
            self._acting.prefix = self.prefix
            self._acting.watch(super()._client)
        return super()._client


_FOLDER = re.compile(r"(?:^|/)((?:raw|missed|gaps|flat|published|reports|loads)/.*)")


@cache
def _copier() -> Role:
    return Role("charging-assets-redshift-copy", [read_json("aws/redshift-copy.json")])


def may_copy(operation: str, key: str) -> bool:
    """Whether the deployed role for COPY may send a request; other keys than a lake's are free."""
    match = _FOLDER.search(key)
    return match is None or _copier().request(operation, match[1])
