"""Hypothesis strategies for answers and hours: mostly realistic, sometimes arbitrary."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from charging_assets_tests.builders import SLOT, place, poll

TEXTS = st.one_of(
    st.sampled_from(["", " ", "x", "a  b", "-", "\x00", "ß", "\ud800", "\u2028", "a/b", "a~b"]),
    st.text(max_size=8),
    st.text(st.sampled_from("aB1 \t\n\x00\x1b\x85\x9b\u061c\u200e\u2028\u202e\u2066"), max_size=8),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    TEXTS,
    st.sampled_from([10**400, -(10**400), 2**63, 2**64, "1e999", "NaN", "22,0", "x" * 5000]),
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual thing four times in five, else anything."""
    return st.integers(0, 4).flatmap(lambda die: JUNK if die == 0 else usual)


IDS = mostly(st.sampled_from(["1", "2", "3", "4", "5", 1, " 2 "]))
STATUSES = mostly(
    st.sampled_from(
        ["AVAILABLE", "CHARGING", "charging ", "UNKNOWN", "REMOVED", "PLANNED", "-", ""]
    )
)
NAMES = mostly(st.sampled_from(["Nord", "Süd", " Nord ", None]))
EXTRAS = st.dictionaries(
    st.sampled_from(["new", "a/b", "c~d", "", "coordinates\x00deep", "e\x00", "name.first"]),
    JUNK,
    max_size=2,
)


def records(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    mapped_fields = st.fixed_dictionaries(required, optional=optional)
    return mostly(st.builds(lambda record, extra: {**record, **extra}, mapped_fields, EXTRAS))


CONNECTORS = records(
    {"id": IDS, "status": STATUSES},
    {
        "max_power": mostly(
            st.sampled_from([22, "22", "3.7", "3,7", "22 kW", "22 V", 22000, 0, -1, 1e999])
        ),
        "standard": NAMES,
    },
)
EVSES = records(
    {"uid": IDS, "status": STATUSES, "connectors": mostly(st.lists(CONNECTORS, max_size=2))},
    {
        "id": NAMES,
        "parkingsensor_status": STATUSES,
        "capabilities": mostly(st.lists(NAMES, max_size=3)),
        "reservable": mostly(st.booleans()),
    },
)
STATIONS = records(
    {"id": IDS, "name": NAMES, "evses": mostly(st.lists(EVSES, max_size=2))},
    {
        "country": mostly(st.sampled_from(["DE", "DEU", "de"])),
        "coordinates": mostly(
            st.fixed_dictionaries(
                {"latitude": mostly(st.sampled_from(["50.1234567", 50, "95"]))},
                optional={"longitude": JUNK, "datum": JUNK},
            )
        ),
        "operator": mostly(st.dictionaries(st.sampled_from(["name", "x"]), NAMES, max_size=2)),
        "opening_times": mostly(
            st.fixed_dictionaries(
                {"twentyfourseven": mostly(st.booleans())},
                optional={
                    "regular_hours": mostly(
                        st.lists(
                            st.fixed_dictionaries(
                                {
                                    "weekday": mostly(st.sampled_from([1, "7", "holiday"])),
                                    "period_begin": mostly(st.just("07:00:00")),
                                    "period_end": mostly(st.just("24:00")),
                                }
                            ),
                            max_size=2,
                        )
                    )
                },
            )
        ),
    },
)
BODIES = mostly(
    st.builds(
        lambda data, extra, at: json.dumps(
            {"data": data, "status_code": 1000, "timestamp": at, **extra}
        ).encode(),
        mostly(st.lists(STATIONS, max_size=4)),
        EXTRAS,
        mostly(
            st.sampled_from(
                ["2022-01-11T21:00:05+01:00", "2022-01-11T21:00:05", None, "9999-01-01T00:00:00Z"]
            )
        ),
    )
).map(lambda body: body if isinstance(body, bytes) else json.dumps(body).encode())


@st.composite
def hours(draw: st.DrawFn) -> list[tuple[Any, dict[str, Any]]]:
    """Polls of an hour: two places, repeated and changed answers, gaps, failures, two answers."""
    pool = draw(st.lists(BODIES, min_size=1, max_size=3))
    polls = []
    for number in range(draw(st.integers(1, 6))):
        minute = draw(st.sampled_from([0, 10, 20, 30, 40, 50, 25.5]))
        begun = SLOT + timedelta(minutes=minute, seconds=number)
        bodies: dict[str, Any] = {}
        for slug in draw(st.sampled_from([("koeln",), ("bonn",), ("bonn", "koeln")])):
            outcome = draw(st.sampled_from(["ok"] * 5 + ["timeout", "http_error"]))
            body = None if outcome == "timeout" else draw(st.sampled_from(pool))
            bodies[slug] = place(slug, body, outcome, requested_at=begun)
        polls.append((poll(minute, started_at=begun), bodies))
    return polls
