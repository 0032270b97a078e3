"""Identity settings: read from the current feeds file, and part of an hour's digest."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from charging_assets.archive.identities import (
    FeedIdentity,
    changed_identities,
    configured_identities,
    effective_identities,
    identity_of,
    record_identities,
)
from charging_assets.archive.raw_archive import digest
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import LakeError
from charging_assets.sources import chargecloud
from charging_assets.sources.feeds import FeedError, load_feeds

PARTS = ("NAME", "STATION", "EVSE", "CONNECTOR", "url", "split")
KEYS = ["raw/feed=a/date=2022-01-11/hour=20/x", "raw/feed=b/date=2022-01-11/hour=20/y"]
NEW = '[feeds.{name}]\nkind = "chargecloud"\nbase_url = "https://example.org"\nplaces = ["a"]\n'


@pytest.fixture
def feeds_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "feeds.toml"
    path.write_text("", "utf-8")
    monkeypatch.setenv("CHARGING_FEEDS", str(path))
    return path


def test_configured_identities__are_those_that_differ_from_the_default(feeds_file: Path) -> None:
    assert configured_identities() == {}
    text = '[feeds.chargecloud]\nids_within = "place"\n' + NEW.format(name="new")
    feeds_file.write_text(text, "utf-8")
    assert configured_identities() == {"chargecloud": FeedIdentity("chargecloud", "place")}
    feeds_file.write_text(f'{text}network = "old"\n', "utf-8")
    assert configured_identities()["new"] == FeedIdentity("old")
    assert identity_of("gone", configured_identities()) == FeedIdentity("gone")


def test_configured_identities__need_no_file_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGING_FEEDS", raising=False)
    assert configured_identities() == {}


def test_configured_identities__notice_a_change_of_equal_size(feeds_file: Path) -> None:
    feeds_file.write_text('[feeds.chargecloud]\nnetwork = "one"\n', "utf-8")
    os.utime(feeds_file, ns=(1, 1))
    assert configured_identities()["chargecloud"].network == "one"
    feeds_file.write_text('[feeds.chargecloud]\nnetwork = "two"\n', "utf-8")
    os.utime(feeds_file, ns=(2, 2))
    assert configured_identities()["chargecloud"].network == "two"


def test_configured_identities__of_a_deleted_file_are_refused(feeds_file: Path) -> None:
    feeds_file.unlink()
    with pytest.raises(FeedError, match="CHARGING_FEEDS"):
        configured_identities()


def test_digest__depends_on_identities_of_its_feeds_only() -> None:
    of_place, of_network = FeedIdentity("a", "place"), FeedIdentity("x")
    assert digest(KEYS, {"c": of_place}) == digest(KEYS, {}) == digest(KEYS)
    digests = {
        digest(KEYS, identities)
        for identities in ({}, {"a": of_place}, {"b": of_place}, {"a": of_network})
    }
    assert len(digests) == 4
    assert digest(reversed(KEYS), {"a": of_place}) == digest(KEYS, {"a": of_place})


@pytest.mark.parametrize(
    ("text", "message_parts"),
    [
        ('[feeds.chargecloud]\nids_within = "city"\n', ("ids_within", "'city'", '"place"')),
        ("[feeds.chargecloud]\nids_within = true\n", ("ids_within", "True", '"network"')),
        ('[feeds.chargecloud]\nids_in = "place"\n', ("ids_in", "ids_within")),
        (
            '[feeds.chargecloud]\nnetwork = "A B"\n',
            ("network", "a text of 3 characters", "a-z 0-9"),
        ),
        ('[feeds.chargecloud]\nnetwork = ""\n', ("network", "''")),
        (
            NEW.format(name="new") + 'network = "chargecloud"\n',
            (
                "'new'",
                "'chargecloud'",
                "one enabled feed",
                "enabled = false in [feeds.chargecloud]",
            ),
        ),
        (
            NEW.format(name="one") + 'network = "n"\n' + NEW.format(name="n"),
            ("'one'", "network", "feed 'n'"),
        ),
        (
            NEW.format(name="one") + 'network = "n"\n' + NEW.format(name="two") + 'network = "n"\n',
            ("'two'", "network", "feed 'one'"),
        ),
    ],
)
def test_load_feeds__invalid_identities_are_refused(
    feeds_file: Path, text: str, message_parts: tuple[str, ...]
) -> None:
    feeds_file.write_text(text, "utf-8")
    with pytest.raises(FeedError) as refusal:
        load_feeds()
    assert [
        word for word in (str(feeds_file), *message_parts) if word not in str(refusal.value)
    ] == []


def test_load_feeds__a_disabled_feed_leaves_its_network_to_its_successor(feeds_file: Path) -> None:
    renamed = "[feeds.chargecloud]\nenabled = false\n" + NEW.format(name="mine")
    feeds_file.write_text(f'{renamed}network = "chargecloud"\n', "utf-8")
    assert load_feeds()["mine"].network == "chargecloud"
    both_off = NEW.format(name="a") + 'network = "n"\nenabled = false\n' + NEW.format(name="n")
    feeds_file.write_text(both_off, "utf-8")
    assert load_feeds()["a"].network == "n"


OF_PLACE = '[feeds.chargecloud]\nids_within = "place"\n'


def test_effective_identities__without_the_feeds_file_are_those_recorded(
    feeds_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, one without the file, produce the same keys."""
    lake = MemoryLake()
    feeds_file.write_text(OF_PLACE + NEW.format(name="new") + 'network = "old"\n', "utf-8")
    of_daemon = effective_identities(lake)
    record_identities(lake, ["chargecloud", "new"], of_daemon)
    monkeypatch.delenv("CHARGING_FEEDS")
    assert configured_identities() == {}
    assert effective_identities(lake) == of_daemon
    assert changed_identities(lake) == {}
    monkeypatch.setenv("CHARGING_FEEDS", str(feeds_file))
    feeds_file.write_text(NEW.format(name="another"), "utf-8")
    assert effective_identities(lake) == of_daemon


def test_effective_identities__of_a_feed_in_the_file_come_from_the_file(
    feeds_file: Path,
) -> None:
    lake = MemoryLake()
    feeds_file.write_text(OF_PLACE, "utf-8")
    record_identities(lake, ["chargecloud"], effective_identities(lake))
    feeds_file.write_text("[feeds.chargecloud]\nattempts = 2\n", "utf-8")
    assert effective_identities(lake) == {}
    recorded = FeedIdentity("chargecloud", "place")
    assert changed_identities(lake) == {"chargecloud": (recorded, FeedIdentity("chargecloud"))}
    record_identities(lake, ["chargecloud"], {})
    assert changed_identities(lake) == {}


def test_record_identities__of_feeds_with_the_default_write_nothing() -> None:
    lake = MemoryLake()
    record_identities(lake, ["a", "b"], {"c": FeedIdentity("c", "place")})
    assert lake.keys("flat/") == []


def test_recorded_identities__that_are_damaged_are_refused_by_name() -> None:
    lake = MemoryLake()
    lake.put("flat/identities/feed=a.json", b"{")
    with pytest.raises(LakeError, match=r"flat/identities/feed=a\.json.*delete"):
        effective_identities(lake)


def test_digest__depends_on_the_maps_of_a_kind_of_the_user(
    feeds_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed scope, column, unit or field of a map makes the hours of its feeds stale."""
    monkeypatch.setitem(sys.modules, "users.kind", module := ModuleType("users.kind"))
    vars(module).update({part: getattr(chargecloud, part) for part in PARTS})
    feeds_file.write_text(NEW.format(name="a").replace("chargecloud", "users.kind"), "utf-8")
    lake, digests = MemoryLake(), []
    record_identities(lake, ["a"], configured_identities())
    evse = chargecloud.EVSE
    for number, changed in enumerate(
        (
            evse,
            replace(evse, within="place"),
            replace(evse, ignored=evse.ignored | {"colour"}),
            replace(evse, columns={**evse.columns, "physical_reference": "elsewhere"}),
        )
    ):
        monkeypatch.setattr(module, "EVSE", changed)
        os.utime(feeds_file, ns=(number, number))
        digests.append(digest(KEYS, effective_identities(lake)))
        with monkeypatch.context() as without_file:
            without_file.delenv("CHARGING_FEEDS")
            assert digest(KEYS, effective_identities(lake)) == digests[-1]
    assert len({digest(KEYS), *digests}) == 5


def test_recorded_identities__of_a_missing_kind_name_feed_and_remedy() -> None:
    lake = MemoryLake()
    record_identities(lake, ["a"], {"a": FeedIdentity("a", kind="gone.kind", kind_maps="0")})
    with pytest.raises(FeedError, match=r"'a'.*'gone\.kind'.*CHARGING_FEEDS"):
        effective_identities(lake)
