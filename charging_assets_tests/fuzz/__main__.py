"""Fuzzing with random input: `python -m charging_assets_tests.fuzz KIND SECONDS [SEED]`.

Kinds: `feeds` (a feeds file), `imports` (folders, zips and compressed files), `addresses` (of the
dashboard). A seed reproduces every round; the first failure prints its round and exits with 1.
"""

from __future__ import annotations

import gzip
import io
import random
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from starlette.testclient import TestClient

from charging_assets.acquisition.importer import import_paths
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.dashboard import limits
from charging_assets.dashboard.reader import PublishedReader
from charging_assets.dashboard.server import PAGES, create_app
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import LocalLake
from charging_assets.publication.publish import publish
from charging_assets.publication.published_files import PublishedFiles
from charging_assets.sources.feeds import FeedError, load_feeds
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.fuzz.mutations import corrupt, encode, mutate, value
from charging_assets_tests.modelling import hours

_PAGE_TIMEOUT_S = 600.0
_FEEDS = """\
[feeds.chargecloud]
add_places = ["my-city"]
cadence_s = 600
[feeds.mine]
kind = "chargecloud"
base_url = "https://poi.example.org/a"
places = ["a", "b"]
time_zone = "Europe/Berlin"
country = "DE"
max_workers = 4
place_timeout_s = 30.0
network = "net"
ids_within = "place"
enabled = false
"""
_STEMS = [
    "20220112_062000_koeln", "koeln-2022-01-12T06-20", "0620", "status", "12.01.2022_0620_koeln",
    "1641968400", "99991231_235959_x", "00010101_000000_x", "20220327_023000_koeln", "koeln",
    "k\xf6ln", "20220112_062000", "2022-01-12", "a" * 200,
]  # fmt: skip


def fuzz_feeds(source: random.Random, folder: Path) -> None:
    """A feeds file is loaded, or refused with a message."""
    path = folder / "feeds.toml"
    lines = _FEEDS.splitlines()
    for _ in range(source.randrange(1, 5)):
        at = source.randrange(len(lines))
        name = lines[at].partition(" = ")[0]
        lines[at] = source.choice(
            [f"{name} = {value(source)!r}", f"{name} = {value(source)}", "", lines[at] * 2]
        )
    path.write_bytes(
        corrupt("\n".join(lines).encode("utf-8", "surrogatepass"), source)
        if source.random() < 0.5
        else "\n".join(lines).encode("utf-8", "surrogatepass")
    )
    refusal = str(path)
    try:
        load_feeds(path)
    except FeedError as error:
        refusal = str(error)
    assert str(path) in refusal
    assert len(refusal) < 4000


def fuzz_imports(source: random.Random, folder: Path) -> None:
    """An import archives files or reports problems; a refused import archives nothing."""
    feed = load_feeds(None)["chargecloud"]
    answer = {
        "data": [hours.station([hours.evse("e1"), hours.evse("e2", "CHARGING")], "s1")],
        "status_code": 1000,
        "timestamp": "2022-01-12T05:20:00Z",
    }
    root = folder / "in"
    for _ in range(source.randrange(1, 5)):
        document = answer if source.random() < 0.5 else {"koeln": answer, "bonn": answer, "x": 1}
        content = encode(mutate(document, source, source.choice([0, 0.02, 0.2])))
        if source.random() < 0.4:
            content = corrupt(content, source)
        name = source.choice(_STEMS) + source.choice([".json", ".json.gz", ".zip", ".txt", ".JSON"])
        if name.endswith(".gz"):
            content = gzip.compress(content)
        if name.endswith(".zip"):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr(f"{source.choice(['', 'koeln/', '../'])}{_STEMS[0]}.json", content)
            content = packed.getvalue()
        if source.random() < 0.2:
            content = corrupt(content, source)
        target = root / source.choice(["", "koeln", "bonn/2022-01-12", "2022/01/12"]) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    lake = MemoryLake()
    place_from = source.choice([None, None, "folder", "name"])
    report = import_paths(lake, feed, [root], place_from=place_from)  # type: ignore[arg-type]
    if report.refused:
        assert not lake.keys("raw/")
    assert len(report.imported) >= len(set(lake.keys("raw/")))
    for message in (*report.problems.values(), *report.refused.values()):
        assert message.strip()
        assert message.isprintable() or "\n" in message


class Addresses:
    """Pages of the dashboard over a small network."""

    def __init__(self, folder: Path) -> None:
        # A busy machine must not cause failures.
        limits.PAGE_TIMEOUT_S = _PAGE_TIMEOUT_S
        lake, warehouse = LocalLake(folder / "lake"), DuckDBWarehouse(None)
        polled = hours.lake_of({0: [hours.station([hours.evse("a")], "s")]})
        for hour in hours_archived(polled):
            hours.load(warehouse, polled, hour)
        publish(lake, warehouse, *hours_archived(polled))
        self._client = TestClient(
            create_app(
                PublishedReader(PublishedFiles(lake), "fuzz"),
                lambda: datetime(2022, 1, 12, tzinfo=UTC),
            ),
            base_url="http://127.0.0.1:3001",
            raise_server_exceptions=False,
        )

    def __call__(self, source: random.Random, _folder: Path) -> None:
        """Every address gets a response."""
        names = ["at", "evse", "feed", "from", "lang", "operator", "page_evses", "page_stations",
                 "place", "state", "station", "to", "x"]  # fmt: skip
        path = source.choice([*PAGES, *(f"{page}/stations.csv" for page in PAGES), "x", ""])
        query = {
            source.choice(names): source.choice([value(source), "2022-01-11", "koeln", "s"])
            for _ in range(source.randrange(4))
        }
        response = self._client.get(f"/{path}?{urlencode(query, errors='replace')}")
        assert response.status_code in {200, 404}, (response.status_code, path, query)


def main(kind: str, seconds: float, seed: int) -> int:
    began, rounds = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as home:
        fuzz: Callable[[random.Random, Path], None] = {
            "feeds": lambda: fuzz_feeds,
            "imports": lambda: fuzz_imports,
            "addresses": lambda: Addresses(Path(home)),
        }[kind]()
        while time.monotonic() - began < seconds:
            rounds += 1
            with tempfile.TemporaryDirectory() as folder:
                try:
                    fuzz(random.Random(f"{seed}:{rounds}"), Path(folder))
                except Exception:
                    traceback.print_exc()
                    print(f"{kind}: round {rounds} of seed {seed} failed", file=sys.stderr)
                    return 1
    print(f"{kind}: {rounds} rounds of seed {seed} in {time.monotonic() - began:.0f} s, no failure")
    return 0


if __name__ == "__main__":
    arguments = [*sys.argv[1:], "1"]
    sys.exit(main(arguments[0], float(arguments[1]), int(arguments[2])))
