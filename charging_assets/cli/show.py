"""Output of the command line: results on standard output, progress and errors on standard error.

It also formats hours, shares, ages and sizes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from charging_assets.hours import ONE_HOUR, Hour
from charging_assets.text import escape_control

if TYPE_CHECKING:
    from rich.console import Console

_MIN_WIDTH, _MAX_WIDTH = 80, 100


class Step(Protocol):
    """Reports that one step of a progress is done, or several, with a message."""

    def __call__(self, message: str, *, failed: bool = False, count: int = 1) -> None: ...


def out() -> Console:
    """Console for results; wide enough for tables, with or without a terminal."""
    return _console(stderr=False)


def err() -> Console:
    """Console for progress, warnings and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    class Escaping(Console):
        """Escapes text, which may quote servers: rich keeps escape sequences."""

        def print(self, *objects: Any, **options: Any) -> None:
            escaped = [escape_control(each) if isinstance(each, str) else each for each in objects]
            super().print(*escaped, **options)

    console = Escaping(stderr=stderr, highlight=False, soft_wrap=False)
    width = min(max(console.width, _MIN_WIDTH), _MAX_WIDTH)
    console.width = width if console.is_terminal else _MAX_WIDTH
    return console


def print_json(value: Any) -> None:
    """Print a result as JSON, for scripts."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


@contextmanager
def progress(label: str, total: int, *, quiet: bool = False) -> Iterator[Step]:
    """A progress bar on a terminal, otherwise a line per step, or nothing if quiet.

    A failed step always gets its own line.
    """
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    console = err()
    has_bar = console.is_terminal
    began, done = time.monotonic(), 0
    bar = Progress(
        TextColumn(label),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Elapsed(),
        TextColumn("{task.fields[message]}"),
        console=console,
        disable=not has_bar,
    )
    task = bar.add_task(label, total=total, message="")

    def step(message: str, *, failed: bool = False, count: int = 1) -> None:
        nonlocal done
        done += count
        bar.update(task, completed=done, message=escape(escape_control(message)))
        if failed or not (has_bar or quiet):
            colour = "red" if failed else "default"
            so_far = f"{done:>{len(str(total))}}/{total}"
            line = f"{label} {so_far} {time.monotonic() - began:6.1f} s  {message}"
            bar.console.print(f"[{colour}]{escape(line)}[/]", soft_wrap=True)

    with bar:
        yield step


@contextmanager
def count(label: str) -> Iterator[Callable[[str], None]]:
    """On a terminal, a line with the number of items and the last one."""
    from rich.markup import escape

    number = 0

    def step(item: str) -> None:
        nonlocal number
        number += 1
        line.update(f"{label} {number:,}  {escape(item)}")

    # Without a terminal, rich prints nothing.
    with err().status(label) as line:
        yield step


def consecutive_hours(hours: Iterable[Hour]) -> list[tuple[Hour, Hour, int]]:
    """Groups of consecutive hours: first, last, count."""
    groups: list[tuple[Hour, Hour, int]] = []
    for hour in sorted(hours):
        if groups and hour.start == groups[-1][1].start + ONE_HOUR:
            groups[-1] = (groups[-1][0], hour, groups[-1][2] + 1)
        else:
            groups.append((hour, hour, 1))
    return groups


def format_hours(hours: Iterable[Hour], limit: int = 8) -> str:
    """Groups of consecutive hours, at most `limit`: `2026-01-12T00 to 2026-01-12T05 (6)`."""
    groups = consecutive_hours(hours)
    texts = [str(a) if count == 1 else f"{a} to {b} ({count})" for a, b, count in groups[:limit]]
    if len(groups) > limit:
        texts.append(f"and {sum(count for *_, count in groups[limit:])} more")
    return ", ".join(texts)


def format_span(hours: Sequence[Hour]) -> str:
    """The first and the last of sorted hours."""
    return str(hours[0]) if len(hours) == 1 else f"{hours[0]} to {hours[-1]}"


def age(since: datetime, now: datetime) -> str:
    """Time since an instant, in a readable unit: `12 min ago`."""
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
    """A share in percent; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def size(count: int) -> str:
    """Bytes in a readable unit, by powers of 1,000: `1.2 MB`."""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"
