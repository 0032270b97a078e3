"""Every environment variable that the project reads, in one typed object.

Nothing is read on import. The tables of variables in `docs/deployment.md` are generated from the
fields (`settings_tables`). boto3 and Dagster read further variables themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, PlainValidator, PrivateAttr, StringConstraints, ValidationError
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from charging_assets.text import is_address

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"(?P<name>[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])\.?(:(?P<port>\d{1,5}))?")
_LAKE = re.compile(r"s3://([^/]+)/?(.*)")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9._=/-]*")
_BUCKET_FORM = "is invalid: a bucket has 3 to 63 lower-case letters, digits, dots and hyphens"
_PREFIX_FORM = "is invalid: use letters, digits, . _ = - and /"
_COUNT_FORM = "is not a whole number above 0 of up to 9 digits"
_NAME_FORM = "is invalid: give only a name, without address or options"
_URL_FORM = "is invalid: give https://host, without user and query"


class HomeError(Exception):
    """CHARGING_HOME is not usable; the message has the reason and the remedy."""


class DeploymentError(ValueError):
    """A setting of the environment is missing or invalid; the message names it and the remedy."""


class AddressError(DeploymentError):
    """An invalid address; the message names the variable and the valid forms, not the address."""


class AllowedHostError(DeploymentError):
    """`CHARGING_ALLOWED_HOSTS` is invalid; the message names the entry and the valid form."""


def is_loopback(address: SplitResult) -> bool:
    """Whether an address is on this machine, so that plain text is safe."""
    return address.hostname in LOOPBACK


def _path(what: str, text: str) -> Path | None:
    if not text.strip():
        return None
    if is_address(text):
        raise ValueError(f"is an address; give the path of {what}")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(
            "begins with ~, for which there is no home folder; give a whole path"
        ) from None


def _address(text: str, *schemes: str) -> SplitResult:
    try:
        address = urlsplit(text)
        host, _ = address.hostname, address.port
    except ValueError:
        address, host = urlsplit(""), None
    if not host or not (
        address.scheme in schemes or (address.scheme == "http" and is_loopback(address))
    ):
        forms = " or ".join(f"{scheme}://host/…" for scheme in schemes)
        raise ValueError(
            f"contains an invalid address; give {forms} (http:// is allowed for localhost only)"
        )
    return address


def _addresses(text: str) -> tuple[SplitResult, ...]:
    return tuple(_address(word, "https", "smtp", "smtps") for word in text.split())


def _url(text: str) -> str | None:
    return _address(text.strip(), "https").geturl() if text.strip() else None


def _hosts(text: str) -> dict[str, str | None]:
    """Host names with their ports, of entries `name` or `name:port`."""
    hosts: dict[str, str | None] = {}
    for number, entry in enumerate(text.replace(",", " ").split(), 1):
        match = _HOST.fullmatch(entry.lower())
        if match is None:
            raise ValueError(
                f": entry {number} is not a host name; use names such as charging.example.org or "
                "charging.example.org:8443, without https:// and without *"
            )
        name, port = match["name"].strip("[]"), match["port"]
        if port is not None and not 0 < int(port) < 65536:
            raise ValueError(f": entry {number} has an invalid port; use 1 to 65535, or no port")
        if hosts.setdefault(name, port) != port:
            raise ValueError(
                f": entry {number} repeats a host with another port; a host has one port"
            )
    return hosts


def _lake(text: str) -> tuple[str, str] | None:
    """Bucket and prefix of `s3://bucket/prefix`."""
    if not text.strip():
        return None
    address = _LAKE.fullmatch(text.strip())
    if not address:
        raise ValueError("is invalid: give s3://bucket or s3://bucket/prefix")
    if not _BUCKET.fullmatch(address[1]):
        raise ValueError(_BUCKET_FORM)
    if not _PREFIX.fullmatch(address[2]):
        raise ValueError(f"the prefix in CHARGING_LAKE {_PREFIX_FORM}")
    return address[1], address[2]


def _setting(
    variable: str, default: Any, description: str, error: str = "", *, shown: str = "", **more: Any
) -> Any:
    """A field of `Settings`.

    Args:
        error: what follows the variable's name in the message for a value of the wrong form.
        shown: the default as the documentation shows it; by default, the value.
    """
    about: JsonDict = {"error": error, "shown": shown}
    return Field(default, alias=variable, description=description, json_schema_extra=about, **more)


_Count = Annotated[int, Field(gt=0, lt=10**9)]
# Hosts, databases, clusters and workgroups. Without `:/@;=?` it cannot be a connection string.
_Name = Annotated[str, StringConstraints(pattern=r"^[\w.$-]*$", max_length=255)]
_Endpoint = Annotated[str, StringConstraints(pattern=r"^(https?://[\w.:\[\]-]+(/[\w./-]*)?)?$")]
_Folder = Annotated[Path | None, PlainValidator(partial(_path, "a folder"))]
_File = Annotated[Path | None, PlainValidator(partial(_path, "a TOML file"))]


class Settings(BaseSettings):
    """The settings of the environment; one field is one variable.

    `read` makes the object. A field with an invalid value raises its error when it is used, so that
    a wrong variable fails only what needs it; `problems` lists those of several fields. Messages
    name the variable and the valid form, never the value: a variable in the wrong place, or a
    connection string, may contain a password that would end up in logs.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", case_sensitive=True, env_ignore_empty=True,
        str_strip_whitespace=True, validate_default=False, hide_input_in_errors=True,
    )  # fmt: skip
    _ERRORS: ClassVar[Mapping[str, type[Exception]]] = {
        "home_folder": HomeError,
        "alerts": AddressError,
        "heartbeat_url": AddressError,
        "allowed_hosts": AllowedHostError,
    }
    _problems: dict[str, str] = PrivateAttr(default_factory=dict)

    deployment: Literal["local", "aws"] = _setting(
        "CHARGING_DEPLOYMENT", "local",
        "`local`: a folder and DuckDB; `aws`: S3 and Redshift",
        "names no deployment; this version has: local, aws",
    )  # fmt: skip
    home_folder: _Folder = _setting(
        "CHARGING_HOME", None,
        "the folder of lake, warehouse and Dagster's home",
        shown="`.charging` in the checkout, or in the current folder",
    )  # fmt: skip
    feeds_file: _File = _setting(
        "CHARGING_FEEDS", None, "a TOML file with [your own feeds](feeds/settings.md)", shown="none"
    )
    is_live: bool = _setting(
        "CHARGING_LIVE", False,
        "`1`: schedules and sensors are on by default, as with `charging-assets live`; those that "
        "were switched in the UI keep that state",
        "is neither 1 nor 0",
        shown="off",
    )  # fmt: skip
    is_refresh_on: bool = _setting(
        "CHARGING_REFRESH", True,
        "`0`: load the current hour when it has ended, not after every poll",
        "is neither 1 nor 0",
        shown="on",
    )  # fmt: skip
    reconcile_every_s: _Count = _setting(
        "CHARGING_RECONCILE_EVERY_S", 30,
        "seconds between two searches for stale hours; each search queries the warehouse, which "
        "wakes one that sleeps and is billed per minute",
        "is not a whole number above 0; give seconds, or unset it",
    )  # fmt: skip
    compact: bool | None = _setting(
        "CHARGING_COMPACT", None,
        "whether `maintain` compacts days of the archive; on AWS leave it at 0: only the role "
        "`charging-assets-archivist` may delete from `raw/`",
        "is neither 1 nor 0",
        shown="1 locally, 0 on AWS",
    )  # fmt: skip
    alerts: Annotated[tuple[SplitResult, ...], NoDecode, PlainValidator(_addresses)] = _setting(
        "CHARGING_ALERTS", (),
        "addresses for [alerts](operations.md#alerting), separated by spaces: a webhook that "
        'accepts `{"text": …}` (`https://…`), or a mail server (`smtp[s]://…`)',
        shown="none", repr=False,
    )  # fmt: skip
    alerts_on_warnings: bool = _setting(
        "CHARGING_ALERT_WARNINGS", False,
        "`1`: failed checks of severity WARN are also sent as [alerts](operations.md#alerting)",
        "is neither 1 nor 0",
        shown="off",
    )  # fmt: skip
    heartbeat_url: Annotated[str | None, PlainValidator(_url)] = _setting(
        "CHARGING_HEARTBEAT_URL", None,
        "a URL that is called after each archived poll; see [alerting](operations.md#alerting)",
        shown="none", repr=False,
    )  # fmt: skip
    allowed_hosts: Annotated[
        dict[str, str | None], NoDecode, PlainValidator(_hosts)
    ] = _setting(
        "CHARGING_ALLOWED_HOSTS", {},
        "host names of a reverse proxy, separated by commas, that the web servers accept in "
        "addition to 127.0.0.1 and localhost",
        shown="none",
    )  # fmt: skip
    dagster_folder: _Folder = _setting(
        "DAGSTER_HOME", None, "the folder with `dagster.yaml`", shown="`dagster` in `CHARGING_HOME`"
    )

    lake: Annotated[tuple[str, str] | None, NoDecode, PlainValidator(_lake)] = _setting(
        "CHARGING_LAKE", None, "the lake, as `s3://bucket/prefix`"
    )
    s3_bucket: Annotated[str, StringConstraints(pattern=f"^({_BUCKET.pattern})?$")] = _setting(
        "CHARGING_S3_BUCKET", "", "instead of `CHARGING_LAKE`: its bucket", _BUCKET_FORM
    )
    s3_prefix: Annotated[str, StringConstraints(pattern=f"^{_PREFIX.pattern}$")] = _setting(
        "CHARGING_S3_PREFIX", "", "a prefix in `CHARGING_S3_BUCKET`", _PREFIX_FORM
    )
    redshift_host: _Name = _setting(
        "CHARGING_REDSHIFT_HOST", "", "host of the cluster or workgroup", _NAME_FORM
    )
    redshift_port: _Count = _setting("CHARGING_REDSHIFT_PORT", 5439, "its port", _COUNT_FORM)
    redshift_database: _Name = _setting(
        "CHARGING_REDSHIFT_DATABASE", "", "the database", _NAME_FORM
    )
    redshift_user: str = _setting("CHARGING_REDSHIFT_USER", "", "the database user")
    redshift_password: str = _setting(
        "CHARGING_REDSHIFT_PASSWORD", "", "its password, a secret", repr=False
    )
    redshift_iam: bool = _setting(
        "CHARGING_REDSHIFT_IAM", False,
        "`true`: login by IAM, to a workgroup or a cluster, without a password",
        "is neither true nor false",
        shown="false",
    )  # fmt: skip
    redshift_cluster: _Name = _setting(
        "CHARGING_REDSHIFT_CLUSTER", "", "the cluster, for IAM", _NAME_FORM
    )
    redshift_workgroup: _Name = _setting(
        "CHARGING_REDSHIFT_WORKGROUP", "", "the workgroup, for IAM", _NAME_FORM
    )
    redshift_iam_role: str = _setting(
        "CHARGING_REDSHIFT_IAM_ROLE",
        "",
        "ARN of the role for COPY and UNLOAD, or `default`; one role, no chain",
    )
    redshift_reader_group: str = _setting(
        "CHARGING_REDSHIFT_READER_GROUP", "",
        "a group that may read the warehouse; `charging_readers` if you ran `aws/bootstrap.sql`",
    )  # fmt: skip
    redshift_statement_timeout_s: _Count = _setting(
        "CHARGING_REDSHIFT_STATEMENT_TIMEOUT_S", 900,
        "timeout of a statement in seconds, waiting for another load included",
        _COUNT_FORM,
    )  # fmt: skip
    region: _Name = _setting("AWS_REGION", "", "region of the lake; boto3 reads it too", _NAME_FORM)
    default_region: _Name = _setting(
        "AWS_DEFAULT_REGION",
        "",
        "region, if `AWS_REGION` is not set; boto3 reads it too",
        _NAME_FORM,
    )
    endpoint_url_s3: _Endpoint = _setting(
        "AWS_ENDPOINT_URL_S3", "", "URL of an S3-compatible store; boto3 reads it too", _URL_FORM
    )
    endpoint_url: _Endpoint = _setting(
        "AWS_ENDPOINT_URL", "", "the same, if `AWS_ENDPOINT_URL_S3` is not set", _URL_FORM
    )

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings of this process, or of a given environment."""
        problems: dict[str, str] = {}
        try:
            settings = Settings() if environment is None else _settings_of(environment)
        except ValidationError as error:
            problems = dict(_problems(error))
            variables = os.environ if environment is None else environment
            invalid = {cls.model_fields[name].alias for name in problems}
            settings = _settings_of({k: v for k, v in variables.items() if k not in invalid})
        for name, what in settings._missing(problems):
            problems.setdefault(name, f"{cls.model_fields[name].alias} is not set: {what}")
        settings._problems = problems
        for name in problems:
            del settings.__dict__[name]
        return settings

    if not TYPE_CHECKING:  # mypy would accept any attribute

        def __getattr__(self, name: str) -> Any:
            """Raise the error of a field without a valid value."""
            if name in type(self).model_fields:
                raise self._ERRORS.get(name, DeploymentError)(self._problems[name])
            return super().__getattr__(name)

    def problems(self, *names: str) -> list[str]:
        """The problems of these fields, and of fields whose names begin with `name_`."""
        return [
            problem
            for field, problem in self._problems.items()
            if any(field == name or field.startswith(f"{name}_") for name in names)
        ]

    def _missing(self, invalid: Collection[str]) -> Iterator[tuple[str, str]]:
        """Fields without a value that the deployment `aws` requires, and what they are."""
        if self.deployment != "aws":
            return
        if not (self.lake or "lake" in invalid or self.s3_bucket):
            yield "s3_bucket", "the bucket of the lake (or CHARGING_LAKE=s3://bucket/prefix)"
        required = {
            "redshift_iam_role": "the role by which Redshift reads the bucket, or default",
            "redshift_database": "the database",
        }
        if not self.redshift_iam:
            required |= {
                "redshift_host": "the cluster's or workgroup's host",
                "redshift_user": "the database user",
                "redshift_password": "its password (or CHARGING_REDSHIFT_IAM=true)",
            }
        elif self.redshift_cluster:
            required["redshift_user"] = "the database user for IAM"
        elif not self.redshift_workgroup:
            yield (
                "redshift_cluster",
                "IAM needs the cluster, or CHARGING_REDSHIFT_WORKGROUP",
            )
        yield from ((name, what) for name, what in required.items() if not getattr(self, name))

    @property
    def home(self) -> Path:
        """The folder of the local deployment: CHARGING_HOME, or `.charging`.

        The default is in the project folder if this is a checkout, else in the current folder.

        Raises:
            HomeError: CHARGING_HOME is a URL, or starts with the home of an unknown user.
        """
        checkout = Path(__file__).resolve().parent.parent
        default = checkout if (checkout / "workspace.yaml").is_file() else Path()
        return (self.home_folder or default / ".charging").resolve()

    @property
    def is_compaction_on(self) -> bool:
        """Whether `maintain` compacts past days; by default only in a local archive.

        In S3 the role that loads may not have permission to delete raw objects.
        """
        return self.deployment == "local" if self.compact is None else self.compact


class _Given(Settings):
    """Settings of a given environment: the process's variables are not read."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: Any, init_settings: Any, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def _settings_of(environment: Mapping[str, str]) -> Settings:
    variables = (str(field.alias) for field in Settings.model_fields.values())
    given: dict[str, Any] = {name: text for name in variables if (text := environment.get(name))}
    return _Given(**given)


def _problems(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Field and message of each invalid variable."""
    fields = {field.alias: (name, field) for name, field in Settings.model_fields.items()}
    for problem in error.errors(include_url=False, include_input=False):
        variable = str(problem["loc"][0])
        name, field = fields[variable]
        reason = problem.get("ctx", {}).get("error")
        text = str(reason or cast(dict[str, str], field.json_schema_extra)["error"])
        separator = "" if text.startswith(":") else " "
        yield name, text if variable in text else f"{variable}{separator}{text}"


def home(environment: Mapping[str, str] | None = None) -> Path:
    """`Settings.home` of this process, or of a given environment."""
    return Settings.read(environment).home


def deployment(environment: Mapping[str, str] | None = None) -> str:
    """The name of the deployment; DeploymentError if there is none such."""
    return Settings.read(environment).deployment
