"""Verify a real Redshift: `make verify-redshift`, see docs/testbed.md.

python -m charging_assets_tests.acceptance [--quick] [--report FILE]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from charging_assets.lake.s3 import S3Lake
from charging_assets_tests.acceptance import phases, settings
from charging_assets_tests.acceptance.report import Report, Skipped
from charging_assets_tests.acceptance.target import Target

REPORT = Path("build/verify-redshift.json")


def main(arguments: list[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    options = _options(arguments)
    try:
        admin, lake, iam_role = settings.read(environment)
    except settings.NotConfigured as error:
        print(error, file=sys.stderr)
        return 2
    report = Report([admin.host, admin.user, admin.password, lake.bucket, iam_role])
    target = Target(admin, lake, iam_role, report.plans)
    target.lake = S3Lake(lake.bucket, f"{lake.prefix}charging_verify_{target.id}", lake._s3)
    report.secrets += [target.password, target.lake.prefix]
    with _dropped(target, report):
        if report.run("connect", lambda: _describe(target, report)) and report.run(
            "bootstrap: databases, users, grants", target.create
        ):
            for name, operation in phases.of(target, is_quick=options.quick):
                report.run(name, operation)
            if not options.quick:
                report.run("contract of all warehouses", lambda: _contract(environment))
    with suppress(Skipped):
        report.add_usage(phases.usage(target))
    report.write(options.report)
    print(f"\n{report.summary()}\n\n{len(report.plans.explained)} kinds of statements explained")
    print(f"report: {options.report}; attach it to a bug report")
    return 1 if report.has_failed else 0


@contextmanager
def _dropped(target: Target, report: Report) -> Iterator[None]:
    """Drop everything at the end, also after Ctrl-C."""

    def drop() -> None:
        if problems := target.drop():
            raise RuntimeError("; ".join(problems))

    try:
        yield
    finally:
        report.run("drop everything", drop)


def _describe(target: Target, report: Report) -> None:
    report.server = {
        "version": target.run("SELECT version()")[0][0],
        "is_serverless": phases.is_serverless(target),
        "statement_timeout_s": target.admin.statement_timeout_s,
    }


def _contract(environment: Mapping[str, str]) -> str:
    """The contract tests, which make a database of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "redshift"]
    result = subprocess.run(
        [*command, "charging_assets_tests/warehouse"],
        env={**environment, "CHARGING_VERIFY_REDSHIFT": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if result.returncode:
        raise AssertionError(result.stdout[-4000:])
    return result.stdout.strip().splitlines()[-1]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m charging_assets_tests.acceptance",
        description="Verify a real Redshift under the roles of deploy/, and write a report.",
    )
    parser.add_argument("--quick", action="store_true", help="two hours instead of a dirty day")
    parser.add_argument("--report", type=Path, default=REPORT, help="default %(default)s")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
