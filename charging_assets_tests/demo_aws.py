"""`make demo-aws`: the demo with S3 and Redshift, its tables compared with those of `make demo`.

Belongs here: starting the test bed, both demos, the comparison. Does not belong here: the bed
(`testbed`), or the demo itself (`charging_assets.cli.demo`).

Every table of the warehouse is compared row by row, and every object of the lake byte by byte. What
two runs differ in by nature is left out: the ledger's clock and its load ids.
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
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.table import Table
from charging_assets.storage.lake import Lake
from charging_assets.storage.warehouse import Warehouse
from charging_assets_tests.testbed.bed import environment, running_bed

OF_THE_RUN = {"loaded_at", "load_id"}
_FOLDERS = ("raw/", "flat/", "published/")


@dataclass(frozen=True)
class Compared:
    """A table or a folder, here and there; `difference` is empty if they are equal."""

    name: str
    count: int
    digest: str
    difference: str


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="charging-demo-aws-") as folder, running_bed() as bed:
        names = environment(bed.new_bucket(), bed.new_database(options.isolation))
        # boto3 and the driver read these by themselves when the comparison reads.
        os.environ.update({k: v for k, v in names.items() if k.startswith(("AWS_", "SSL_"))})
        local = _environment(Path(folder) / "local", {"CHARGING_DEPLOYMENT": "local"})
        aws = _environment(Path(folder) / "aws", names)
        for title, variables in (
            ("local: folder and DuckDB", local),
            ("aws: S3 and Redshift", aws),
        ):
            print(f"── {title} ──", flush=True)
            ended = subprocess.run(_demo(options.hours), env=variables, check=False)
            if ended.returncode:
                return ended.returncode
        return _tell(compared(storage(local), storage(aws)))


def compared(here: Storage, there: Storage) -> list[Compared]:
    """Every table and every folder of the lakes, compared."""
    tables = [_table(each, here.warehouse, there.warehouse) for each in TABLES]
    return tables + [_folder(each, here.lake, there.lake) for each in _FOLDERS]


def _table(table: Table, here: Warehouse, there: Warehouse) -> Compared:
    mine, theirs = (_rows(table, warehouse) for warehouse in (here, there))
    told = hashlib.sha256("\n".join(mine).encode()).hexdigest()[:16]
    if mine == theirs:
        return Compared(table.full_name, len(mine), told, "")
    differing = f"{len(mine)} rows and {len(theirs)}; "
    for one, other in zip(mine, theirs, strict=False):
        if one != other:
            differing += f"first: {one} and {other}"
            break
    return Compared(table.full_name, len(mine), told, differing)


def _rows(table: Table, warehouse: Warehouse) -> list[str]:
    """The rows as texts, which are told apart as exactly as their values."""
    names = ", ".join(name for name in table.names if name not in OF_THE_RUN)
    found = warehouse.query(f"SELECT {names} FROM {table.full_name}")
    return sorted(map(repr, zip(*(column.to_pylist() for column in found.columns), strict=True)))


def _folder(prefix: str, here: Lake, there: Lake) -> Compared:
    keys, others = here.keys(prefix), there.keys(prefix)
    mine, theirs = here.get_many(keys), there.get_many(others)
    told = hashlib.sha256(b"".join(mine)).hexdigest()[:16]
    differing = [key for key, one, other in zip(keys, mine, theirs, strict=False) if one != other]
    difference = ""
    if keys != others:
        difference = f"{len(keys)} objects and {len(others)}"
    elif differing:
        difference = f"{len(differing)} objects differ, such as {differing[0]}"
    return Compared(f"lake {prefix}", len(keys), told, difference)


def _tell(found: list[Compared]) -> int:
    print("\nlocal and aws compared, row by row and byte by byte")
    for each in found:
        state = f"differs: {each.difference}" if each.difference else "equal"
        print(f"  {each.name:<34} {each.count:>9,}  {each.digest}  {state}")
    differing = [each.name for each in found if each.difference]
    print(
        f"{len(differing)} of {len(found)} differ" if differing else f"all {len(found)} are equal"
    )
    return 1 if differing else 0


def _demo(hours: int) -> list[str]:
    return [str(Path(sys.executable).parent / "charging-assets"), "demo", "--hours", str(hours)]


def _environment(home: Path, names: Mapping[str, str]) -> dict[str, str]:
    """A shell's, without whatever of these variables it has."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CHARGING_", "DAGSTER_"))
    }
    return {**kept, **names, "CHARGING_HOME": str(home)}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The demo with S3 and Redshift on loopback.")
    parser.add_argument("--hours", type=int, default=48, help="default %(default)s")
    parser.add_argument("--isolation", choices=["snapshot", "serializable"], default="snapshot")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
