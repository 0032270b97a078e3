"""What every test may use: the shared samples, the test bed, and Hypothesis that repeats."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from charging_assets import aws_environment
from charging_assets.preprocessing import stations
from charging_assets.preprocessing.flatten import _reader
from charging_assets.preprocessing.identity import Identity, entity_key, make_identity
from charging_assets.settings import Settings
from charging_assets_tests import clocks

if TYPE_CHECKING:
    from charging_assets.lake.s3 import S3Lake

pytest_plugins = [
    "charging_assets_tests.faults.report",
    "charging_assets_tests.loaded_home",
    "charging_assets_tests.testbed.fixtures",
    "charging_assets_tests.uneven_home",
    "charging_assets_tests.warehouse.fixtures",
]

# pytest explains failing asserts of these helpers as those of tests: with what differs.
pytest.register_assert_rewrite(
    "charging_assets_tests.cli.shell", "charging_assets_tests.preprocessing.flat_hours"
)

# A shell script has its background jobs ignore SIGINT. Dagster copies that to SIGTERM after its
# first run in a process, and all that tests start would then outlive them.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

_REPOSITORY = Path(__file__).parent.parent

# Derandomized, so that a run in CI repeats; `--hypothesis-profile=explore` looks further.
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "explore",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_collection_finish() -> None:
    # What is imported now stays to the end: no garbage collection need look at it again.
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    # Extension modules report objects that are left when Python ends.
    gc.unfreeze()


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of the shared samples, if present; else the test is skipped."""
    folder = Path(os.environ.get("CHARGING_SAMPLES") or _REPOSITORY.parent / "shared" / "samples")
    if not folder.is_dir():
        pytest.skip("shared samples are not present")
    return folder


@pytest.fixture(autouse=True, scope="session")
def deployed_policies() -> Iterator[None]:
    """Lakes of the `aws` deployment are refused what the policies of deploy/aws do not allow."""
    make = aws_environment._s3_lake

    def checked(settings: Settings) -> S3Lake:
        from charging_assets_tests.deploy.roles import CheckedLake

        lake = make(settings)
        return CheckedLake(lake.bucket, lake.prefix, lake._s3)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aws_environment, "_s3_lake", checked)
        yield


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock shows `clocks.STOPPED_AT` for as long as the test runs."""
    clocks.stop(monkeypatch)


@pytest.fixture
def fresh_readers() -> Iterator[None]:
    """Readers that remember no station of another test; what they remember ends with this one.

    For tests that change how stations are read: readers are kept from hour to hour, and would be
    from test to test.
    """
    _reader.cache_clear()
    yield
    _reader.cache_clear()


@pytest.fixture
def equal_keys(fresh_readers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids have equal keys where they are equal up to a tilde: `s1~a` and `s1~b`."""

    def equal(network: str, entity: str, ids: tuple[str, ...]) -> Identity:
        key = entity_key(network, entity, *(each.split("~")[0] for each in ids))
        return make_identity(network, entity, ids)._replace(key=key)

    monkeypatch.setattr(stations, "make_identity", equal)
