"""Estimate the monthly costs on AWS, for the network at 1x and at 100x.

Prices, measurements and assumptions are in `assumptions.toml`.

    python deploy/costs/estimate.py            # print the tables
    python deploy/costs/estimate.py --write    # update docs/deployment.md
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
PAGE = _HERE.parents[1] / "docs/deployment.md"
START, END = "<!-- costs: start -->", "<!-- costs: end -->"
_GB = 1e9
SCALES = (1, 100)


def assumptions() -> dict[str, Any]:
    """Read prices, measurements and assumptions."""
    return tomllib.loads((_HERE / "assumptions.toml").read_text(encoding="utf-8"))


def redshift_seconds_a_month(given: Mapping[str, Any], scale: int) -> float:
    """Charged seconds of Serverless: each wake-up is charged for at least the minimum.

    The hourly load is one wake-up, because its transactions follow each other without a pause. The
    result is at most the seconds of a month.
    """
    assumed, month = given["assumed"], given["month"]
    minimum = assumed["redshift_minimum_seconds"]
    load = max(assumed[f"redshift_load_seconds_{scale}x"], minimum)
    read = max(assumed["redshift_reader_seconds"], minimum)
    looks = assumed["redshift_sensor_wakes_an_hour"] * minimum
    reads = read * assumed["redshift_reader_wakes_a_day"] * month["days"]
    maintain = max(assumed["redshift_maintain_seconds_a_day"], minimum) * month["days"]
    return float(min((load + looks) * month["hours"] + reads + maintain, month["hours"] * 3600))


def rpus(given: Mapping[str, Any], scale: int) -> float:
    """The base capacity of Serverless: the smallest at 1x."""
    assumed = given["assumed"]
    return float(assumed["redshift_rpus" if scale == 1 else f"redshift_rpus_{scale}x"])


def monthly(given: Mapping[str, Any], scale: int) -> dict[str, float]:
    """US dollars a month by item, after `years` of operation."""
    price = {name: entry["usd"] for name, entry in given["prices"].items()}
    measured, assumed, month = given["measured"], given["assumed"], given["month"]
    hours, kept_hours = month["hours"], month["hours"] * 12 * assumed["years"]
    polls, kept_polls = (measured["polls_an_hour"] * duration for duration in (hours, kept_hours))

    lake_bytes = scale * (
        kept_polls * measured["raw_bytes_a_poll_compacted"]
        + kept_hours * (measured["flat_bytes_an_hour"] + measured["published_bytes_an_hour"])
    )
    puts = polls + hours * (assumed["puts_a_load"] + assumed["lists_an_hour"])
    gets = polls * 2 + hours * assumed["gets_a_load"]
    run_seconds = assumed["runs_an_hour"] * hours * assumed[f"run_seconds_{scale}x"]

    def fargate(seconds: float, vcpu: float, gb: float) -> float:
        per_second = vcpu * price["fargate_vcpu_second"] + gb * price["fargate_gb_second"]
        return seconds * per_second

    events = assumed["runs_an_hour"] * 24 * assumed["run_event_days"] * measured["run_event_bytes"]
    rpu_hours = redshift_seconds_a_month(given, scale) * rpus(given, scale) / 3600
    warehouse = scale * kept_hours * measured["warehouse_bytes_an_hour"]
    return {
        "Redshift Serverless, compute": rpu_hours * price["redshift_rpu_hour"],
        "Redshift, storage": warehouse / _GB * price["redshift_storage_gb_month"],
        "Fargate, services": fargate(
            hours * 3600, assumed["services_vcpu"], assumed["services_gb"]
        ),
        "Fargate, runs": fargate(
            run_seconds, assumed[f"run_vcpu_{scale}x"], assumed[f"run_gb_{scale}x"]
        ),
        "RDS for Dagster": hours * price["rds_micro_hour"]
        + (20 + events / _GB) * price["rds_storage_gb_month"],
        "S3, storage": lake_bytes / _GB * price["s3_storage_gb_month"],
        "S3, requests": puts / 1000 * price["s3_put_1000"] + gets / 1000 * price["s3_get_1000"],
    }


def tables() -> str:
    """The estimate with its prices and assumptions, as Markdown."""
    given = assumptions()
    by_scale = {scale: monthly(given, scale) for scale in SCALES}
    lines = ["| US dollars a month | 1× | 100× |", "|---|---:|---:|"]
    for part in by_scale[1]:
        lines.append(f"| {part} | {by_scale[1][part]:,.2f} | {by_scale[100][part]:,.2f} |")
    sums = [sum(by_scale[scale].values()) for scale in SCALES]
    lines.append(f"| **total** | **{sums[0]:,.0f}** | **{sums[1]:,.0f}** |")
    seconds = [redshift_seconds_a_month(given, scale) / 3600 for scale in SCALES]
    lines += [
        "",
        f"Redshift is active for {seconds[0]:,.0f} of {given['month']['hours']} hours at 1× and "
        f"{seconds[1]:,.0f} at 100×. One more wake-up an hour, such as a dashboard that refreshes "
        f"automatically, adds {_one_wake_an_hour(given):,.0f} dollars a month; a query every "
        f"minute keeps it active, for {_always_awake(given):,.0f}.",
        "",
        "Prices are those of US East (N. Virginia); Frankfurt, which the files of `deploy/` name, "
        "is 5 to 20 % more expensive. The seconds of Redshift are assumed, not measured: see "
        "[Measuring the costs of Redshift](#measuring-the-costs-of-redshift).",
        "",
        "| price | US dollars | checked | source |",
        "|---|---:|---|---|",
    ]
    lines += [
        f"| `{name}` | {entry['usd']:.9f}".rstrip("0") + f" | {entry['seen']} | {entry['source']} |"
        for name, entry in given["prices"].items()
    ]
    lines += ["", "| measured or assumed | |", "|---|---:|"]
    for section in ("measured", "assumed"):
        lines += [f"| `{name}` | {value:,} |" for name, value in given[section].items()]
    return "\n".join(lines)


def _one_wake_an_hour(given: Mapping[str, Any]) -> float:
    assumed = given["assumed"]
    seconds = assumed["redshift_minimum_seconds"] * given["month"]["hours"]
    rpu_hours = seconds * assumed["redshift_rpus"] / 3600
    return float(rpu_hours * given["prices"]["redshift_rpu_hour"]["usd"])


def _always_awake(given: Mapping[str, Any]) -> float:
    price = given["prices"]["redshift_rpu_hour"]["usd"]
    return float(given["month"]["hours"] * given["assumed"]["redshift_rpus"] * price)


def render(page: str) -> str:
    """The page with the current tables."""
    before, rest = page.split(START)
    after = rest.split(END)[1]
    return f"{before}{START}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(tables())
