"""How the command line looks: results on standard output, progress and warnings on the other.

Belongs here: consoles, progress, and the wording of shares, ages and runs of hours. Does not
belong here: what is said, or nouns after numbers (`plurals`).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from charging_assets.partitions import ONE_HOUR, Hour
from charging_assets.text import escape_control

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST, _WIDEST = 80, 100


class Step(Protocol):
    """Says that a step of a progress is done, or several at once, and what came of it."""

    def __call__(self, told: str, *, failed: bool = False, count: int = 1) -> None: ...


def out() -> Console:
    """Where results go; wide enough for tables, also where no terminal says how wide it is."""
    return _console(stderr=False)


def err() -> Console:
    """Where progress, warnings and errors go."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    class Escaping(Console):
        """Text may quote servers: rich removes the bell and leaves escape sequences."""

        def print(self, *objects: Any, **options: Any) -> None:
            shown = [escape_control(each) if isinstance(each, str) else each for each in objects]
            super().print(*shown, **options)

    found = Escaping(stderr=stderr, highlight=False, soft_wrap=False)
    found.width = min(max(found.width, _NARROWEST), _WIDEST) if found.is_terminal else _WIDEST
    return found


def print_json(value: Any) -> None:
    """A result for scripts."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


@contextmanager
def progress(label: str, total: int, *, quiet: bool = False) -> Iterator[Step]:
    """A bar on a terminal, a line for each step elsewhere; nothing if quiet and no terminal.

    What failed is told in a line of its own in any case.
    """
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    console = err()
    shows_bar = console.is_terminal
    began, done = time.monotonic(), 0
    bar = Progress(
        TextColumn(label),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Elapsed(),
        TextColumn("{task.fields[told]}"),
        console=console,
        disable=not shows_bar,
    )
    task = bar.add_task(label, total=total, told="")

    def step(told: str, *, failed: bool = False, count: int = 1) -> None:
        nonlocal done
        done += count
        bar.update(task, completed=done, told=escape(escape_control(told)))
        if failed or not (shows_bar or quiet):
            colour = "red" if failed else "default"
            so_far = f"{done:>{len(str(total))}}/{total}"
            line = f"{label} {so_far} {time.monotonic() - began:6.1f} s  {told}"
            bar.console.print(f"[{colour}]{escape(line)}[/]", soft_wrap=True)

    with bar:
        yield step


@contextmanager
def count(label: str) -> Iterator[Callable[[str], None]]:
    """On a terminal, a line that counts what is told and shows the last of it."""
    from rich.markup import escape

    told = 0

    def tell(what: str) -> None:
        nonlocal told
        told += 1
        line.update(f"{label} {told:,}  {escape(what)}")

    # Elsewhere rich shows nothing.
    with err().status(label) as line:
        yield tell


def runs_of(hours: Iterable[Hour]) -> list[tuple[Hour, Hour, int]]:
    """Hours as runs without a gap: first, last, how many."""
    runs: list[tuple[Hour, Hour, int]] = []
    for hour in sorted(hours):
        if runs and hour.start == runs[-1][1].start + ONE_HOUR:
            runs[-1] = (runs[-1][0], hour, runs[-1][2] + 1)
        else:
            runs.append((hour, hour, 1))
    return runs


def told_hours(hours: Iterable[Hour], most: int = 8) -> str:
    """Hours in words, runs of them shortened: `2026-01-12T00 to 2026-01-12T05 (6)`."""
    runs = runs_of(hours)
    told = [str(a) if count == 1 else f"{a} to {b} ({count})" for a, b, count in runs[:most]]
    if len(runs) > most:
        told.append(f"and {sum(count for *_, count in runs[most:])} more")
    return ", ".join(told)


def spanned(hours: Sequence[Hour]) -> str:
    """Hours of one piece of work, by the first and the last."""
    return str(hours[0]) if len(hours) == 1 else f"{hours[0]} to {hours[-1]}"


def age(since: datetime, now: datetime) -> str:
    """How long ago, in the unit that a person would use."""
    passed = now - since
    if passed < timedelta():
        return "in the future"
    if passed < timedelta(minutes=2):
        return f"{passed.seconds} s ago"
    if passed < timedelta(hours=2):
        return f"{passed.seconds // 60} min ago"
    if passed < timedelta(days=2):
        return f"{passed // timedelta(hours=1)} h ago"
    return f"{passed.days:,} days ago"


def percent(share: float | None) -> str:
    """A share in percent, or a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f} %"


def size(count: int) -> str:
    """Bytes in the unit that a person would use, by powers of 1,000."""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"
