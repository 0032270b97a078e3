"""The checks of `doctor`: each inspects one thing and reports its state and a remedy.

Checks change nothing except temporary files of their own; they repair nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from charging_assets import clock, extras
from charging_assets.cli.errors import error_line, exit_code
from charging_assets.hours import FIRST_HOUR
from charging_assets.text import count_noun

if TYPE_CHECKING:
    from charging_assets.warehouse.interface import Warehouse

State = Literal["ok", "warning", "failed"]
_PYTHON = (3, 11)
_LEAST_BYTES, _FEW_BYTES = 500 * 1000**2, 5 * 1000**3
# `doctor` reports a locked warehouse quickly instead of waiting the usual minute.
_LOCK_TIMEOUT_S = 2.0
_CLOCK_TOLERANCE = timedelta(minutes=2)


@dataclass(frozen=True)
class Finding:
    """Result of a check; `remedy` is empty if the message is an error that contains the remedy."""

    check: str
    state: State
    message: str
    remedy: str = ""


def findings() -> list[Finding]:
    """Run all checks in order; a check that raises has failed."""
    return [_run_check(name, check) for name, check in _CHECKS.items()]


def _run_check(name: str, check: Callable[[], tuple[State, str, str]]) -> Finding:
    try:
        return Finding(name, *check())
    except Exception as error:
        if exit_code(error) is None:
            return Finding(name, "failed", f"{type(error).__name__}: {error}", "report it as a bug")
        # Such messages contain their remedy.
        return Finding(name, "failed", error_line(error))


def _python() -> tuple[State, str, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _PYTHON:
        return "failed", f"Python {version}", "use Python 3.11 or newer"
    return "ok", f"Python {version} at {sys.executable}", ""


def _home() -> tuple[State, str, str]:
    from charging_assets.settings import home

    folder = home()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=nearest, prefix=".doctor-"):
            free = shutil.disk_usage(nearest).free
    except OSError as error:
        return "failed", f"cannot write to {nearest}: {error.strerror}", "set CHARGING_HOME"
    summary = f"{folder}, {free / 1000**3:,.1f} GB free"
    if free < _FEW_BYTES:
        return (
            "failed" if free < _LEAST_BYTES else "warning",
            summary,
            "free some disk space",
        )
    return "ok", summary, ""


def _deployment() -> tuple[State, str, str]:
    from charging_assets import deployments
    from charging_assets.settings import deployment

    storage = deployments.storage()
    return "ok", f"{deployment()}: {storage.lake.uri('raw')}, {storage.warehouse.describe()}", ""


def _feeds() -> tuple[State, str, str]:
    from charging_assets.sources.credentials import missing_variables
    from charging_assets.sources.feeds import load_feeds

    feeds = load_feeds()
    if changed := _changed_identities():
        return changed
    names = ", ".join(
        f"{feed.name} ({count_noun(len(feed.places), 'place')}{'' if feed.enabled else ', off'})"
        for feed in feeds.values()
    )
    missing = {
        feed.name: variables
        for feed in feeds.values()
        if feed.enabled and (variables := missing_variables(feed.credentials, os.environ))
    }
    if missing:
        lacks = "; ".join(f"{name} lacks {', '.join(missing[name])}" for name in missing)
        variables = sorted({variable for each in missing.values() for variable in each})
        return (
            "warning",
            f"{names}; {lacks}, and is not polled without",
            f"set {', '.join(variables)} in the environment of the process that polls",
        )
    if not any(feed.enabled for feed in feeds.values()):
        return "warning", names, "no feed is enabled, so nothing is polled"
    return "ok", names, ""


def _changed_identities() -> tuple[State, str, str] | None:
    """Feeds whose loaded hours have other keys than their current settings produce."""
    from charging_assets import deployments
    from charging_assets.archive.identities import changed_identities

    changed = changed_identities(deployments.storage().lake)
    if not changed:
        return None
    feed, (recorded, effective) = next(iter(changed.items()))
    return (
        "warning",
        f"hours of feed {feed!r} were loaded with {recorded}; the feeds file states {effective}",
        "`charging-assets load` loads all hours of the feed again with the new keys; to keep the "
        f"keys, restore the settings of [feeds.{feed}], or set CHARGING_FEEDS to the file that has "
        "them",
    )


def _archive() -> tuple[State, str, str]:
    from charging_assets import deployments
    from charging_assets.archive.raw_archive import hours_archived, read

    lake = deployments.storage().lake
    archived = hours_archived(lake)
    if not archived:
        return "ok", "empty", ""
    newest = archived[max(archived)][-1]
    answers = sum(1 for _ in read(lake, newest))
    objects = sum(map(len, archived.values()))
    hours = count_noun(len(archived), "hour")
    return "ok", f"{hours}, {objects:,} objects; the newest is readable ({answers} answers)", ""


def _warehouse() -> Warehouse:
    from charging_assets import deployments
    from charging_assets.warehouse.duckdb.warehouse import with_lock_timeout

    return with_lock_timeout(deployments.storage().warehouse, _LOCK_TIMEOUT_S)


def _opens() -> tuple[State, str, str]:
    from charging_assets.warehouse.interface import NoWarehouse, OtherGeneration

    warehouse = _warehouse()
    try:
        counts = warehouse.query("SELECT COUNT(*) AS row_count FROM ops.ledger").to_pylist()
    except OtherGeneration as other:
        return "warning", str(other), "`charging-assets load`"
    except NoWarehouse:
        return "ok", f"{warehouse.describe()}: nothing is loaded yet{_old_files_note()}", ""
    summary = (
        f"{warehouse.describe()}: opens, {counts[0]['row_count']:,} ledger rows{_old_files_note()}"
    )
    return "ok", summary, ""


def _old_files_note() -> str:
    """Warehouse files of other generations; nothing reads or deletes them."""
    from charging_assets.settings import home
    from charging_assets.warehouse.duckdb.old_files import list_old_files

    files = list_old_files(home())
    if not files:
        return ""
    size = sum(path.stat().st_size for path in files) / 1000**2
    names = ", ".join(path.name for path in files)
    return f"; files of other generations, delete them if not needed: {names} ({size:,.0f} MB)"


def _rights() -> tuple[State, str, str]:
    from charging_assets import deployments
    from charging_assets.warehouse.redshift.errors import BOOTSTRAP

    warehouse = deployments.storage().warehouse
    if not hasattr(warehouse, "rights"):
        return "ok", f"{warehouse.describe()}: a file, without database users", ""
    rights = warehouse.rights()
    if rights.reads_ops is False:
        return (
            "failed",
            f"the database user {rights.user} may not read the ledger (ops.ledger)",
            f"an administrator runs {BOOTSTRAP} and sets CHARGING_REDSHIFT_READER_GROUP for the "
            'runs; other readers: ALTER GROUP charging_readers ADD USER "…"',
        )
    if rights.may_create:
        return "ok", f"the database user {rights.user} may load", ""
    if rights.reads_ops:
        return "ok", f"the database user {rights.user} may read; loads need another user", ""
    return (
        "failed",
        f"the database user {rights.user} may not create schemas in the database, and nothing is "
        "loaded yet",
        f"an administrator runs {BOOTSTRAP}; then load as the user to which it grants CREATE",
    )


def _ledger() -> tuple[State, str, str]:
    from charging_assets import deployments
    from charging_assets.orchestration.staleness import MISCOUNTED, stale_hours

    stale = stale_hours(deployments.storage().lake, _warehouse())
    incomplete = [hour for hour in stale if MISCOUNTED in hour.reason]
    if incomplete:
        first = incomplete[0]
        summary = f"{count_noun(len(incomplete), 'hour')} lost rows: {first.hour}, {first.reason}"
        return "failed", summary, "`charging-assets load` restores them from the archive"
    if stale:
        summary = f"{count_noun(len(stale), 'hour')} to load (reason: {stale[0].reason})"
        return "warning", summary, "`charging-assets load`"
    return "ok", "the warehouse has all rows of every archived hour", ""


def _hosts() -> tuple[State, str, str]:
    from charging_assets.allowed_hosts import ALLOWED_HOSTS, allowed_hosts, host_warnings
    from charging_assets.settings import AllowedHostError

    try:
        names, warnings = ", ".join(allowed_hosts()), host_warnings()
    except AllowedHostError as error:
        return "failed", str(error), ""
    allowed = f"allowed host names: 127.0.0.1, localhost{names and f', {names}'}"
    if warnings:
        return "warning", f"{ALLOWED_HOSTS}: {'; '.join(warnings)}", f"set {ALLOWED_HOSTS}"
    return "ok", allowed, ""


def _dagster() -> tuple[State, str, str]:
    from charging_assets.orchestration import dagster_home
    from charging_assets.settings import Settings

    folder = dagster_home.dagster_home()
    dagster_home.require_usable(folder)
    if not folder.exists():
        if Settings.read().dagster_folder:
            return (
                "failed",
                f"DAGSTER_HOME={folder} is not a directory",
                "create it, or unset DAGSTER_HOME",
            )
        return "ok", f"{folder} does not exist yet; the first load creates it", ""
    if not folder.is_dir():
        return "failed", f"{folder} is not a directory", "move the file away, or set DAGSTER_HOME"
    if not os.access(folder, os.W_OK):
        return (
            "failed",
            f"cannot write to {folder}",
            "set DAGSTER_HOME to a folder that you can write to",
        )
    if not (folder / dagster_home.SETTINGS).exists():
        summary = f"{folder} has no {dagster_home.SETTINGS}"
        return "warning", summary, "run once without DAGSTER_HOME to see this project's settings"
    return _instance(folder)


def _instance(folder: Path) -> tuple[State, str, str]:
    from dagster import DagsterInstance

    from charging_assets.orchestration.dagster_errors import require_undamaged

    require_undamaged(folder)
    with DagsterInstance.from_config(str(folder)) as instance:
        runs = instance.get_runs_count()
    return "ok", f"{folder}: settings are valid, {count_noun(runs, 'run')} recorded", ""


def _packages() -> tuple[State, str, str]:
    missing = [extra for extra in extras.MODULES if extras.missing_modules(extra)]
    installed = ", ".join(
        f"{extra} {'no' if extra in missing else 'yes'}" for extra in extras.MODULES
    )
    # The other extras belong to deployments, which fail with a message if one is missing.
    optional = [extra for extra in ("ui", "dashboard") if extra in missing]
    if optional:
        return "warning", f"extras: {installed}", f"to install: {extras.install_command(*optional)}"
    return "ok", f"extras: {installed}", ""


def _clock() -> tuple[State, str, str]:
    from charging_assets import deployments
    from charging_assets.archive.raw_archive import feeds_archived, hours_archived, polled_at

    now, lake = clock.utc_now(), deployments.storage().lake
    summary = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now < FIRST_HOUR:
        return "failed", f"{summary} is before the first partition", "set the clock"
    polled = [key for keys in hours_archived(lake).values() for key in keys]
    for feed in set(feeds_archived(lake)) - {"simulated"}:
        last = max(key for key in polled if f"/feed={feed}/" in key)
        at = polled_at(lake, last)
        if at > now + _CLOCK_TOLERANCE:
            return (
                "failed",
                f"{summary}, but {feed} was last polled at {at:%Y-%m-%d %H:%M}",
                "set the clock",
            )
    return "ok", summary, ""


_CHECKS: dict[str, Callable[[], tuple[State, str, str]]] = {
    "python": _python,
    "home": _home,
    "deployment": _deployment,
    "feeds": _feeds,
    "archive": _archive,
    "warehouse": _opens,
    "rights": _rights,
    "ledger": _ledger,
    "dagster": _dagster,
    "hosts": _hosts,
    "packages": _packages,
    "clock": _clock,
}
