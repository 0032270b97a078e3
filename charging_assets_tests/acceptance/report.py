"""The report of an acceptance: a line per phase, and a file for a bug report."""

from __future__ import annotations

import json
import platform
import re
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from charging_assets_tests.acceptance.statements import Plans

_ARN, _ACCOUNT = re.compile(r"arn:aws[a-z-]*:[^\s'\",)]+"), re.compile(r"\b\d{12}\b")
_ADDRESS = re.compile(r"s3://[^\s'\",)]+|[\w.-]+\.(?:amazonaws\.com(?:\.cn)?|local)\b")


@dataclass
class Phase:
    """A phase: its result is ok, failed or skipped. `rpu_seconds` is None where none are known."""

    name: str
    started_at: str
    seconds: float = 0.0
    result: str = "ok"
    details: Any = ""
    rpu_seconds: float | None = None


@dataclass
class Report:
    """The phases in order, without secrets: `secrets` are replaced in all texts."""

    secrets: list[str]
    server: dict[str, Any] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)
    plans: Plans = field(default_factory=Plans)

    @property
    def has_failed(self) -> bool:
        return any(phase.result == "failed" for phase in self.phases)

    def run(self, name: str, operation: Callable[[], Any]) -> bool:
        """Run a phase and print its line; returns whether it succeeded."""
        phase = Phase(name, datetime.now(UTC).isoformat(timespec="seconds"))
        print(f"{name:<44} ", end="", flush=True)
        begun = time.monotonic()
        try:
            phase.details = operation()
        except Skipped as skipped:
            phase.result, phase.details = "skipped", str(skipped)
        except Exception:
            phase.result, phase.details = "failed", traceback.format_exc(limit=-8)
        phase.seconds = round(time.monotonic() - begun, 1)
        self.phases.append(phase)
        print(f"{phase.result:<8}{phase.seconds:8.1f} s", flush=True)
        if phase.result == "failed":
            print(self._redacted(str(phase.details)), flush=True)
        return phase.result == "ok"

    def add_usage(self, usage: Iterable[tuple[datetime, datetime, float]]) -> None:
        """Add the charged seconds of Serverless, a row per minute, to the phases of that time."""
        rows = list(usage)
        for phase in self.phases:
            begin = datetime.fromisoformat(phase.started_at).timestamp()
            end = begin + phase.seconds
            phase.rpu_seconds = sum(
                charged for start, _, charged in rows
                if begin <= start.replace(tzinfo=UTC).timestamp() < max(end, begin + 1)
            )  # fmt: skip

    def write(self, path: Path) -> None:
        """Write the file; texts are redacted."""
        content = {
            "packages": {
                name: version(name)
                for name in ("charging-assets", "redshift-connector", "pyarrow", "duckdb", "boto3")
            },
            "python": platform.python_version(),
            "server": self.server,
            "phases": [asdict(phase) for phase in self.phases],
            "statements_explained": len(self.plans.explained),
            "statements_not_explained": self.plans.not_explained,
            "explain_refused": self.plans.refused,
            "costly_plans": dict(self.plans.costly.most_common(100)),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._redacted(json.dumps(content, indent=1, default=str)) + "\n")

    def summary(self) -> str:
        """The phases as a table."""
        lines = [f"{'phase':<44} {'result':<8} {'seconds':>8} {'RPU seconds':>12}"]
        for phase in self.phases:
            rpu = "unknown" if phase.rpu_seconds is None else f"{phase.rpu_seconds:,.0f}"
            lines.append(f"{phase.name:<44} {phase.result:<8} {phase.seconds:8.1f} {rpu:>12}")
        return "\n".join(lines)

    def _redacted(self, text: str) -> str:
        for secret in sorted(filter(None, self.secrets), key=len, reverse=True):
            text = text.replace(secret, "…")
        return _ACCOUNT.sub("…", _ADDRESS.sub("…", _ARN.sub("arn:…", text)))


class Skipped(Exception):
    """A phase does not apply to this server; the message says why."""
