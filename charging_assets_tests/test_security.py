"""Security rules for the whole source; rules of single modules are in their tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "charging_assets").rglob("*.py"))
FORBIDDEN = {
    "certificates are verified": r"verify\s*=\s*False|CERT_NONE|_create_unverified_context",
    "no shell is between us and a program": r"shell\s*=\s*True|os\.system\(|os\.popen\(",
    "nothing that comes from outside is run": r"\beval\(|\bexec\(|pickle\.loads?\(|yaml\.load\(",
    "redirects are followed by our own rules alone": r"allow_redirects\s*=\s*True",
}


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_source__keeps_the_rule(rule: str) -> None:
    assert len(PACKAGE) > 100
    broken = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in PACKAGE
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(FORBIDDEN[rule], line)
    ]
    assert broken == []


def test_command_line__takes_no_secret() -> None:
    """An argument is in every list of processes; secrets are for the environment."""
    options = [
        option
        for path in PACKAGE
        for option in re.findall(r'add_argument\(\s*"(--[a-z-]+)"', path.read_text("utf-8"))
    ]
    assert "--json" in options
    assert [o for o in options if re.search("pass|secret|token|key|credential", o)] == []


def test_web_server__is_for_this_machine_alone() -> None:
    source = (ROOT / "charging_assets/cli/ui.py").read_text("utf-8")
    assert re.search(r'_HOST, _PORT = "127\.0\.0\.1"', source)
    assert "0.0.0.0" not in "".join(path.read_text("utf-8") for path in PACKAGE)


def audited(
    folder: Path,
    answer: str,
    code: int,
    required: str = "0",
    accepted: str = "",
    **environment: str,
) -> tuple[int, str]:
    """The audit's exit code and output where its tool gives an answer."""
    (folder / ".ci").mkdir()
    for name in ("audit", "audit.lock", "accepted_advisories.py"):
        (folder / ".ci" / name).write_bytes((ROOT / ".ci" / name).read_bytes())
    (folder / ".ci" / "accepted_advisories.toml").write_text(accepted, "utf-8")
    tool = folder / "build" / "audit" / "bin" / "pip-audit"
    tool.parent.mkdir(parents=True)
    tool.write_text(f"#!/bin/sh\necho '{answer}' \"$@\"\nexit {code}\n")
    tool.chmod(0o755)
    (folder / "build" / "audit" / "installed.lock").write_bytes(
        (ROOT / ".ci" / "audit.lock").read_bytes()
    )
    done = subprocess.run(
        ["bash", str(folder / ".ci" / "audit")],
        env={**os.environ, "AUDIT_REQUIRED": required, **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("required", "code"), [("0", 0), ("1", 1)])
@pytest.mark.parametrize(
    "answer", ["No known vulnerabilities found", "requests Dependency not status on PyPI"]
)
def test_audit__without_a_service_is_skipped_or_fails_if_required(
    tmp_path: Path, answer: str, required: str, code: int
) -> None:
    """A service without data answers like one without findings."""
    status, output = audited(tmp_path, answer, 0, required)
    assert status == code
    assert output.splitlines()[-1].startswith("SKIPPED: no vulnerability service")


@pytest.mark.parametrize(("required", "code"), [("0", 0), ("1", 1)])
@pytest.mark.parametrize("python", ["older", "absent"])
def test_audit__old_python_is_skipped(
    tmp_path: Path, python: str, required: str, code: int
) -> None:
    older = tmp_path / "older"
    older.mkdir()
    # An interpreter that takes itself for 3.10, and lacks what 3.10 lacks.
    (older / "sitecustomize.py").write_text(
        "import sys\nsys.version_info = (3, 10, 0)\nsys.modules['tomllib'] = None\n"
    )
    environment = {"PYTHON": sys.executable, "PYTHONPATH": str(older)}
    if python == "absent":
        environment["PYTHON"] = str(tmp_path / "absent")
    status, output = audited(tmp_path, "", 0, required, **environment)
    assert status == code
    assert output.splitlines()[-1].startswith("SKIPPED: ")
    assert "make audit PYTHON=" in output
    assert "Traceback" not in output


def test_audit__reports_findings(tmp_path: Path) -> None:
    status, output = audited(tmp_path, "requests 2.19.0  PYSEC-2018-28 2.20.0", 1)
    assert status == 1
    assert "PYSEC-2018-28" in output


_ACCEPTED = """
[[advisory]]
id = "PYSEC-2018-28"
package = "requests"
reason = "a test"
expires = {expires}
"""


def test_audit__accepted_findings_reach_the_tool(tmp_path: Path) -> None:
    accepted = _ACCEPTED.format(expires="2999-12-31")
    code, output = audited(tmp_path, "requests 2.19.0  PYSEC-2018-28 2.20.0", 0, accepted=accepted)
    assert code == 0
    assert "--ignore-vuln PYSEC-2018-28" in output


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (_ACCEPTED.format(expires="2020-01-31"), "PYSEC-2018-28: accepted until 2020-01-31"),
        (_ACCEPTED.format(expires='"soon"'), "PYSEC-2018-28: expires is missing or not a date"),
        ('[[advisory]]\nid = "X"\npackage = "y"\nexpires = 2999-01-01', "X: reason is missing"),
    ],
)
def test_audit__invalid_entry_is_an_error(tmp_path: Path, entry: str, problem: str) -> None:
    code, output = audited(tmp_path, "requests 2.19.0  PYSEC-2018-28", 0, accepted=entry)
    assert code == 1
    assert problem in output


def test_audit__its_tool_is_pinned_with_hashes() -> None:
    lock = (ROOT / ".ci" / "audit.lock").read_text("utf-8")
    pins = re.findall(r"^\S+==\S+", lock, re.M)
    assert any(pin.startswith("pip-audit==") for pin in pins)
    assert len(re.findall(r"^\S+==.* \\\n +--hash=sha256:", lock, re.M)) == len(pins)
    assert "http" not in lock.replace("httpx", "")
