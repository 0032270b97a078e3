"""Settings of the environment: types, defaults, and errors that appear when a setting is used."""

from __future__ import annotations

import pytest

from charging_assets.settings import (
    AddressError,
    AllowedHostError,
    DeploymentError,
    HomeError,
    Settings,
)

FIELDS = Settings.model_fields


def test_read__without_variables_has_the_defaults() -> None:
    settings = Settings.read({})
    assert {name: getattr(settings, name) for name in FIELDS} == {
        name: field.default for name, field in FIELDS.items()
    }
    assert settings == Settings.read({str(field.alias): "" for field in FIELDS.values()})


def test_read__reads_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGING_RECONCILE_EVERY_S", "3600")
    assert Settings.read().reconcile_every_s == 3600
    assert Settings.read({}).reconcile_every_s == 30
    monkeypatch.setenv("CHARGING_RECONCILE_EVERY_S", "often")
    monkeypatch.setenv("CHARGING_LIVE", "1")
    assert Settings.read().is_live, "an invalid variable costs no other"


@pytest.mark.parametrize(
    ("field", "value", "error", "text"),
    [
        ("reconcile_every_s", "0", DeploymentError, "is not a whole number above 0; give seconds"),
        ("reconcile_every_s", "-1", DeploymentError, "is not a whole number above 0"),
        ("reconcile_every_s", "often", DeploymentError, "is not a whole number above 0"),
        ("reconcile_every_s", "1.5", DeploymentError, "is not a whole number above 0"),
        ("is_live", "perhaps", DeploymentError, "is neither 1 nor 0"),
        ("compact", "2", DeploymentError, "is neither 1 nor 0"),
        ("home_folder", "s3://a/b", HomeError, "is an address; give the path of a folder"),
        ("feeds_file", "https://a/b", DeploymentError, "is an address; give the path of a TOML"),
        ("dagster_folder", "~nobody9/x", DeploymentError, "give a whole path"),
        ("alerts", "ftp://a", AddressError, "contains an invalid address; give https://host/"),
        ("heartbeat_url", "http://a", AddressError, "contains an invalid address; give https"),
        ("allowed_hosts", "a *", AllowedHostError, ": entry 2 is not a host name"),
        ("deployment", "mars", DeploymentError, "names no deployment; this version has: local"),
    ],
)
def test_read__an_invalid_setting_raises_when_it_is_used(
    field: str, value: str, error: type[Exception], text: str
) -> None:
    settings = Settings.read({str(FIELDS[field].alias): value})
    for other in FIELDS.keys() - {field}:
        getattr(settings, other)
    with pytest.raises(error, match=str(FIELDS[field].alias)) as raised:
        getattr(settings, field)
    assert text in str(raised.value)
    assert raised.value.__context__ is None, "pydantic's error would show the value"


def test_problems__lists_all_of_the_fields() -> None:
    settings = Settings.read({"CHARGING_REDSHIFT_PORT": "a", "CHARGING_REDSHIFT_HOST": "a:b@c",
                              "AWS_REGION": "a b", "CHARGING_LIVE": "?"})  # fmt: skip
    assert [line.split()[0] for line in settings.problems("redshift", "region")] == [
        "CHARGING_REDSHIFT_HOST", "CHARGING_REDSHIFT_PORT", "AWS_REGION"
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["1", "true", "0", "false"])
def test_read__switches_are_numbers_or_words(text: str) -> None:
    is_on = text in {"1", "true"}
    for field in ("is_live", "is_refresh_on", "compact", "alerts_on_warnings", "redshift_iam"):
        assert getattr(Settings.read({str(FIELDS[field].alias): text}), field) is is_on


def test_is_compaction_on__for_a_local_archive_by_default() -> None:
    assert Settings.read({}).is_compaction_on
    assert Settings.read({"CHARGING_COMPACT": "", "CHARGING_DEPLOYMENT": "local"}).is_compaction_on
    assert not Settings.read({"CHARGING_DEPLOYMENT": "aws"}).is_compaction_on
    assert Settings.read({"CHARGING_DEPLOYMENT": "aws", "CHARGING_COMPACT": "1"}).is_compaction_on
    assert not Settings.read({"CHARGING_COMPACT": "0"}).is_compaction_on


def test_repr__has_no_secret() -> None:
    secret = "s3ntinel"
    url = f"https://hooks.example.org/{secret}"
    variables = {"CHARGING_ALERTS": url, "CHARGING_HEARTBEAT_URL": url}
    settings = Settings.read({"CHARGING_REDSHIFT_PASSWORD": secret, **variables})
    assert (settings.redshift_password, len(settings.alerts)) == (secret, 1)
    assert secret not in repr(settings)
