"""The services together: they respond, a run completes, a killed code location restarts.

They use the commands and settings of the Compose file with a real PostgreSQL; Docker's images,
networks and restarts are not tested.
"""

from __future__ import annotations

import subprocess
from contextlib import closing
from functools import partial

import pytest

from charging_assets_tests.deploy.files import program
from charging_assets_tests.deploy.postgres import connect, postgres
from charging_assets_tests.deploy.services import COMPOSE, Services, free_port, wait_until

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
                wait_until(name, partial(running.is_healthy, name))
            yield running
        except Exception:
            print(running.logs())
            raise
        finally:
            running.close()


@pytest.fixture(scope="module")
def ended(services) -> str:
    """The final status of a run through queue and code location."""
    return _wait_for_end(services, _launch_when_available(services))


def _simulate(services: Services) -> None:
    """Archive one hour of simulated answers to load."""
    subprocess.run(
        [program("charging-assets"), "simulate", "--hours", "1", "--start", _HOUR,
         "--scale", "0.05"],
        env=services.environment, check=True, capture_output=True,
    )  # fmt: skip


def _launch(services: Services, job: str) -> str:
    launched = services.query(
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


def _wait_for_end(services: Services, run_id: str) -> str:
    def final_status() -> str | None:
        status = services.query(_STATUS, id=run_id)["runOrError"]["status"]
        return status if status in {"SUCCESS", "FAILURE", "CANCELED"} else None

    return str(wait_until(f"end of run {run_id}", final_status))


def _jobs(services: Services) -> set[str]:
    repositories = services.query(_JOBS)["repositoriesOrError"]
    return {job["name"] for node in repositories.get("nodes", []) for job in node["jobs"]}


def test_services__web_server_answers_with_the_code_location_s_jobs(services):
    wait_until("web server", lambda: services.is_healthy("webserver"))
    assert {"poll", "load_hour", "check_freshness"} <= wait_until("jobs", lambda: _jobs(services))


def test_services__daemon_is_alive(services):
    wait_until("daemon", lambda: services.is_healthy("daemon"))


def test_services__a_run_completes_through_queue_and_code_location(services, ended):
    assert ended == "SUCCESS", services.logs()
    output = subprocess.run(
        [program("charging-assets"), "status"],
        env=services.environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert _HOUR[:10] in output


def test_services__runs_events_and_schedules_are_in_postgres(services, ended):
    assert ended == "SUCCESS", services.logs()
    with closing(connect(services.environment)) as connection, connection.cursor() as cursor:
        for table in ("runs", "event_logs"):
            cursor.execute(f"SELECT COUNT(*) FROM {table}")
            assert cursor.fetchone()[0] > 0
        cursor.execute("SELECT to_regclass('job_ticks')")
        assert cursor.fetchone()[0] is not None


def test_services__nothing_is_written_to_dagster_home(services, ended):
    assert ended == "SUCCESS", services.logs()
    # It is read-only in the image. Dagster's telemetry, which is off, creates two empty folders and
    # does not need them.
    written = [path for path in services.home.rglob("*") if path.is_file()]
    assert [path.name for path in written] == ["dagster.yaml"]


@pytest.mark.fault(
    "The code location is killed under a running daemon and web server",
    "both keep running, it restarts, and a run requested in the meantime succeeds",
    area="processes",
)
def test_services__a_killed_code_location_restarts_and_runs_again(services):
    services.kill("code-location")
    assert not services.is_healthy("code-location")
    wait_until("web server", lambda: services.is_healthy("webserver"))
    run_id = _launch_without_code(services)
    services.start("code-location")
    wait_until("code location", lambda: services.is_healthy("code-location"))
    if run_id is None:
        run_id = _launch_when_available(services)
    assert _wait_for_end(services, run_id) == "SUCCESS", services.logs()


def test_services__every_service_is_supervised():
    assert all(service["restart"] == "unless-stopped" for service in COMPOSE["services"].values())


def _launch_without_code(services: Services) -> str | None:
    try:
        return _launch(services, "load_hour")
    except (AssertionError, OSError):
        return None


def _launch_when_available(services: Services) -> str:
    def launched() -> str | None:
        services.query(_RELOAD)
        return _launch(services, "load_hour") if _jobs(services) else None

    return str(wait_until("jobs", launched))
