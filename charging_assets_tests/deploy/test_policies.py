"""IAM policies: valid, without wildcards, each allowing only its own work."""

from __future__ import annotations

import re

import boto3
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging_assets.aws_environment import s3_lake
from charging_assets.lake.store import LakeError
from charging_assets.settings import Settings
from charging_assets_tests.deploy.files import DEPLOY, read_json
from charging_assets_tests.deploy.policies import Request, check_grammar, is_allowed, texts
from charging_assets_tests.deploy.roles import folders_in_the_code, may_copy, role

BUCKET = "arn:aws:s3:::charging-assets-example"
IDENTITIES = {
    path.stem: read_json(str(path.relative_to(DEPLOY)))
    for path in [*DEPLOY.glob("aws/*.json"), *DEPLOY.glob("ecs/*.json")]
    if path.stem not in {"bucket-policy", "lifecycle", "lifecycle-logs", "task-definition"}
}
BUCKET_POLICY = read_json("aws/bucket-policy.json")
ARCHIVIST = "arn:aws:iam::111122223333:role/charging-assets-archivist"
# AWS does not support resources for these actions.
WITHOUT_RESOURCE = {
    "ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces",
}  # fmt: skip
# Actions without an API operation of the same name.
NOT_OF_THE_API = {"s3:ListBucket", "s3:DeleteObjectVersion", "iam:PassRole"}
CREATING = {"s3:if-none-match": "*", "s3:ObjectCreationOperation": "true"}
OVERWRITING = {"s3:ObjectCreationOperation": "true"}
TLS = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
RAW = f"{BUCKET}/raw/feed=chargecloud/date=2026-01-12/hour=08/20260112T080000Z-abc.ndjson.zst"

FOLDERS = sorted(folders_in_the_code())

each = pytest.mark.parametrize("name", IDENTITIES)
keys = st.text("abcdefghijklmnopqrstuvwxyz0123456789=-/.", min_size=1, max_size=40)


def may(name: str, action: str, resource: str, /, **context: str) -> bool:
    """Whether the identity of a policy may do this over TLS, with the bucket's policy."""
    keys = {"principal": "aws:PrincipalArn", "prefix": "s3:prefix"}
    condition_keys = {keys.get(key, key): value for key, value in context.items()}
    request = Request(action, resource, {**TLS, **condition_keys})
    return is_allowed(request, [IDENTITIES[name]], BUCKET_POLICY)


def put(name: str, resource: str, context: dict[str, str]) -> bool:
    return is_allowed(
        Request("s3:PutObject", resource, {**TLS, **context}), [IDENTITIES[name]], BUCKET_POLICY
    )


def test_policies__exist():
    assert {"poller", "loader", "reader", "archivist", "redshift-copy"} <= IDENTITIES.keys()


@pytest.mark.parametrize("name", [*IDENTITIES, "bucket-policy"])
def test_policies__are_valid(name):
    check_grammar({**IDENTITIES, "bucket-policy": BUCKET_POLICY}[name])


@pytest.mark.parametrize(
    "change", [{"Effect": "allow"}, {"NotAction": "s3:*"}, {"Condition": {"StringLikes": {}}}]
)
def test_grammar__refuses_invalid_policies(change):
    statement = {**IDENTITIES["reader"]["Statement"][0], **change}
    with pytest.raises(jsonschema.ValidationError):
        check_grammar({"Version": "2012-10-17", "Statement": [statement]})


@each
def test_policies__no_action_is_a_wildcard_and_resources_are_named(name):
    for statement in IDENTITIES[name]["Statement"]:
        actions = set(texts(statement["Action"]))
        assert not [action for action in actions if "*" in action]
        if "*" in texts(statement.get("Resource", [])):
            assert actions <= WITHOUT_RESOURCE


@each
def test_policies__every_action_exists(name):
    for statement in IDENTITIES[name]["Statement"]:
        for action in set(texts(statement["Action"])) - NOT_OF_THE_API:
            service, operation = action.split(":")
            client = boto3.client(service, region_name="eu-central-1")
            assert operation in client.meta.service_model.operation_names, action


def test_poller__creates_in_the_archive_and_changes_nothing():
    assert put("poller", RAW, CREATING)
    assert not put("poller", RAW, OVERWRITING)
    assert put("poller", f"{BUCKET}/missed/feed=x/a.json", CREATING)
    assert may("poller", "s3:GetObject", RAW)
    assert may("poller", "s3:ListBucket", BUCKET, prefix="raw/feed=chargecloud/")
    assert not may("poller", "s3:ListBucket", BUCKET)
    for other in ("flat/a", "published/a", "loads/a"):
        assert not put("poller", f"{BUCKET}/{other}", CREATING)


@given(keys)
def test_nobody_but_the_archivist_deletes_from_the_archive(key):
    for name in IDENTITIES:
        for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
            role = f"arn:aws:iam::111122223333:role/charging-assets-{name}"
            can = may(name, action, f"{BUCKET}/raw/{key}", principal=role)
            assert can == (name == "archivist" and action == "s3:DeleteObject")


@given(keys)
def test_nobody_overwrites_the_archive(key):
    for name in IDENTITIES:
        context = {**OVERWRITING, "aws:PrincipalArn": ARCHIVIST}
        assert not put(name, f"{BUCKET}/raw/{key}", context)


def test_bucket_policy__stops_an_administrator_too():
    anything = {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "All", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
    root = {**TLS, "aws:PrincipalArn": "arn:aws:iam::111122223333:role/admin"}

    def can(action: str, resource: str, context: dict[str, str]) -> bool:
        return is_allowed(Request(action, resource, {**root, **context}), [anything], BUCKET_POLICY)

    assert can("s3:PutObject", RAW, CREATING)
    assert not can("s3:PutObject", RAW, OVERWRITING)
    assert not can("s3:DeleteObject", RAW, {})
    assert can("s3:PutObject", f"{BUCKET}/flat/a", OVERWRITING)
    # A part of a multipart upload creates no object; its completion does.
    assert can("s3:PutObject", RAW, {"s3:ObjectCreationOperation": "false"})


@pytest.mark.parametrize(
    "connection",
    [{"aws:SecureTransport": "false"}, {"aws:SecureTransport": "true", "s3:TlsVersion": "1.1"}],
)
def test_bucket_policy__only_over_tls(connection):
    request = Request("s3:GetObject", RAW, connection)
    assert not is_allowed(request, [IDENTITIES["loader"]], BUCKET_POLICY)


def test_loader__replaces_derived_files_and_only_reads_the_archive():
    assert may("loader", "s3:GetObject", RAW)
    assert not put("loader", RAW, CREATING)
    for folder in ("flat", "published", "loads"):
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            assert may("loader", action, f"{BUCKET}/{folder}/a")
    assert may("loader", "redshift-serverless:GetCredentials", _workgroup())


def test_reader__reads_what_is_published_and_nothing_else():
    assert may("reader", "s3:GetObject", f"{BUCKET}/published/mart_city_day/a.parquet")
    assert not may("reader", "s3:GetObject", RAW)
    assert may("reader", "s3:ListBucket", BUCKET, prefix="published/")
    assert not may("reader", "s3:ListBucket", BUCKET, prefix="raw/")
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert not may("reader", action, f"{BUCKET}/published/a")


@pytest.mark.parametrize("folder", FOLDERS)
def test_roles__runs_and_services_read_and_list_every_folder_in_the_code(folder):
    """Writes are tested in test_aws_roles.py; services load nothing."""
    names = ["charging-assets-run"] + ["charging-assets-services"] * (folder != "loads")
    for name in names:
        task_role = role(name)
        assert task_role.request("GetObject", f"{folder}/a=b/c")
        assert task_role.request("ListObjectsV2", f"{folder}/")
        assert task_role.request("ListObjectsV2", f"{folder}/a=b/")


def test_roles__folders_in_the_code_are_read():
    assert {"raw", "gaps", "missed", "flat", "published", "reports", "loads"} == (
        folders_in_the_code()
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_roles__services_change_nothing_in_the_lake(folder):
    services = role("charging-assets-services")
    for operation in ("PutObject", "DeleteObject"):
        assert not services.request(operation, f"{folder}/a=b/c", is_new=True)


@given(keys)
def test_redshift_copy__writes_under_published_only(key):
    assert put("redshift-copy", f"{BUCKET}/published/unloads/{key}", OVERWRITING)
    for folder in {*FOLDERS} - {"published"}:
        assert not put("redshift-copy", f"{BUCKET}/{folder}/{key}", CREATING)
    # Files that readers open are written by the runs.
    assert not put("redshift-copy", f"{BUCKET}/published/mart_city_day/{key}", CREATING)
    assert not may("redshift-copy", "s3:DeleteObject", f"{BUCKET}/published/unloads/{key}")


@pytest.mark.parametrize(
    ("account", "source", "is_trusted"),
    [
        ("111122223333", "arn:aws:redshift:eu-central-1:111122223333:namespace:abc", True),
        ("111122223333", "arn:aws:redshift-serverless:eu-central-1:111122223333:namespace/a", True),
        ("999999999999", "arn:aws:redshift:eu-central-1:999999999999:namespace:abc", False),
        ("111122223333", "arn:aws:redshift:eu-central-1:999999999999:namespace:abc", False),
        ("111122223333", "arn:aws:redshift:us-east-1:111122223333:namespace:abc", False),
    ],
)
def test_redshift_copy_trust__is_for_warehouses_of_the_account(account, source, is_trusted):
    context = {"aws:SourceAccount": account, "aws:SourceArn": source}
    (statement,) = IDENTITIES["redshift-copy-trust"]["Statement"]
    policy = {"Statement": [{**statement, "Resource": "*"}]}
    assert is_allowed(Request("sts:AssumeRole", "role", context), [policy]) == is_trusted


def test_cluster_login__is_for_one_user_and_database():
    arn = "arn:aws:redshift:eu-central-1:111122223333"
    action = "redshift:GetClusterCredentials"
    assert may("cluster-login", action, f"{arn}:dbuser:charging-assets/charging_run")
    assert may("cluster-login", action, f"{arn}:dbname:charging-assets/charging")
    assert may("cluster-login", "redshift:DescribeClusters", f"{arn}:cluster:charging-assets")
    assert not may("cluster-login", action, f"{arn}:dbuser:charging-assets/admin")
    assert not may("cluster-login", action, f"{arn}:dbname:charging-assets/dev")


def test_kms__is_for_s3_only():
    (statement,) = IDENTITIES["kms"]["Statement"]
    for service, is_met in (("s3", True), ("ec2", False)):
        via = {"kms:ViaService": f"{service}.eu-central-1.amazonaws.com"}
        assert may("kms", "kms:Decrypt", statement["Resource"], **via) == is_met


def test_redshift_copy__reads_staged_loads_and_is_for_redshift_only():
    assert may("redshift-copy", "s3:GetObject", f"{BUCKET}/loads/run/part-0.parquet")
    assert not may("redshift-copy", "s3:GetObject", RAW)
    assert not may("redshift-copy", "s3:PutObject", f"{BUCKET}/loads/a")
    (trust,) = IDENTITIES["redshift-copy-trust"]["Statement"]
    assert all(re.fullmatch(r"redshift[a-z-]*\.amazonaws\.com", who) for who in
               trust["Principal"]["Service"])  # fmt: skip
    assert trust["Condition"]["StringEquals"]["aws:SourceAccount"]


def _workgroup() -> str:
    (statement,) = [s for s in IDENTITIES["loader"]["Statement"] if s["Sid"] == "LogInToRedshift"]
    return str(statement["Resource"])


def test_checked_lake__is_refused_unknown_folders_and_changes_of_the_archive(s3, monkeypatch):
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CHARGING_S3_PREFIX", "some/prefix")
    lake = s3_lake(Settings.read())
    lake.put("flat/a.parquet", b"x")
    assert lake.get("flat/a.parquet") == b"x"
    assert lake.put_new("raw/a", b"x")
    for refused in (
        lambda: lake.put("elsewhere/a", b"x"),
        lambda: lake.keys("elsewhere/"),
        lambda: lake.put("raw/a", b"y"),
    ):
        with pytest.raises(LakeError, match="AccessDenied"):
            refused()


@pytest.mark.parametrize(
    ("operation", "key", "is_allowed"),
    [
        ("GetObject", "test/loads/x/a.parquet", True),
        ("PutObject", "test/loads/x/a.parquet", False),
        ("PutObject", "published/unloads/x/part-000.parquet", True),
        ("PutObject", "test/published/mart_city_day/a.parquet", False),
        ("GetObject", "test/raw/a", False),
        ("GetObject", "parts/of/a/test", True),
    ],
)
def test_may_copy__is_what_the_deployed_role_may(operation, key, is_allowed):
    assert may_copy(operation, key) == is_allowed
