"""`import`: import archives of other collectors into the raw archive."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from charging_assets.cli import show
from charging_assets.cli.arguments import add_json, time_zone
from charging_assets.cli.errors import FAILED, UsageError
from charging_assets.hours import Hour
from charging_assets.text import count_noun

if TYPE_CHECKING:
    from charging_assets.acquisition.import_plan import ImportPlan
    from charging_assets.acquisition.importer import ImportReport, PlaceSpan
    from charging_assets.sources.feeds import Feed

NAME = "import"
HELP = "Import archived answers (.json, .json.gz, .zip, folders) as raw objects at their time."
_MAX_LISTED = 20
_MAX_PLACES_LISTED = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="files, zips or folders"
    )
    parser.add_argument("--feed", default="chargecloud", help="feed the files belong to")
    parser.add_argument(
        "--place-from",
        choices=("folder", "name"),
        help="where the place of a file with one answer comes from: the nearest folder that is not "
        "a date or number, or the file's name (default: whichever is unambiguous)",
    )
    parser.add_argument(
        "--names-in",
        type=time_zone,
        metavar="ZONE",
        help="time zone of times in file names, for example UTC (default: the feed's)",
    )
    parser.add_argument(
        "--times-from",
        choices=("answers", "names"),
        help="where the time of a file comes from: its answers, or its path without comparing the "
        "two (default: the path, if the answers do not contradict it)",
    )
    parser.add_argument(
        "--member",
        action="append",
        default=[],
        type=_member,
        metavar="NAME=place|field",
        help="whether a member of a file's JSON object is a place whose request failed, or another "
        "field, which is skipped; repeatable (default: refuse the import if unclear)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the places and hours, import nothing"
    )
    add_json(parser)


def _member(text: str) -> tuple[str, str]:
    name, _, choice = text.rpartition("=")
    if not name or choice not in ("place", "field"):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=place or NAME=field")
    return name, choice


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.acquisition.import_plan import plan_import
    from charging_assets.acquisition.importer import execute_import, report_of
    from charging_assets.sources.feeds import load_feeds

    feed = _find_feed(arguments.feed, load_feeds())
    with show.count("reading") as step:
        plan = plan_import(
            feed,
            arguments.paths,
            arguments.names_in,
            arguments.place_from,
            step,
            members=dict(arguments.member),
            times_from=arguments.times_from,
        )
    if arguments.dry_run or plan.doubts:
        report = report_of(plan)
    else:
        lake = deployments.storage().lake
        with show.count("importing") as step:
            report = execute_import(lake, plan, step)
    if arguments.json:
        _print_json(report)
    else:
        _print(report, is_dry_run=arguments.dry_run)
        if report.refused:
            _print_refusal(plan)
    return FAILED if report.problems or report.refused else 0


def _find_feed(name: str, feeds: dict[str, Feed]) -> Feed:
    if name not in feeds:
        raise UsageError(f"there is no feed {name!r}; there are: {', '.join(sorted(feeds))}")
    return feeds[name]


def _print_json(report: ImportReport) -> None:
    show.print_json(
        {
            "imported": report.imported,
            "already_there": report.existing,
            "problems": report.problems,
            "passed_over": report.skipped,
            "refused": report.refused,
            "fields_left_out": report.fields,
            "places": {
                name: {
                    "polls": place.polls,
                    "first": place.first.isoformat(),
                    "last": place.last.isoformat(),
                    "is_configured": place.is_configured,
                }
                for name, place in report.places.items()
            },
        }
    )


def _print(report: ImportReport, *, is_dry_run: bool) -> None:
    if not (is_dry_run or report.refused):
        for title, files in (("imported", report.imported), ("already there", report.existing)):
            print(f"{count_noun(len(files), 'file')} {title}")
            for name, key in list(files.items())[:_MAX_LISTED]:
                print(f"  {name} → {key}")
            if len(files) > _MAX_LISTED:
                print(f"  and {len(files) - _MAX_LISTED:,} more")
    if not report.refused:
        _print_places(report.places)
    if report.skipped:
        first = ", ".join(Path(path).name for path in report.skipped[:3])
        print(f"{count_noun(len(report.skipped), 'file')} of other types skipped: {first}")
    if report.fields:
        # All files of an archive usually have the same fields.
        fields = sorted({name for names in report.fields.values() for name in names})
        more = f" and {len(fields) - _MAX_LISTED:,} more" if len(fields) > _MAX_LISTED else ""
        print(
            f"{count_noun(len(fields), 'field')} next to the places skipped, in "
            f"{count_noun(len(report.fields), 'file')}: {', '.join(fields[:_MAX_LISTED])}{more}"
        )
    for name, problem in report.problems.items():
        _print_error(f"{name}: {problem}")
    if is_dry_run:
        print("nothing was imported (--dry-run)")
    elif report.imported:
        print("Run `charging-assets load` to load them into the warehouse.")


def _print_places(places: dict[str, PlaceSpan]) -> None:
    print(count_noun(len(places), "place"))
    for name, place in list(places.items())[:_MAX_PLACES_LISTED]:
        new = "" if place.is_configured else ", not configured in the feed"
        print(
            f"  {name}: {count_noun(place.polls, 'poll')}, "
            f"{show.format_span(sorted({Hour.of(place.first), Hour.of(place.last)}))}{new}"
        )
    if len(places) > _MAX_PLACES_LISTED:
        print(f"  and {len(places) - _MAX_PLACES_LISTED:,} more")


def _print_refusal(plan: ImportPlan) -> None:
    files_by_reason: dict[str, list[str]] = {}
    for path, reason in plan.doubts.items():
        files_by_reason.setdefault(reason, []).append(path)
    for reason, files in list(files_by_reason.items())[:_MAX_LISTED]:
        more = f" (and {len(files) - 1:,} more)" if len(files) > 1 else ""
        _print_error(f"{files[0]}{more}: {reason}")
    if len(files_by_reason) > _MAX_LISTED:
        _print_error(f"and {len(files_by_reason) - _MAX_LISTED:,} other problems")
    for source in ("folder", "name"):
        if places := plan.places_from(source):
            first = ", ".join(places[:5]) + (", …" if len(places) > 5 else "")
            show.err().print(
                f"--place-from {source} makes {count_noun(len(places), 'place')} of them: {first}",
                markup=False,
                soft_wrap=True,
            )
    _print_error("nothing was imported: the place or time of some files is ambiguous")


def _print_error(message: str) -> None:
    show.err().print(f"error: {message}", style="red", markup=False, soft_wrap=True)
