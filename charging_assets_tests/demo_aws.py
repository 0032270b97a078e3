"""`make demo-aws`: the demo with S3 and Redshift, compared with the local demo.

Every table of the warehouse is compared row by row, and every object of the lake byte by byte,
except the load times and load ids, which differ between runs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from charging_assets.deployments import Storage, storage
from charging_assets.lake.store import Lake
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.table import Table
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests.testbed.bed import environment, running_bed

RUN_COLUMNS = {"loaded_at", "load_id"}
_FOLDERS = ("raw/", "flat/", "published/")


@dataclass(frozen=True)
class Comparison:
    """A table or a folder in both deployments; `difference` is empty if they are equal."""

    name: str
    count: int
    digest: str
    difference: str


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="charging-demo-aws-") as folder, running_bed() as bed:
        names = environment(bed.new_bucket(), bed.new_database(options.isolation))
        # boto3 and the driver read these variables for the comparison.
        os.environ.update({k: v for k, v in names.items() if k.startswith(("AWS_", "SSL_"))})
        local = _environment(Path(folder) / "local", {"CHARGING_DEPLOYMENT": "local"})
        aws = _environment(Path(folder) / "aws", names)
        for title, variables in (
            ("local: folder and DuckDB", local),
            ("aws: S3 and Redshift", aws),
        ):
            print(f"── {title} ──", flush=True)
            result = subprocess.run(_demo(options.hours), env=variables, check=False)
            if result.returncode:
                return result.returncode
        return _print_comparisons(compare(storage(local), storage(aws)))


def compare(local: Storage, aws: Storage) -> list[Comparison]:
    """Compare every table of the warehouses and every folder of the lakes."""
    tables = [_compare_table(table, local.warehouse, aws.warehouse) for table in TABLES]
    return tables + [_compare_folder(folder, local.lake, aws.lake) for folder in _FOLDERS]


def _compare_table(table: Table, local: Warehouse, aws: Warehouse) -> Comparison:
    local_rows, aws_rows = (_rows(table, warehouse) for warehouse in (local, aws))
    digest = hashlib.sha256("\n".join(local_rows).encode()).hexdigest()[:16]
    if local_rows == aws_rows:
        return Comparison(table.full_name, len(local_rows), digest, "")
    difference = f"{len(local_rows)} rows and {len(aws_rows)}; "
    for one, other in zip(local_rows, aws_rows, strict=False):
        if one != other:
            difference += f"first: {one} and {other}"
            break
    return Comparison(table.full_name, len(local_rows), digest, difference)


def _rows(table: Table, warehouse: Warehouse) -> list[str]:
    """The rows as texts, which are equal exactly if their values are."""
    names = ", ".join(name for name in table.names if name not in RUN_COLUMNS)
    rows = warehouse.query(f"SELECT {names} FROM {table.full_name}")
    return sorted(map(repr, zip(*(column.to_pylist() for column in rows.columns), strict=True)))


def _compare_folder(prefix: str, local: Lake, aws: Lake) -> Comparison:
    keys, aws_keys = local.keys(prefix), aws.keys(prefix)
    bodies, aws_bodies = local.get_many(keys), aws.get_many(aws_keys)
    digest = hashlib.sha256(b"".join(bodies)).hexdigest()[:16]
    differing = [
        key for key, one, other in zip(keys, bodies, aws_bodies, strict=False) if one != other
    ]
    difference = ""
    if keys != aws_keys:
        difference = f"{len(keys)} objects and {len(aws_keys)}"
    elif differing:
        difference = f"{len(differing)} objects differ, such as {differing[0]}"
    return Comparison(f"lake {prefix}", len(keys), digest, difference)


def _print_comparisons(comparisons: list[Comparison]) -> int:
    print("\nlocal and aws compared, row by row and byte by byte")
    for part in comparisons:
        state = f"differs: {part.difference}" if part.difference else "equal"
        print(f"  {part.name:<34} {part.count:>9,}  {part.digest}  {state}")
    differing = [part.name for part in comparisons if part.difference]
    print(
        f"{len(differing)} of {len(comparisons)} differ"
        if differing
        else f"all {len(comparisons)} are equal"
    )
    return 1 if differing else 0


def _demo(hours: int) -> list[str]:
    return [str(Path(sys.executable).parent / "charging-assets"), "demo", "--hours", str(hours)]


def _environment(home: Path, names: Mapping[str, str]) -> dict[str, str]:
    """The environment of the shell with these variables, and without its own settings."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CHARGING_", "DAGSTER_"))
    }
    return {**inherited, **names, "CHARGING_HOME": str(home)}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The demo with S3 and Redshift on loopback.")
    parser.add_argument("--hours", type=int, default=48, help="default %(default)s")
    parser.add_argument("--isolation", choices=["snapshot", "serializable"], default="snapshot")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
