"""The services together: they answer, a run completes, a killed code location comes back.

They are the Compose file's own commands and settings with a real PostgreSQL; what Docker adds
(images, networks, restarts by itself) is not shown here.
"""

from __future__ import annotations

import subprocess
from contextlib import closing
from functools import partial

import pytest

from charging_assets_tests.deploy.files import program
from charging_assets_tests.deploy.postgres import connected, postgres
from charging_assets_tests.deploy.services import COMPOSE, Services, eventually, free_port

pytestmark = pytest.mark.faults

_HOUR = "2026-01-12T08"
_LOCATION = {"repositoryLocationName": "charging_assets", "repositoryName": "__repository__"}
_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
_STATUS = """
query Status($id: ID!) { runOrError(runId: $id) { __typename ... on Run { status } } }
"""
_JOBS = """
query Jobs {
  repositoriesOrError {
    __typename
    ... on RepositoryConnection { nodes { location { name } jobs { name } } }
  }
}
"""
_RELOAD = """
mutation Reload { reloadRepositoryLocation(repositoryLocationName: "charging_assets") {
  __typename } }
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    with postgres(free_port()) as database:
        running = Services(folder, database)
        try:
            _simulate(running)
            for name in ("code-location", "webserver", "daemon"):
                running.start(name)
                eventually(name, partial(running.is_healthy, name))
            yield running
        except Exception:
            print(running.logs())
            raise
        finally:
            running.close()


@pytest.fixture(scope="module")
def ended(services) -> str:
    """The status with which a run through queue and code location ended."""
    return _ended(services, _launch_when_there(services))


def _simulate(services: Services) -> None:
    """One hour of answers in the archive, so that there is something to load."""
    subprocess.run(
        [program("charging-assets"), "simulate", "--hours", "1", "--start", _HOUR,
         "--scale", "0.05"],
        env=services.environment, check=True, capture_output=True,
    )  # fmt: skip


def _launch(services: Services, job: str) -> str:
    launched = services.ask(
        _LAUNCH,
        params={
            "selector": {**_LOCATION, "jobName": job},
            "mode": "default",
            "runConfigData": "{}",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": _HOUR}]},
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def _ended(services: Services, run_id: str) -> str:
    def status() -> str | None:
        found = services.ask(_STATUS, id=run_id)["runOrError"]["status"]
        return found if found in {"SUCCESS", "FAILURE", "CANCELED"} else None

    return str(eventually(f"the end of run {run_id}", status))


def _jobs(services: Services) -> set[str]:
    found = services.ask(_JOBS)["repositoriesOrError"]
    return {job["name"] for node in found.get("nodes", []) for job in node["jobs"]}


def test_services__web_server_answers_with_the_code_location_s_jobs(services):
    eventually("the web server", lambda: services.is_healthy("webserver"))
    assert {"poll", "load_hour", "check_freshness"} <= eventually("jobs", lambda: _jobs(services))


def test_services__daemon_is_alive(services):
    eventually("the daemon", lambda: services.is_healthy("daemon"))


def test_services__a_run_completes_through_queue_and_code_location(services, ended):
    assert ended == "SUCCESS", services.logs()
    said = subprocess.run(
        [program("charging-assets"), "status"],
        env=services.environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert _HOUR[:10] in said


def test_services__runs_events_and_schedules_are_in_postgres(services, ended):
    assert ended == "SUCCESS", services.logs()
    with closing(connected(services.environment)) as connection, connection.cursor() as cursor:
        for table in ("runs", "event_logs"):
            cursor.execute(f"SELECT COUNT(*) FROM {table}")
            assert cursor.fetchone()[0] > 0
        cursor.execute("SELECT to_regclass('job_ticks')")
        assert cursor.fetchone()[0] is not None


def test_services__nothing_is_written_to_dagster_home(services, ended):
    assert ended == "SUCCESS", services.logs()
    # In the image it cannot be written to. Two empty folders are of Dagster's telemetry, which is
    # off, and which goes on without them.
    written = [path for path in services.home.rglob("*") if path.is_file()]
    assert [path.name for path in written] == ["dagster.yaml"]


@pytest.mark.fault(
    "The code location is killed under a running daemon and web server",
    "both keep running, it restarts, and a run requested in the meantime succeeds",
    area="processes",
)
def test_services__a_code_location_that_was_killed_comes_back_and_runs_again(services):
    services.kill("code-location")
    assert not services.is_healthy("code-location")
    eventually("the web server", lambda: services.is_healthy("webserver"))
    run_id = _launch_without_code(services)
    services.start("code-location")
    eventually("the code location", lambda: services.is_healthy("code-location"))
    if run_id is None:
        run_id = _launch_when_there(services)
    assert _ended(services, run_id) == "SUCCESS", services.logs()


def test_services__every_service_is_supervised():
    assert all(service["restart"] == "unless-stopped" for service in COMPOSE["services"].values())


def _launch_without_code(services: Services) -> str | None:
    try:
        return _launch(services, "load_hour")
    except (AssertionError, OSError):
        return None


def _launch_when_there(services: Services) -> str:
    def launched() -> str | None:
        services.ask(_RELOAD)
        return _launch(services, "load_hour") if _jobs(services) else None

    return str(eventually("jobs again", launched))
