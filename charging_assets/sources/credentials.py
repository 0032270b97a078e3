"""Credentials and further hosts of a feed: settings, values from the environment, and redaction.

Settings name environment variables and never contain a secret. Values are read when a poll begins,
and are kept only for as long as it lasts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_SCHEME = re.compile(r"[A-Za-z0-9._~+/-]{1,32}|")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?")
_HOST = re.compile(r"(?=.{1,253}(?::|$))[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_REDACTED = "[redacted]"
# Headers that belong to the client; a credential in them would break requests.
_RESERVED = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "user-agent",
     "if-none-match", "if-modified-since", "range"}
)  # fmt: skip


class CredentialsError(ValueError):
    """A setting of credentials or hosts is not valid; the message contains no value of it."""


class MissingCredential(Exception):
    """An environment variable that a feed needs is not set or not usable; it is never shown."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The table `[feeds.<name>.credentials]`: names of environment variables, and how to send them.

    `token_env` holds a token that is sent in `header` after `scheme` (Authorization: Bearer …; an
    empty scheme sends the token alone). `client_certificate_env` and `client_key_env` hold paths of
    PEM files. They are sent to the feed's own host, and to those of its `allow_hosts` that
    `send_to` lists.
    """

    token_env: str | None = None
    header: str = "Authorization"
    scheme: str = "Bearer"
    client_certificate_env: str | None = None
    client_key_env: str | None = None
    send_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for setting in ("token_env", "client_certificate_env", "client_key_env"):
            value = getattr(self, setting)
            if value is not None and not _matches(_VARIABLE, value):
                raise CredentialsError(
                    f"credentials.{setting}: give the name of an environment variable, such as "
                    "'MY_TOKEN', not a token or a path"
                )
        if not _matches(_HEADER, self.header) or self.header.lower() in _RESERVED:
            raise CredentialsError(
                "credentials.header: give the name of an HTTP header, such as 'Authorization'"
            )
        if not _matches(_SCHEME, self.scheme):
            raise CredentialsError(
                "credentials.scheme: give one word, such as 'Bearer' or 'Token', or '' for none"
            )
        if not (self.token_env or self.client_certificate_env):
            raise CredentialsError("credentials: give token_env or client_certificate_env")
        if self.client_key_env and not self.client_certificate_env:
            raise CredentialsError("credentials.client_key_env: give client_certificate_env too")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that are needed."""
        names = (self.token_env, self.client_certificate_env, self.client_key_env)
        return tuple(name for name in names if name)


@dataclass(frozen=True)
class Secrets:
    """The values of a feed's credentials. The representation shows none of them.

    `headers` and `certificate` (paths of certificate and key) are what is sent.
    """

    headers: Mapping[str, str]
    certificate: tuple[str, str] | str | None
    _pattern: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return "Secrets(…)"

    def redact(self, text: str) -> str:
        """The text without secrets, in any case, quoted for a URL or escaped, in whole or in part.

        Redact before you cut a text: a part of a secret is not recognized.
        """
        return self._pattern.sub(_REDACTED, text) if self._pattern else text

    def occur_in(self, text: str) -> bool:
        """Whether a text contains a secret."""
        return self.redact(text) != text


NO_SECRETS = Secrets({}, None)


def parse_credentials(table: object) -> Credentials:
    """The credentials of a TOML table.

    Raises:
        CredentialsError: it names the setting.
    """
    if not isinstance(table, dict):
        raise CredentialsError("credentials: write a table, [feeds.<name>.credentials]")
    settings = {field.name for field in fields(Credentials)}
    if unknown := [name for name in table if name not in settings]:
        # A name can be a token that was pasted into the wrong place.
        raise CredentialsError(
            f"credentials: {len(unknown)} unknown; known: {', '.join(sorted(settings))}"
        )
    if "send_to" in table:
        table = {**table, "send_to": parse_hosts(table["send_to"], "credentials.send_to")}
    return Credentials(**table)


def parse_hosts(value: object, setting: str = "allow_hosts") -> tuple[str, ...]:
    """Validated host names, with or without a port.

    Raises:
        CredentialsError: one is no host name, or is a private address.
    """
    is_list = isinstance(value, list | tuple) and all(isinstance(host, str) for host in value)
    if not is_list:
        raise CredentialsError(f'{setting}: give a list of hosts, such as ["files.example.org"]')
    hosts: Sequence[Any] = value  # type: ignore[assignment]
    for number, host in enumerate(hosts, 1):
        port = host.partition(":")[2]
        if not _matches(_HOST, host) or (port and not 0 < int(port) < 65536):
            raise CredentialsError(
                f"{setting}: number {number} of the list: give a host in lower case without scheme "
                "and path, such as 'files.example.org' or 'files.example.org:8443'"
            )
        if _is_private_address(host.partition(":")[0]):
            raise CredentialsError(
                f"{setting}: number {number} of the list is a private address; give a public host"
            )
    return tuple(hosts)


def check_hosts(allow_hosts: Sequence[str], credentials: Credentials | None) -> None:
    """Validate that credentials go to allowed hosts only; CredentialsError names the setting."""
    others = set(credentials.send_to if credentials else ()) - set(allow_hosts)
    if others:
        raise CredentialsError("credentials.send_to: list its hosts in allow_hosts too")


def missing_variables(credentials: Credentials | None, environment: Mapping[str, str]) -> list[str]:
    """The environment variables that are needed and not set."""
    names = credentials.variables if credentials else ()
    return [name for name in names if not environment.get(name, "").strip()]


def read_secrets(credentials: Credentials | None, environment: Mapping[str, str]) -> Secrets:
    """The values of the credentials.

    Raises:
        MissingCredential: a variable is not set or not usable; the message names it.
    """
    if credentials is None:
        return NO_SECRETS
    if missing := missing_variables(credentials, environment):
        raise MissingCredential(
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set; set the "
            "environment variable to the credential, also for the daemon, or disable the feed"
        )
    headers: dict[str, str] = {}
    pattern = None
    if credentials.token_env:
        token = environment[credentials.token_env].strip()
        if not _VALUE.fullmatch(token):
            raise MissingCredential(
                f"{credentials.token_env} is not a header value: it has control characters, others "
                "than ASCII, or more than 8,192 characters; set it to the token alone"
            )
        headers[credentials.header] = f"{credentials.scheme} {token}".strip()
        pattern = _any_form(token)
    paths = [
        _pem_path(name, environment)
        for name in (credentials.client_certificate_env, credentials.client_key_env)
        if name
    ]
    certificate = (paths[0], paths[1]) if len(paths) == 2 else paths[0] if paths else None
    return Secrets(headers, certificate, pattern)


def _any_form(secret: str) -> re.Pattern[str]:
    """Matches a secret in any case; each character may be percent-encoded or after a backslash."""
    forms = [
        f"(?:\\\\?{re.escape(character)}|%{ord(character):02x}{'|[+]' if character == ' ' else ''})"
        for character in secret
    ]
    return re.compile("".join(forms), re.IGNORECASE)


def _pem_path(name: str, environment: Mapping[str, str]) -> str:
    text = environment[name].strip()
    if "-----BEGIN" in text or "\n" in text:
        raise MissingCredential(
            f"{name} contains a key or certificate; write it to a file that only the service's "
            "user can read, and set the variable to the path"
        )
    try:
        Path(text).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise MissingCredential(f"the file that {name} names cannot be read ({reason})") from None
    return text


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_private_address(host: str) -> bool:
    """Whether a host is an address that is not public. Loopback is left to the feed's own host."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not address.is_global and not address.is_loopback
