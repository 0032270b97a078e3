"""Deployments: where data lives, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from charging_assets.deployments import DeploymentError, home, resources, storage
from charging_assets.storage.warehouse import WarehouseError

ROOT = Path(__file__).resolve().parents[1]


def test_home__of_a_checkout_is_in_the_project_from_wherever_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home({}) == ROOT / ".charging"
    assert home({"CHARGING_HOME": ""}) == ROOT / ".charging"


def test_home__is_what_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home({"CHARGING_HOME": "here"}) == tmp_path / "here"
    assert home({"CHARGING_HOME": "~/there"}) == Path("~/there").expanduser()


def test_storage__names_the_deployments_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="'mars'; this version has: local, aws"):
        storage({"CHARGING_DEPLOYMENT": "mars", "CHARGING_HOME": str(tmp_path)})


# --- aws --------------------------------------------------------------------------------------

PASSWORD = "sentinel-password-of-the-tests"
AWS = {
    "CHARGING_DEPLOYMENT": "aws",
    "CHARGING_LAKE": "s3://a-bucket/some/prefix",
    "AWS_REGION": "eu-central-1",
    "CHARGING_REDSHIFT_HOST": "localhost",
    "CHARGING_REDSHIFT_DATABASE": "charging",
    "CHARGING_REDSHIFT_USER": "loader",
    "CHARGING_REDSHIFT_PASSWORD": PASSWORD,
    "CHARGING_REDSHIFT_IAM_ROLE": "arn:aws:iam::111122223333:role/copy",
}


def test_aws__is_made_without_a_network_and_says_where_it_is() -> None:
    made = storage(AWS)
    assert made.lake.uri("raw/a") == "s3://a-bucket/some/prefix/raw/a"
    assert made.warehouse.describe() == "Redshift database charging at localhost:5439"
    assert resources(made, {}).keys() == resources(storage({}), {}).keys()


def test_aws__bucket_and_prefix_may_be_two_variables() -> None:
    apart = {"CHARGING_LAKE": "", "CHARGING_S3_BUCKET": "a-bucket", "CHARGING_S3_PREFIX": "p"}
    assert storage({**AWS, **apart}).lake.uri("raw/a") == "s3://a-bucket/p/raw/a"
    assert storage({**AWS, "CHARGING_LAKE": "s3://a-bucket"}).lake.uri("a") == "s3://a-bucket/a"


@pytest.mark.parametrize("more", [{"CHARGING_REDSHIFT_WORKGROUP": "w"},
                                  {"CHARGING_REDSHIFT_CLUSTER": "c"}])  # fmt: skip
def test_aws__iam_needs_neither_host_nor_password(more: dict[str, str]) -> None:
    given = {**AWS, "CHARGING_REDSHIFT_HOST": "", "CHARGING_REDSHIFT_PASSWORD": ""}
    made = storage({**given, "CHARGING_REDSHIFT_IAM": "true", **more})
    assert made.warehouse.describe().endswith(f"at {next(iter(more.values()))}:5439")


def test_aws__all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(DeploymentError) as caught:
        storage({"CHARGING_DEPLOYMENT": "aws"})
    for name in ("S3_BUCKET", "REDSHIFT_HOST", "REDSHIFT_DATABASE", "REDSHIFT_USER",
                 "REDSHIFT_PASSWORD", "REDSHIFT_IAM_ROLE"):  # fmt: skip
        assert f"CHARGING_{name} is not set: " in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CHARGING_LAKE", "a-bucket/prefix", "CHARGING_LAKE is 'a-bucket/prefix': give s3://"),
        ("CHARGING_LAKE", "s3://KEY:s3ntinel@b/p", "CHARGING_LAKE is '…@b': no bucket"),
        ("CHARGING_LAKE", "https://K:s3ntinel@b/p", "CHARGING_LAKE is 'https://…@b/p': give"),
        ("CHARGING_LAKE", "s3://No_Bucket", "no bucket can be called so"),
        ("CHARGING_LAKE", "s3://a-bucket/a b", "prefix is 'a b': use letters"),
        ("CHARGING_REDSHIFT_PORT", "many", "CHARGING_REDSHIFT_PORT is 'many': give a whole num"),
        ("CHARGING_REDSHIFT_STATEMENT_TIMEOUT_S", "0", "STATEMENT_TIMEOUT_S is '0': give a whole"),
        ("CHARGING_REDSHIFT_IAM", "maybe", "CHARGING_REDSHIFT_IAM is 'maybe': give true or false"),
        ("CHARGING_REDSHIFT_IAM", "true", "CHARGING_REDSHIFT_CLUSTER is not set: with IAM"),
        ("CHARGING_REDSHIFT_IAM_ROLE", "admin", "IAM_ROLE: 'admin' is not a role: give arn:aws"),
        ("CHARGING_REDSHIFT_READER_GROUP", "a; DROP", "READER_GROUP: 'a; DROP' is not the name"),
    ],
)
def test_aws__what_is_wrong_is_named_with_what_to_give(name: str, value: str, told: str) -> None:
    with pytest.raises(DeploymentError, match=re.escape(told)) as caught:
        storage({**AWS, name: value})
    assert PASSWORD not in str(caught.value)


def test_aws__no_secret_is_in_what_is_shown() -> None:
    made = storage(AWS)
    shown = [repr(made), repr(made.warehouse), repr(vars(made.warehouse)), repr(vars(made.lake))]
    assert PASSWORD not in "".join(shown)


def test_aws__without_the_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charging_assets.extras.missing_modules", lambda extra: ["dagster_aws"])
    message = r"CHARGING_DEPLOYMENT=aws needs the extra `aws` \(dagster_aws is missing\): "
    with pytest.raises(DeploymentError, match=message):
        storage(AWS)


def test_aws__nobody_there_is_an_error_with_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    from charging_assets.storage import redshift_tries

    monkeypatch.setattr(redshift_tries, "_wait", lambda attempt: None)
    made = storage({**AWS, "CHARGING_REDSHIFT_PORT": "9"})
    with pytest.raises(WarehouseError, match=r"cannot connect to .* check CHARGING_REDSHIFT_HOST"):
        made.warehouse.query("SELECT 1 AS one")
