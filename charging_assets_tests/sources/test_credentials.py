"""Settings of credentials and hosts, and the values read from the environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging_assets.sources.credentials import (
    NO_SECRETS,
    Credentials,
    CredentialsError,
    MissingCredential,
    missing_variables,
    parse_credentials,
    parse_hosts,
    read_secrets,
)
from charging_assets.sources.feeds import FeedError, load_feeds

TOKEN = "s3cret-T0ken-1234"
FEED = """
[feeds.lt]
kind = "chargecloud"
base_url = "https://api.example.org"
places = ["all"]
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "feeds.toml"
    file.write_text(FEED + text, encoding="utf-8")
    return file


def test_feed__names_the_variable_of_its_token(tmp_path: Path) -> None:
    text = """
allow_hosts = ["files.example.org"]
[feeds.lt.credentials]
token_env = "LT_TOKEN"
header = "Authorization"
scheme = "Token"
send_to = ["files.example.org"]
"""
    feed = load_feeds(write(tmp_path, text))["lt"]
    assert feed.allow_hosts == ("files.example.org",)
    assert feed.credentials == Credentials(
        token_env="LT_TOKEN", scheme="Token", send_to=("files.example.org",)
    )
    assert missing_variables(feed.credentials, {}) == ["LT_TOKEN"]
    assert missing_variables(feed.credentials, {"LT_TOKEN": TOKEN}) == []
    secrets = read_secrets(feed.credentials, {"LT_TOKEN": f" {TOKEN}\n"})
    assert secrets.headers == {"Authorization": f"Token {TOKEN}"}
    assert TOKEN not in repr(secrets) and TOKEN not in repr(feed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'credentials = "{TOKEN}"', "credentials: write a table"),
        (f'credentials = {{token = "{TOKEN}"}}', "credentials: 1 unknown; known: client_cert"),
        ("credentials = {}", "give token_env or client_certificate_env"),
        (f'credentials = {{token_env = "{TOKEN}"}}', "the name of an environment variable"),
        ('credentials = {token_env = "T", header = "a b"}', "credentials.header: give the name"),
        ('credentials = {token_env = "T", header = "Host"}', "credentials.header: give the name"),
        ('credentials = {token_env = "T", scheme = "a b"}', "credentials.scheme: give one word"),
        ('credentials = {token_env = "T", scheme = 1}', "credentials.scheme: give one word"),
        ('credentials = {client_key_env = "K", token_env = "T"}', "give client_certificate_env"),
        ('credentials = {token_env = "T", send_to = ["a.example"]}', "list its hosts in allow_h"),
        ('allow_hosts = "a.example"', "allow_hosts: give a list of hosts"),
        ('allow_hosts = ["https://a.example"]', "number 1 of the list: give a host"),
        ('allow_hosts = ["a.example", "b.example:0"]', "number 2 of the list: give a host"),
        ('allow_hosts = ["user@a.example"]', "number 1 of the list: give a host"),
        ('allow_hosts = ["10.0.0.1"]', "number 1 of the list is a private address"),
        ('allow_hosts = ["169.254.169.254:80"]', "number 1 of the list is a private address"),
    ],
)
def test_feed__a_wrong_setting_is_named_without_its_value(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(FeedError) as error:
        load_feeds(write(tmp_path, text))
    assert message in str(error.value) and "'lt'" in str(error.value)
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "environment", "message"),
    [
        ({"token_env": "A"}, {}, "A is not set"),
        ({"token_env": "A"}, {"A": "  "}, "A is not set"),
        ({"token_env": "A"}, {"A": f"{TOKEN}\r\nX: y"}, "A is not a header value"),
        ({"token_env": "A"}, {"A": f"{TOKEN}ö"}, "A is not a header value"),
        (
            {"client_certificate_env": "C", "client_key_env": "K"},
            {},
            "C and K are not set",
        ),
        ({"client_certificate_env": "C"}, {"C": "/none/of.pem"}, "C names cannot be read"),
        (
            {"client_certificate_env": "C"},
            {"C": f"-----BEGIN PRIVATE KEY-----\n{TOKEN}"},
            "C contains a key",
        ),
    ],
)
def test_read_secrets__a_variable_that_is_not_usable_is_named_without_its_value(
    settings: dict[str, Any], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(MissingCredential) as error:
        read_secrets(parse_credentials(settings), environment)
    assert message in str(error.value)
    assert TOKEN not in str(error.value)


def test_read_secrets__client_certificates_are_paths(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certificate.write_text("c"), key.write_text("k")
    credentials = Credentials(client_certificate_env="C", client_key_env="K")
    secrets = read_secrets(credentials, {"C": str(certificate), "K": str(key)})
    assert (secrets.certificate, secrets.headers) == ((str(certificate), str(key)), {})


def test_read_secrets__a_feed_without_credentials_has_none() -> None:
    assert read_secrets(None, {}) is NO_SECRETS
    assert NO_SECRETS.redact("text") == "text"


_VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)


@given(token=_VISIBLE, before=st.text(max_size=20), after=st.text(max_size=20))
def test_redact__leaves_no_token_however_it_is_quoted(token: str, before: str, after: str) -> None:
    from urllib.parse import quote, quote_plus

    secrets = read_secrets(Credentials(token_env="A"), {"A": token})
    half = quote(token[:4], "") + token[4:]
    forms = (token, token.upper(), token.lower(), quote(token, ""), quote_plus(token), half)
    for form in (*forms, json.dumps(token)[1:-1]):
        redacted = secrets.redact(f"{before}{form}{after}")
        assert form not in redacted.replace("[redacted]", "\n")
        assert secrets.occur_in(f"{before}{form}{after}")


@pytest.mark.parametrize("hosts", [["a.example"], ["a.example:8443", "b-c.example"], []])
def test_parse_hosts__accepts_names_with_and_without_a_port(hosts: list[str]) -> None:
    assert parse_hosts(hosts) == tuple(hosts)


def test_parse_hosts__refuses_other_types() -> None:
    for value in (None, [1], [["a"]], {"a": 1}):
        with pytest.raises(CredentialsError):
            parse_hosts(value)
