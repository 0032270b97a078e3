"""Run the test bed: `python -m charging_assets_tests.testbed [options] [-- COMMAND…]`.

With a command, it runs in the bed's environment and its exit code is returned. Without one, the
environment is printed and the bed runs until Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from charging_assets_tests.testbed.bed import environment, running_bed


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    # Background jobs of a shell script ignore SIGINT; this one would never end.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    with running_bed() as bed:
        names = environment(
            bed.new_bucket(options.bucket), bed.new_database(options.isolation, options.database)
        )
        if options.command:
            return subprocess.run(options.command, env={**os.environ, **names}).returncode
        lines = [f"export {name}={shlex.quote(value)}" for name, value in names.items()]
        if options.env_file:
            # A process that waits for the file must see it complete.
            unfinished = options.env_file.with_name(f".{options.env_file.name}.writing")
            unfinished.write_text("\n".join(lines) + "\n")
            unfinished.replace(options.env_file)
        print(*lines, "# Running until Ctrl-C.", sep="\n", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("# Stopped; all data are deleted.", flush=True)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m charging_assets_tests.testbed",
        description="S3 (SeaweedFS) and Redshift (PostgreSQL behind a proxy) on loopback.",
    )
    parser.add_argument("--isolation", choices=["snapshot", "serializable"], default="snapshot")
    parser.add_argument("--bucket", default="charging-lake", help="bucket to create")
    parser.add_argument("--database", default="dev", help="database to create")
    parser.add_argument("--env-file", type=Path, help="write the environment there when ready")
    parser.add_argument("command", nargs="*", help="run this in the environment, then end")
    return parser.parse_args(arguments)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
