"""Read the rows of a flattened hour, and check what must hold for every hour.

That is the schema, the order, the balance of records and equality with the reference.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow.compute as pc

from charging_assets.archive.identities import FeedIdentity
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.preprocessing.rejects import MAX_LISTED
from charging_assets.preprocessing.schema_check import find_violations
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.outcomes import is_good
from charging_assets_tests.preprocessing import reference

Rows = list[dict[str, Any]]
TABLES = [table.name for table in FLAT_TABLES]


def rows(hour: FlatHour, name: str, **equal: Any) -> Rows:
    table_rows = hour[name].to_pylist()
    return [row for row in table_rows if all(row[key] == value for key, value in equal.items())]


def polled(hour: FlatHour, **equal: Any) -> Rows:
    """The statuses of each poll: runs expanded over the good polls between their bounds."""
    good_polls = [poll for poll in rows(hour, "flat_polls") if is_good(poll["outcome"])]
    statuses = []
    for run in rows(hour, "flat_status"):
        of_run = [
            {**run, "slot_at": poll["slot_at"], "observed_at": poll["observed_at"]}
            for poll in good_polls
            if (poll["feed"], poll["place"]) == (run["feed"], run["place"])
            and run["slot_at"] <= poll["slot_at"] <= run["last_slot_at"]
        ]
        assert len(of_run) == run["poll_count"], run
        statuses += of_run
    return [row for row in statuses if all(row[key] == value for key, value in equal.items())]


def one(hour: FlatHour, name: str, **equal: Any) -> dict[str, Any]:
    (row,) = rows(hour, name, **equal)
    return row


def codes(hour: FlatHour) -> list[tuple[str, str, str]]:
    return [(row["entity"], row["pointer"], row["code"]) for row in rows(hour, "flat_rejects")]


def assert_sound(hour: FlatHour) -> None:
    """What holds of every hour: the gate lets it through, it is in order, and records balance."""
    for table in FLAT_TABLES:
        assert find_violations(table, hour[table.name]) == []
        keys = [[row[name] for name in table.order] for row in hour[table.name].to_pylist()]
        assert keys == sorted(keys), f"{table.name} is not in its order"
    assert_balanced(hour)


def assert_balanced(hour: FlatHour) -> None:
    polls = rows(hour, "flat_polls")
    statuses = Counter((r["place"], r["slot_at"]) for r in polled(hour))
    rejects = rows(hour, "flat_rejects")
    rejected: Counter[tuple[Any, ...]] = Counter()
    fields: Counter[tuple[Any, ...]] = Counter()
    for r in rejects:
        rejected[r["place"], r["slot_at"], r["severity"], r["entity"]] += r["reject_count"]
        fields[r["place"], r["slot_at"], r["severity"]] += r["reject_count"]
    for row in polls:
        where = row["place"], row["slot_at"]
        received = row["status_count"] - row["status_rejected_count"] + row["carried_count"]
        assert received == statuses.pop(where, 0)
        if row["is_complete"]:
            assert received == row["evse_count"] - row["evse_rejected_count"]
        assert row["field_rejected_count"] == fields[(*where, "field")]
        for entity in ("station", "evse", "connector"):
            assert row[f"{entity}_rejected_count"] == rejected[(*where, "record", entity)]
    assert not statuses
    for entity in ("station", "evse", "connector"):
        loaded: Counter[str] = Counter()
        for row in rows(hour, f"flat_{entity}s"):
            loaded[row["place"]] += row["poll_count"]
        kept: Counter[str] = Counter()
        for row in polls:
            kept[row["place"]] += row[f"{entity}_count"] - row[f"{entity}_rejected_count"]
        assert +loaded == +kept, entity


def assert_adds_up(hour: FlatHour) -> None:
    """Of one place: records received are loaded or rejected, computed on Arrow for huge hours."""
    polls, rejects = hour["flat_polls"], hour["flat_rejects"]

    def total(table: Any, column: str) -> int:
        return pc.sum(table.column(column)).as_py() or 0

    for entity in ("station", "evse", "connector"):
        received, rejected = (
            total(polls, f"{entity}_{kind}") for kind in ("count", "rejected_count")
        )
        assert total(hour[f"flat_{entity}s"], "poll_count") == received - rejected, entity
        is_of = pc.and_(
            pc.equal(rejects["severity"], "record"), pc.equal(rejects["entity"], entity)
        )
        assert total(rejects.filter(is_of), "reject_count") == rejected, entity
    received, rejected = (total(polls, f"status_{kind}") for kind in ("count", "rejected_count"))
    assert total(hour["flat_status"], "poll_count") == received - rejected
    fields = rejects.filter(pc.equal(rejects["severity"], "field"))
    assert total(fields, "reject_count") == total(polls, "field_rejected_count")
    listed = rejects.filter(pc.invert(pc.match_substring(rejects["pointer"], "/unlisted/")))
    assert listed.num_rows <= 2 * MAX_LISTED * polls.num_rows + polls.num_rows


def assert_like_the_reference(places: list[Any], ids_within: str | None = None) -> FlatHour:
    identities = {feed: FeedIdentity(feed, ids_within) for feed, _, _ in places}
    hour, expected = flatten(iter(places), identities), reference.flatten(places, ids_within)
    for name in TABLES:
        ours = [{k: v for k, v in row.items() if k != "fragment"} for row in rows(hour, name)]
        columns = list(ours[0]) if ours else []
        theirs = [{k: row[k] for k in columns} if columns else row for row in expected[name]]
        assert ours == theirs, name
    return hour
