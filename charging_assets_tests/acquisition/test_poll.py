"""A poll of a real server on loopback: each fault costs its own place, never the poll."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from charging_assets import __version__
from charging_assets.acquisition.poll import failed_places, poll
from charging_assets.archive import raw_archive
from charging_assets.archive.raw_objects import PlaceResponse
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources import chargecloud
from charging_assets.sources.feeds import Feed
from charging_assets_tests.acquisition import loopback
from charging_assets_tests.acquisition.loopback import OK, Loopback, reply

GOOD = tuple(f"good{number}" for number in range(6))
# Good places answer at once, and have this long on a machine that does other things too.
LATE_S = 3
# What is not cut off takes longer than this.
SOON_S = 20

FAULTS = {
    "html_error": (reply(loopback.HTML, 500), "http_error"),
    "not_found": (reply(b"", 404), "http_error"),
    "busy": (reply(b"", 429, Retry_After=100), "http_error"),
    "drip_body": (loopback.drip_body(), "timeout"),
    "drip_headers": (loopback.drip_headers(), "timeout"),
    "silence": (loopback.silence(), "timeout"),
    "bomb": (loopback.gzip_bomb(), "too_large"),
    "large": (loopback.large(100), "too_large"),
    "large_chunked": (loopback.large(100, is_declared=False), "too_large"),
    "truncated": (loopback.truncated(), "truncated"),
    "truncated_chunks": (loopback.truncated_chunks(), "truncated"),
    "truncated_gzip": (loopback.truncated_gzip(), "truncated"),
    "reset": (loopback.reset(), "connection_error"),
    "to_other_host": (loopback.redirect("http://localhost:1/"), "redirect_refused"),
    "to_metadata": (loopback.redirect("http://169.254.169.254/"), "redirect_refused"),
}


def feed(server: Loopback, *places: str, **settings: Any) -> Feed:
    limits = {"place_timeout_s": 30, "poll_budget_s": 60, "attempts": 1, "max_body_bytes": 10**7}
    defaults = {"name": "test", "kind": "chargecloud", "base_url": server.url, **limits}
    return Feed(places=places, **{**defaults, **settings})


def outcomes(places: list[PlaceResponse]) -> dict[str, str]:
    return {place.slug: place.outcome for place in places}


def test_poll__header_has_slot_times_and_requested_places(server: Loopback) -> None:
    before = datetime.now(UTC)
    header, places = poll(feed(server, "b", "A", cadence_s=300))
    assert before <= header.started_at <= header.ended_at <= datetime.now(UTC)
    assert (header.feed, header.kind, header.place_slugs) == ("test", "chargecloud", ("b", "A"))
    assert (header.cadence_s, header.time_zone) == (300, "Europe/Berlin")
    assert (header.program, header.is_imported) == (f"charging_assets {__version__}", False)
    assert header.slot_at.minute % 5 == 0 and header.slot_at <= header.started_at
    assert [(place.slug, place.outcome, place.body) for place in places] == [
        ("A", "ok", OK),
        ("b", "ok", OK),
    ]
    assert failed_places(places) == []


def test_poll__that_crosses_the_hour_belongs_to_its_first_request(server: Loopback) -> None:
    first = datetime(2024, 5, 1, 12, 59, 59, tzinfo=UTC)
    began: list[float] = []

    def now() -> datetime:
        """A clock that runs 50 × faster, so that the poll takes more than 10 of its seconds.

        It starts when it is first read, however long the test took to get there.
        """
        began.append(time.monotonic())
        return first + 50 * timedelta(seconds=began[-1] - began[0])

    server.behaviours["late"] = reply(OK, delay_s=0.25)
    header, places = poll(feed(server, "quick", "late"), now=now)
    assert header.ended_at >= datetime(2024, 5, 1, 13, 0, 10, tzinfo=UTC)
    assert header.slot_at == datetime(2024, 5, 1, 12, 50, tzinfo=UTC)
    assert Hour.of(header.slot_at).key == "2024-05-01T12"
    assert failed_places(places) == []


@pytest.mark.fault(
    "A place answers 500, times out, resets or is unreachable",
    "only this place fails; the poll is complete for all other places",
    area="answers",
)
@pytest.mark.parametrize("fault", FAULTS)
def test_poll__a_fault_fails_only_its_place(server: Loopback, fault: str) -> None:
    server.behaviours[fault], outcome = FAULTS[fault]
    began = time.monotonic()
    _, places = poll(feed(server, *GOOD[:3], fault, *GOOD[3:], place_timeout_s=LATE_S))
    assert time.monotonic() - began < SOON_S
    assert outcomes(places) == {**dict.fromkeys(GOOD, "ok"), fault: outcome}
    assert failed_places(places) == [(fault, outcome)]


@pytest.mark.fault(
    "Every fault of the network at once",
    "valid places are archived, each failed place has its outcome",
    area="answers",
)
def test_poll__all_faults_at_once_leave_the_good_places(server: Loopback) -> None:
    server.behaviours.update({slug: behaviour for slug, (behaviour, _) in FAULTS.items()})
    began = time.monotonic()
    header, places = poll(feed(server, *FAULTS, *GOOD, place_timeout_s=2 * LATE_S))
    assert time.monotonic() - began < SOON_S
    expected = {slug: outcome for slug, (_, outcome) in FAULTS.items()}
    assert outcomes(places) == {**expected, **dict.fromkeys(GOOD, "ok")}
    lake = MemoryLake()
    key, _ = raw_archive.archive(lake, header, places)
    assert [answer.place for answer in raw_archive.read(lake, key)] == places


def test_poll__places_beyond_the_budget_are_reported_not_awaited(server: Loopback) -> None:
    server.behaviours.update({slug: loopback.silence() for slug in ("a", "b")})
    slow = feed(server, "a", "b", *GOOD, max_workers=2, place_timeout_s=30, poll_budget_s=0.6)
    began = time.monotonic()
    _, places = poll(slow)
    assert time.monotonic() - began < SOON_S
    assert set(outcomes(places).values()) == {"over_budget"} and len(places) == 2 + len(GOOD)
    details = {place.slug: place.detail for place in places}
    assert (details["a"], details["good0"]) == ("cut off in attempt 1", "not requested")
    assert sorted(server.paths()) == ["/a", "/b"]


def _kind_with(url: Any) -> ModuleType:
    module = ModuleType("tests_of.a_kind")
    module.__dict__.update(vars(chargecloud), url=url)
    return module


def test_poll__thread_that_hangs_is_left_behind(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a resolver that never returns: no socket that could be shut, no time-out that helps."""
    is_over = threading.Event()

    def url(base_url: str, slug: str) -> str:
        if slug.startswith("hang"):
            is_over.wait(60)
        return f"{base_url}/{slug}"

    monkeypatch.setitem(sys.modules, "tests_of.a_kind", _kind_with(url))
    limits = {"kind": "tests_of.a_kind", "max_workers": 2, "place_timeout_s": LATE_S}
    hanging = feed(server, "hang1", "hang2", *GOOD, **limits)
    began = time.monotonic()
    _, places = poll(hanging)
    assert time.monotonic() - began < SOON_S
    expected = {"hang1": "timeout", "hang2": "timeout", **dict.fromkeys(GOOD, "ok")}
    assert outcomes(places) == expected
    is_over.set()


_HANGING = """
import sys, time, types
from charging_assets.sources import chargecloud
sys.modules["tests_of.a_kind"] = kind = types.ModuleType("tests_of.a_kind")
kind.__dict__.update(vars(chargecloud), url=lambda *_: time.sleep(60))
from charging_assets.sources.feeds import Feed
from charging_assets.acquisition.poll import poll
base = {"name": "test", "kind": "tests_of.a_kind", "base_url": "http://127.0.0.1"}
began = time.monotonic()
_, places = poll(Feed(places=("a", "b"), poll_budget_s=0.4, **base))
print(time.monotonic() - began, *(place.outcome for place in places))
"""


@pytest.mark.fault(
    "A response of one byte at a time",
    area="answers",
)
def test_poll__budget_holds_and_the_program_ends_though_every_thread_hangs() -> None:
    program = [sys.executable, "-c", _HANGING]
    answer = subprocess.run(program, capture_output=True, text=True, check=True, timeout=50)
    took_s, *outcomes_printed = answer.stdout.split()
    assert 0.4 <= float(took_s) < SOON_S
    assert outcomes_printed == ["over_budget", "over_budget"]


def test_poll__an_unexpected_error_fails_one_place(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def url(base_url: str, slug: str) -> str:
        return f"{base_url}/{ {'good0': 'x'}[slug] }"

    monkeypatch.setitem(sys.modules, "tests_of.a_kind", _kind_with(url))
    _, places = poll(feed(server, "good0", "bad", kind="tests_of.a_kind"))
    assert outcomes(places) == {"good0": "ok", "bad": "failed"}
    assert places[0].detail == "KeyError" and "requesting bad failed" in caplog.text


def test_poll__never_requests_more_places_at_once_than_workers(server: Loopback) -> None:
    lock, running, most = threading.Lock(), 0, 0
    three = threading.Barrier(3, timeout=25)

    def count(handler: loopback.Handler) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        three.wait()
        time.sleep(0.05)
        with lock:
            running -= 1
        reply()(handler)

    slugs = [f"p{number}" for number in range(12)]
    server.behaviours.update(dict.fromkeys(slugs, count))
    _, places = poll(feed(server, *slugs, max_workers=3))
    assert failed_places(places) == []
    assert most == 3


_MEMORY = """
import sys
from pathlib import Path
from charging_assets.sources.feeds import Feed
from charging_assets.acquisition.poll import poll

def peak_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

url, cap, places = sys.argv[1], int(sys.argv[2]), tuple(sys.argv[3].split(","))
settings = dict(name="test", kind="chargecloud", base_url=url, max_body_bytes=cap)
poll(Feed(places=("good0", "good1"), **settings))
Path("/proc/self/clear_refs").write_text("5")
before = peak_kb()
_, answers = poll(Feed(places=places, place_timeout_s=10, poll_budget_s=12, attempts=1, **settings))
outcomes = {answer.outcome for answer in answers if answer.slug not in {"good0", "good1"}}
print((peak_kb() - before) // 1024, *outcomes)
"""


@pytest.mark.fault(
    "A body of 100 MB, or a gzip bomb",
    area="answers",
)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured by Linux")
@pytest.mark.parametrize(
    ("behaviour", "cap_mb"),
    [
        (loopback.gzip_bomb(), 64),
        (loopback.gzip_bomb(128, 302, Location="http://localhost:1/"), 64),
        (loopback.large(100), 64),
        (loopback.large(100, is_declared=False), 8),
    ],
    ids=["bomb", "bomb_redirect", "declared", "chunked"],
)
def test_poll__memory_stays_low_under_four_attacks_at_once(
    server: Loopback, behaviour: loopback.Behaviour, cap_mb: int
) -> None:
    slugs = ["bad0", "bad1", "bad2", "bad3"]
    server.behaviours.update(dict.fromkeys(slugs, behaviour))
    program = [sys.executable, "-c", _MEMORY, server.url, str(cap_mb * 1024**2)]
    answer = subprocess.run(
        [*program, ",".join([*slugs, "good0", "good1"])], capture_output=True, text=True, check=True
    )
    growth_mb, outcome = answer.stdout.split()
    print(f"peak memory grew by {growth_mb} MB")
    assert outcome in {"too_large", "redirect_refused"}
    assert int(growth_mb) < 64
