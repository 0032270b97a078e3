"""The AWS deployment with its roles: their policies and grants allow what they do, and no more.

S3 requests are checked against the policies of `deploy/aws`; Redshift's users have the grants of
`deploy/aws/bootstrap.sql` and of the loads. Only that script runs as an administrator.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import redshift_connector
from redshift_connector.iam_helper import IamHelper

from charging_assets import clock, deployments
from charging_assets.archive.missed_slots import record_missed
from charging_assets.cli import main
from charging_assets.definitions import build
from charging_assets.hours import Hour
from charging_assets.orchestration.sensors import reconcile_hours
from charging_assets.publication.published_files import PublishedFiles
from charging_assets.reports.report import utilisation_report
from charging_assets.resources import for_storage
from charging_assets.warehouse.interface import WarehouseError
from charging_assets_tests.cli.shell import FIRST, SCALE, in_home
from charging_assets_tests.deploy.files import DEPLOY, ROOT, read_documents, read_json
from charging_assets_tests.deploy.roles import (
    BUCKET_NAME,
    OPTIONAL_POLICIES,
    Role,
    arn,
    folders_in_the_code,
    policies_of_roles,
    policy_files,
    restricted_to,
    role,
)
from charging_assets_tests.testbed.bed import S3, Bed, running_bed

BOOTSTRAP = (DEPLOY / "aws/bootstrap.sql").read_text(encoding="utf-8")
RUN, SERVICES, READER, ARCHIVIST = (
    f"charging-assets-{name}" for name in ("run", "services", "reader", "archivist")
)
TASK = read_json("ecs/task-definition.json")
ENVIRONMENT = {
    entry["name"]: entry["value"] for entry in TASK["containerDefinitions"][0]["environment"]
}
GROUP = ENVIRONMENT["CHARGING_REDSHIFT_READER_GROUP"]
COPY_ROLE = ENVIRONMENT["CHARGING_REDSHIFT_IAM_ROLE"]
DATABASE = ENVIRONMENT["CHARGING_REDSHIFT_DATABASE"]
FEEDS = """
[feeds.chargecloud]
enabled = false
[feeds.mine]
kind = "chargecloud"
base_url = "http://localhost:9"
time_zone = "Europe/Berlin"
country = "DE"
places = ["koeln"]
"""


def parts_of_bootstrap() -> dict[str, list[str]]:
    """The statements of the script by database; the first is that of the caller."""
    parts: dict[str, list[str]] = {}
    at = "dev"
    text = re.sub(r"--.*", "", BOOTSTRAP)
    for piece in re.split(r"(\\connect \w+)", text):
        if piece.startswith("\\connect "):
            at = piece.split()[1]
        else:
            parts[at] = [sql.strip() for sql in piece.split(";") if sql.strip()]
    return parts


@dataclass
class Deployment:
    """The test bed with the bucket of the policies; commands run as roles."""

    bed: Bed
    s3: S3
    home: Path
    transcript: list[str] = field(default_factory=list)
    roles: dict[str, Role] = field(default_factory=dict)

    @contextmanager
    def acting_as(self, name: str, database: str = DATABASE) -> Iterator[Role]:
        """The environment of a task with the role, and its rights in S3."""
        if name not in self.roles:
            self.roles[name] = role(name)
        acting = self.roles[name]
        with pytest.MonkeyPatch.context() as patch:
            in_home(self.home, patch)
            for variable in [v for v in os.environ if v.startswith(("AWS_", "CHARGING_REDSHIFT"))]:
                patch.delenv(variable)
            for variable, value in self.bed.role_environment(name, self.s3, database).items():
                patch.setenv(variable, value)
            patch.setenv("CHARGING_REDSHIFT_READER_GROUP", GROUP)
            patch.setenv("CHARGING_REDSHIFT_IAM_ROLE", COPY_ROLE)
            patch.setenv("CHARGING_FEEDS", str(self.home / "feeds.toml"))
            # The driver caches credentials by workgroup, for all roles.
            patch.setattr(IamHelper, "credentials_cache", {})
            with restricted_to(acting):
                yield acting

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command; returns its exit code and output."""
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            code = main(arguments)
        self.transcript.append(f"$ charging-assets {' '.join(arguments)}\n{output.getvalue()}")
        return code, " ".join(output.getvalue().split())

    def connect(self, name: str, database: str = DATABASE) -> Any:
        """Connect as a role's database user with the driver."""
        with self.acting_as(name, database):
            connection = redshift_connector.connect(
                iam=True, is_serverless=True, serverless_work_group="charging-assets",
                database=database, region=self.s3.region, sslmode="verify-full",
            )  # fmt: skip
        connection.autocommit = True
        return connection

    def administer(self, database: str, statements: list[str]) -> None:
        connection = redshift_connector.connect(
            **self.bed.database(database).connection_arguments()
        )
        connection.autocommit = True
        try:
            for statement in statements:
                connection.cursor().execute(statement)
        finally:
            connection.close()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A separate, empty bed, because users are shared by all databases."""
    home = tmp_path_factory.mktemp("home")
    (home / "feeds.toml").write_text(FEEDS)
    with running_bed() as bed, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(bed.tls.authority))
        new = Deployment(bed, bed.new_bucket(BUCKET_NAME), home)
        copier = Role("charging-assets-redshift-copy", [read_json("aws/redshift-copy.json")])
        copier.watch(bed.proxy._objects.client)
        bed.proxy._objects.roles.add(COPY_ROLE)
        new.roles[copier.name] = copier
        workgroup = read_json("aws/reader.json")["Statement"][-1]["Resource"]
        bed.serverless.is_allowed = lambda name, action: (
            name not in new.roles or new.roles[name].may(action, workgroup)
        )
        bed.new_database(name="dev")
        yield new
        if path := os.environ.get("CHARGING_TRANSCRIPT"):
            Path(path).write_text("\n".join(new.transcript))


@pytest.fixture(scope="module")
def before(deployment: Deployment) -> dict[str, tuple[int, str]]:
    """The output of commands before the administrator has run the script."""
    deployment.bed.new_database(name="bare")
    results = {}
    with deployment.acting_as(RUN):
        deployment.transcript.append("### before bootstrap.sql: the database does not exist")
        results["no database"] = deployment.run("load")
    with deployment.acting_as(RUN, "bare"):
        assert deployment.run("simulate", "--hours", "1", "--scale", SCALE)[0] == 0
        deployment.transcript.append("### before bootstrap.sql: the user has no rights")
        results["doctor"] = deployment.run("doctor")
        results["load"] = deployment.run("load")
    # Remove the users that sign-in has created.
    deployment.bed.postgres.run_sql(f'DROP ROLE "IAMR:{RUN}"')
    return results


@pytest.fixture(scope="module")
def bootstrapped(deployment: Deployment, before: Any) -> Deployment:
    """After the script, run by an administrator who is not a superuser of PostgreSQL."""
    for database, statements in parts_of_bootstrap().items():
        deployment.transcript += [f"### as administrator, in {database}", *statements]
        deployment.administer(database, statements)
    return deployment


@pytest.fixture(scope="module")
def loaded(bootstrapped: Deployment) -> Deployment:
    """After all work of runs has been done once with their role.

    The hourly job with its checks, a poll, the daily maintenance, a report and the commands create
    what the other roles read, independent of the order of tests.
    """
    with bootstrapped.acting_as(RUN):
        bootstrapped.transcript.append("### after bootstrap.sql, as charging-assets-run")
        assert bootstrapped.run("doctor")[0] == 0
        assert bootstrapped.run("load")[0] == 0
    with bootstrapped.acting_as(RUN), dg.DagsterInstance.ephemeral() as instance:
        storage = deployments.storage()
        definitions = build(storage)
        job = definitions.resolve_job_def("load_hour")
        result = job.execute_in_process(partition_key=FIRST.key, instance=instance)
        assert result.success
        assert len(result.get_asset_check_evaluations()) > 50
        now = Hour.of(clock.utc_now())
        poll = definitions.resolve_job_def("poll")
        poll.execute_in_process(partition_key=now.key, instance=instance, raise_on_error=False)
        record_missed(storage.lake, "mine", now.start - timedelta(hours=2), "a test")
        maintain = definitions.resolve_job_def("maintain")
        # The default of CHARGING_COMPACT on AWS, for processes that start with the variables.
        config = {"ops": {"compact_archive": {"config": {"compact": False}}}}
        assert maintain.execute_in_process(run_config=config, instance=instance).success
        report = dg.materialize(
            [utilisation_report], instance=instance,
            partition_key=f"{FIRST.start:%Y-%m-%d}",
            resources=for_storage(storage),
        )  # fmt: skip
        assert report.success
        accepted = bootstrapped.run(
            "accept-gap", "2026-01-12T05", "2026-01-12T06", "--reason", "a test"
        )
        assert accepted[0] == 0, accepted
        for command in ("load", "status", "doctor", "drain"):
            assert bootstrapped.run(command)[0] == 0, command
        assert bootstrapped.run("rebuild")[0] == 0
    return bootstrapped


def test_before__a_missing_database_is_reported_with_the_script(before: dict[str, Any]) -> None:
    code, output = before["no database"]
    assert code == 1
    assert 'database "charging" does not exist' in output
    assert "deploy/aws/bootstrap.sql" in output


def test_before__a_load_is_refused_and_names_the_script(before: dict[str, Any]) -> None:
    code, output = before["load"]
    assert code == 1
    assert "permission denied for database" in output and "(42501)" in output
    assert "an administrator runs deploy/aws/bootstrap.sql once" in output


def test_before__doctor_names_the_script(before: dict[str, Any]) -> None:
    code, output = before["doctor"]
    assert code == 1
    assert f"IAMR:{RUN} may not create schemas" in output
    assert "→ an administrator runs deploy/aws/bootstrap.sql" in output


def test_bootstrap__has_exactly_the_users_of_the_roles_that_sign_in() -> None:
    users = set(re.findall(r'CREATE USER "IAMR:([\w-]+)" PASSWORD DISABLE', BOOTSTRAP))
    sign_in = {
        name for name in policies_of_roles()
        if role(name).may("redshift-serverless:GetCredentials", _workgroup())
    }  # fmt: skip
    assert users == sign_in == {RUN, SERVICES, READER}


def test_bootstrap__roles_are_those_of_the_deployment() -> None:
    command = TASK["containerDefinitions"][0]["command"]
    context = json.loads(command[command.index("--container-context") + 1])
    assert context["ecs"]["task_role_arn"] == arn(RUN)
    assert TASK["taskRoleArn"] == arn(SERVICES)
    assert arn(ARCHIVIST) in json.dumps(read_json("aws/bucket-policy.json"))
    assert ENVIRONMENT["CHARGING_REDSHIFT_IAM_ROLE"] == arn("charging-assets-redshift-copy")


def test_bootstrap__database_and_group_are_those_of_the_deployment() -> None:
    (config,) = [m["data"] for m in read_documents("kubernetes/charging-assets.yaml")
                 if m["kind"] == "ConfigMap"]  # fmt: skip
    settings = [
        {entry["name"]: entry["value"] for entry in container["environment"]}
        for container in TASK["containerDefinitions"]
    ]
    for given in (*settings, config):
        assert f"CREATE DATABASE {given['CHARGING_REDSHIFT_DATABASE']};" in BOOTSTRAP
        assert f"ON DATABASE {given['CHARGING_REDSHIFT_DATABASE']} " in BOOTSTRAP
        assert f"CREATE GROUP {given['CHARGING_REDSHIFT_READER_GROUP']} " in BOOTSTRAP
    assert list(parts_of_bootstrap()) == ["dev", DATABASE]


def test_roles__have_existing_policies_and_each_policy_has_a_role() -> None:
    named = {file for files in policies_of_roles().values() for file in files}
    assert named == policy_files() - OPTIONAL_POLICIES
    page = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    assert not [file for file in OPTIONAL_POLICIES if f"`{file}`" not in page]


def test_bootstrap__the_user_of_the_runs_creates_what_the_others_read(
    bootstrapped: Deployment,
) -> None:
    with bootstrapped.acting_as(RUN):
        deployments.storage().warehouse.execute()  # creates schemas, tables, views and grants
    for name, schemas in ((SERVICES, ("ops", "mart", "staging")), (READER, ("ops", "mart"))):
        connection = bootstrapped.connect(name)
        for schema, table in (("ops", "ledger"), ("mart", "city_hour"), ("staging", "flat_polls")):
            statement = f"SELECT * FROM {schema}.{table}"
            if schema in schemas:
                connection.cursor().execute(statement)
            else:
                with pytest.raises(redshift_connector.ProgrammingError, match="42501"):
                    connection.cursor().execute(statement)
        connection.close()


@pytest.mark.slow
def test_run__is_refused_nothing_by_its_policies(loaded: Deployment) -> None:
    assert loaded.roles[RUN].refused == []
    assert loaded.roles["charging-assets-redshift-copy"].refused == []


@pytest.mark.slow
def test_services__find_stale_hours_and_read_the_ledger(loaded: Deployment) -> None:
    with loaded.acting_as(SERVICES) as acting, dg.DagsterInstance.ephemeral() as instance:
        storage = deployments.storage()
        resources = {"lake": storage.lake, "warehouse": storage.warehouse}
        result = reconcile_hours(dg.build_sensor_context(instance=instance, resources=resources))
        assert isinstance(result, dg.SensorResult)
        skipped = str(result.skip_reason.skip_message) if result.skip_reason else ""
        assert "refuses" not in skipped and "cannot" not in skipped
        loaded.transcript.append("### as charging-assets-services")
        assert loaded.run("status")[0] == 0
        code, output = loaded.run("doctor")
        assert (code, f"IAMR:{SERVICES} may read; loads need another user" in output) == (0, True)
    assert acting.refused == []
    assert ("ListObjectsV2", "gaps/") in acting.requests


@pytest.mark.slow
def test_services__cannot_load(loaded: Deployment) -> None:
    connection = loaded.connect(SERVICES)
    for statement in (
        "CREATE SCHEMA x",
        "CREATE TABLE public.x (a INTEGER)",
        "DELETE FROM ops.ledger",
        "DELETE FROM staging.flat_polls",
    ):
        with pytest.raises(redshift_connector.ProgrammingError, match="42501"):
            connection.cursor().execute(statement)
    connection.close()


@pytest.mark.slow
def test_assumerole__only_the_user_of_the_runs_may_copy_and_unload(loaded: Deployment) -> None:
    stolen = f"s3://{BUCKET_NAME}/published/unloads/stolen"
    unload = f"UNLOAD ('SELECT 1 AS a') TO '{stolen}' IAM_ROLE '{COPY_ROLE}' FORMAT PARQUET"
    for name, is_allowed in ((RUN, True), (SERVICES, False), (READER, False)):
        connection = loaded.connect(name)
        if is_allowed:
            connection.cursor().execute(unload)
        else:
            with pytest.raises(redshift_connector.ProgrammingError, match="not authorized"):
                connection.cursor().execute(unload)
        connection.close()


@pytest.mark.slow
def test_reader__reads_marts_and_published_files(loaded: Deployment) -> None:
    with loaded.acting_as(READER) as acting:
        storage = deployments.storage()
        rows = storage.warehouse.query("SELECT COUNT(*) AS n FROM mart.mart_evse_hour").to_pylist()
        assert rows[0]["n"] > 0
        assert storage.warehouse.query("SELECT * FROM original.charging_station").num_rows > 0
        published = PublishedFiles(storage.lake)
        assert published
        assert storage.lake.get(storage.lake.keys("published/")[0])
        assert storage.lake.get(storage.lake.keys("reports/")[0])
        assert acting.refused == []
        with pytest.raises(WarehouseError, match=r"permission denied.*bootstrap\.sql"):
            storage.warehouse.query("SELECT 1 FROM staging.flat_polls")
        with pytest.raises(WarehouseError, match="runs a single SELECT, not CREATE"):
            storage.warehouse.query("CREATE TABLE public.x (a INTEGER)")
        loaded.roles.pop(READER)


@pytest.mark.slow
def test_somebody_else__without_a_group_gets_the_remedy(loaded: Deployment) -> None:
    loaded.roles["somebody-else"] = Role("somebody-else", role(READER).policies)
    with loaded.acting_as("somebody-else"):
        code, output = loaded.run("doctor")
    assert code == 1
    assert "IAMR:somebody-else may not read the ledger" in output
    assert "ALTER GROUP charging_readers ADD USER" in output


@pytest.mark.slow
def test_archivist__compacts(loaded: Deployment) -> None:
    with loaded.acting_as(ARCHIVIST) as acting:
        code, output = loaded.run("compact")
        assert code == 0 and "simulated 2026-01-12: 6 polls" in output
    assert acting.refused == []
    assert "DeleteObject" in {operation for operation, _ in acting.requests}
    with loaded.acting_as(RUN):
        assert loaded.run("status")[0] == 0
    assert loaded.roles[RUN].refused == []


@pytest.mark.slow
def test_policies__every_folder_of_the_lake_in_the_code_is_requested(loaded: Deployment) -> None:
    """A new folder must be used by the tests above."""
    folders = {key.split("/")[0] for role in loaded.roles.values() for _, key in role.requests}
    assert folders == folders_in_the_code()
    assert {"raw", "gaps", "missed", "flat", "published", "reports", "loads"} <= folders


def _workgroup() -> str:
    return str(read_json("aws/reader.json")["Statement"][-1]["Resource"])
