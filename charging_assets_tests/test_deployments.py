"""Deployments: where data is stored, and which settings are refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charging_assets import analyst
from charging_assets.deployments import lake, storage, warehouse
from charging_assets.orchestration.dagster_home import dagster_home
from charging_assets.resources import for_storage
from charging_assets.settings import DeploymentError, HomeError, Settings, home
from charging_assets.sources.feeds import load_feeds
from charging_assets.warehouse.interface import WarehouseError
from charging_assets.warehouse.redshift.connection import RedshiftResource

ROOT = Path(__file__).resolve().parents[1]


def test_home__of_a_checkout_is_in_the_project_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home({}) == ROOT / ".charging"
    assert home({"CHARGING_HOME": ""}) == ROOT / ".charging"


def test_home__follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert home({"CHARGING_HOME": "here"}) == tmp_path / "here"
    assert home({"CHARGING_HOME": "~/there"}) == Path("~/there").expanduser()


def test_storage__unknown_deployment_lists_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(
        DeploymentError,
        match="CHARGING_DEPLOYMENT names no deployment; this version has: local, aws",
    ):
        storage({"CHARGING_DEPLOYMENT": "mars", "CHARGING_HOME": str(tmp_path)})


def test_warehouse__is_one_object_per_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        objects = {id(each.result()) for each in [pool.submit(warehouse) for _ in range(32)]}
    assert len(objects) == 1
    monkeypatch.chdir(tmp_path)
    for same in ({"CHARGING_HOME": "."}, {"CHARGING_HOME": str(tmp_path), "CHARGING_FEEDS": "x"}):
        assert warehouse(same) is warehouse()
    assert analyst.connect()._warehouse is warehouse()
    assert lake() is lake({"CHARGING_HOME": str(tmp_path)})
    assert warehouse({"CHARGING_HOME": "other"}) is not warehouse()


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


def test_aws__is_created_without_a_network_and_describes_itself() -> None:
    made = storage(AWS)
    assert made.lake.uri("raw/a") == "s3://a-bucket/some/prefix/raw/a"
    assert made.warehouse.describe() == "Redshift database charging at localhost:5439"
    assert for_storage(made, {}).keys() == for_storage(storage({}), {}).keys()


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


def test_aws__all_missing_variables_are_named_together() -> None:
    with pytest.raises(DeploymentError) as caught:
        storage({"CHARGING_DEPLOYMENT": "aws"})
    for name in ("S3_BUCKET", "REDSHIFT_HOST", "REDSHIFT_DATABASE", "REDSHIFT_USER",
                 "REDSHIFT_PASSWORD", "REDSHIFT_IAM_ROLE"):  # fmt: skip
        assert f"CHARGING_{name} is not set: " in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CHARGING_LAKE", "a-bucket/prefix", "CHARGING_LAKE is invalid: give s3://"),
        ("CHARGING_LAKE", "s3://No_Bucket", "CHARGING_LAKE is invalid: a bucket has"),
        ("CHARGING_LAKE", "s3://a-bucket/a b", "prefix in CHARGING_LAKE is invalid: use"),
        ("CHARGING_REDSHIFT_PORT", "many", "CHARGING_REDSHIFT_PORT is not a whole number above 0"),
        ("CHARGING_REDSHIFT_PORT", "9" * 5000, "CHARGING_REDSHIFT_PORT is not a whole number"),
        ("CHARGING_REDSHIFT_STATEMENT_TIMEOUT_S", "0", "STATEMENT_TIMEOUT_S is not a whole number"),
        ("CHARGING_REDSHIFT_IAM", "maybe", "CHARGING_REDSHIFT_IAM is neither true nor false"),
        ("CHARGING_REDSHIFT_IAM", "true", "CHARGING_REDSHIFT_CLUSTER is not set: IAM needs"),
        ("CHARGING_REDSHIFT_IAM_ROLE", "admin", "IAM_ROLE: not an IAM role: give arn:aws"),
        ("CHARGING_REDSHIFT_READER_GROUP", "a; DROP", "READER_GROUP: this is not the name"),
    ],
)
def test_aws__invalid_value_is_named_with_its_form(name: str, value: str, message: str) -> None:
    with pytest.raises(DeploymentError, match=re.escape(message)) as caught:
        storage({**AWS, name: value})
    assert PASSWORD not in str(caught.value)


SECRETS = [
    f"https://ops:{PASSWORD}@host.example.org/{PASSWORD}?key={PASSWORD}",
    f"postgresql://loader:{PASSWORD}@host:5439/db",
    f"s3://KEY:{PASSWORD}@bucket/prefix",
    f"x;password={PASSWORD}",
    f"host={PASSWORD} {PASSWORD}",
]
# Messages name a file or folder by its path; a URL is none.
PATHS = {"CHARGING_HOME", "CHARGING_FEEDS", "DAGSTER_HOME"}
VARIABLES = sorted(
    {
        name
        for path in (ROOT / "charging_assets").rglob("*.py")
        for name in re.findall(
            r'"(CHARGING_[A-Z0-9_]+|DAGSTER_HOME|AWS_[A-Z0-9_]+)"', path.read_text("utf-8")
        )
    }
)
READERS: list[Callable[[Mapping[str, str]], object]] = [
    lambda environment: storage(environment).warehouse.describe(),
    lambda environment: storage({**environment, "CHARGING_REDSHIFT_IAM": "1"}).lake.uri("raw"),
    dagster_home,
    *(
        lambda environment, field=field: getattr(Settings.read(environment), field) and None
        for field in Settings.model_fields
    ),
    lambda _: load_feeds(),
]


@pytest.mark.parametrize("deployment", ["aws", "local"])
@pytest.mark.parametrize("name", VARIABLES)
def test_environment__no_message_contains_a_value(
    name: str, deployment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = []
    for value in (each for each in SECRETS if name not in PATHS or "://" in each):
        environment = {
            **{key: given for key, given in AWS.items() if given != PASSWORD},
            "CHARGING_REDSHIFT_PASSWORD": "another",
            "CHARGING_DEPLOYMENT": deployment,
            name: value,
        }
        if name == "CHARGING_S3_BUCKET" or name == "CHARGING_S3_PREFIX":
            del environment["CHARGING_LAKE"]
        for key, given in environment.items():
            monkeypatch.setenv(key, given)
        for read in READERS:
            try:
                messages.append(str(read(environment)))
            except (ValueError, HomeError) as error:
                messages.append(str(error))
    assert [message for message in messages if PASSWORD in message] == []


def test_environment__finds_the_variables_of_the_code() -> None:
    assert len(VARIABLES) > 20
    assert {"CHARGING_REDSHIFT_PORT", "CHARGING_FEEDS", "AWS_ENDPOINT_URL_S3"} <= set(VARIABLES)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        *((name, storage) for name in VARIABLES if "REDSHIFT" in name or "LAKE" in name
          if name not in {"CHARGING_REDSHIFT_USER", "CHARGING_REDSHIFT_PASSWORD"}),
        ("AWS_REGION", storage), ("AWS_ENDPOINT_URL_S3", storage), ("CHARGING_HOME", home),
        ("CHARGING_DEPLOYMENT", storage), ("DAGSTER_HOME", dagster_home),
        ("CHARGING_RECONCILE_EVERY_S", lambda each: Settings.read(each).reconcile_every_s),
        ("CHARGING_ALERTS", lambda each: Settings.read(each).alerts),
    ],
)  # fmt: skip
def test_environment__connection_string_in_another_variable_is_refused_by_name(
    name: str, read: Callable[[Mapping[str, str]], object]
) -> None:
    with pytest.raises((ValueError, HomeError), match=name):
        read({**AWS, name: SECRETS[1]})


def test_redshift__connection_string_in_a_name_is_not_described() -> None:
    resource = RedshiftResource(host=SECRETS[1], database=SECRETS[3], user="x")
    assert resource.describe() == "Redshift database … at …:5439"


def test_aws__no_secret_is_in_a_repr() -> None:
    made = storage(AWS)
    texts = [repr(made), repr(made.warehouse), repr(vars(made.warehouse)), repr(vars(made.lake))]
    assert PASSWORD not in "".join(texts)


@pytest.mark.parametrize("module", ["dagster_aws", "redshift_connector"])
def test_aws__missing_packages_are_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DeploymentError, match=rf"extra `aws` \({module} is missing\): .+ install"):
        storage(AWS)


def test_aws__unreachable_host_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    from charging_assets.warehouse.redshift import retries

    monkeypatch.setattr(retries, "_wait", lambda attempt: None)
    made = storage({**AWS, "CHARGING_REDSHIFT_PORT": "9"})
    with pytest.raises(WarehouseError, match=r"cannot connect to .* check CHARGING_REDSHIFT_HOST"):
        made.warehouse.query("SELECT 1 AS one")
