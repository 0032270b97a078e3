"""Answers of many megabytes that need as much time and memory as possible, flattened and measured.

Run as a program, it measures floods at a size: `python -m … [--mb 32] [name …]`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from charging_assets_tests.builders import answers, poll

_MODULE = "charging_assets_tests.preprocessing.floods"

# The text of a part by its number.
Part = Callable[[int], str]

_EVSE = '{"uid":"%d","status":"AVAILABLE"}'
_PERIOD = '{"weekday":1,"period_begin":"07:00","period_end":"08:00"}'
_BAD_FIELDS = (
    '{"id":"%d","name":[],"address":[],"city":[],"postal_code":[],"country":7,"coordinates":'
    '{"latitude":"x","longitude":"x"},"directions":{},"comment":{},"operator":7,"owner":[],'
    '"status":[],"roaming":7,"opening_times":7,"tariffZones":7,"evses":7}'
)


def _many(part: Part, size: int, before: str = "", after: str = "") -> str:
    """As many parts, with commas between them, as make the size."""
    parts, length, number = [], 0, 0
    while length < size:
        parts.append(part(number))
        length += len(parts[-1]) + 1
        number += 1
    return f"{before}{','.join(parts)}{after}"


def _records(part: Part) -> Callable[[int], str]:
    return lambda size: _many(part, size)


def _in_one(before: str, part: Part, after: str) -> Callable[[int], str]:
    return lambda size: _many(part, size, before, after)


# What an answer's list of stations is, by the size it is to have.
FLOODS: dict[str, Callable[[int], str]] = {
    "nan_records": _records(lambda n: '{"id":NaN}'),
    "distinct_nan_records": _records(lambda n: f'{{"id":NaN,"name":{n}}}'),
    "numbers_as_records": _records(lambda n: "1"),
    "distinct_numbers_as_records": _records(str),
    "lists_as_records": _records(lambda n: "[]"),
    "no_json_records": _records(lambda n: f"{{{n}}}"),
    "control_characters": _records(lambda n: f'{{"id":"{n}\n"}}'),
    "missing_ids": _records(lambda n: f'{{"name":"{n}"}}'),
    "fine_stations": _records(lambda n: f'{{"id":{n}}}'),
    "fine_stations_with_parts": _records(
        lambda n: f'{{"id":{n},"evses":[{{"uid":{n},"connectors":[{{"id":1}}]}}]}}'
    ),
    "duplicate_stations": _records(lambda n: '{"id":"1"}'),
    "distinct_duplicate_stations": _records(lambda n: f'{{"id":"1","name":{n}}}'),
    "duplicate_evses_of_stations": _records(lambda n: f'{{"id":{n},"evses":[{{"uid":1}}]}}'),
    "fine_evses": _in_one('{"id":"1","evses":[', lambda n: _EVSE % n, "]}"),
    "evses_without_status": _in_one('{"id":"1","evses":[', lambda n: f'{{"uid":{n}}}', "]}"),
    "broken_evses": _in_one('{"id":"1","evses":[', lambda n: "{}", "]}"),
    "numbers_as_evses": _in_one('{"id":"1","evses":[', lambda n: "1", "]}"),
    "evses_of_no_station": _in_one('{"evses":[', lambda n: _EVSE % n, "]}"),
    "duplicate_evses": _in_one('{"id":"1","evses":[', lambda n: '{"uid":"1"}', "]}"),
    "distinct_duplicate_evses": _in_one(
        '{"id":"1","evses":[',
        lambda n: f'{{"uid":1,"connectors":[{{"id":{n}}}]}}',
        "]}",
    ),
    "fine_connectors": _in_one(
        '{"id":"1","evses":[{"uid":"1","connectors":[', lambda n: f'{{"id":{n}}}', "]}]}"
    ),
    "other_statuses": _in_one(
        '{"id":"1","evses":[{"uid":"1","connectors":[',
        lambda n: f'{{"id":{n},"status":"CHARGING"}}',
        "]}]}",
    ),
    "broken_connectors": _in_one(
        '{"id":"1","evses":[{"uid":"1","connectors":[', lambda n: "{}", "]}]}"
    ),
    "duplicate_connectors": _in_one(
        '{"id":"1","evses":[{"uid":"1","connectors":[', lambda n: '{"id":1}', "]}]}"
    ),
    "bad_fields": _records(lambda n: _BAD_FIELDS % n),
    "unknown_fields": _in_one('{"id":"1",', lambda n: f'"{n}":1', "}"),
    "unknown_fields_in_a_group": _in_one('{"id":"1","operator":{', lambda n: f'"{n}":1', "}}"),
    "unknown_field_by_record": _records(lambda n: f'{{"id":{n},"f{n}":1}}'),
    "unknown_field_by_evse": _in_one(
        '{"id":"1","evses":[', lambda n: f'{{"uid":{n},"f{n}":1}}', "]}"
    ),
    "long_name": lambda size: '{"id":"1","%s":NaN}' % ("n" * size),
    "long_name_over_many_values": lambda size: '{{"id":"1","{}":[{}]}}'.format(
        "n" * (size // 2), _many(lambda n: "NaN", size // 2)
    ),
    "long_escapes": lambda size: '{"id":"1","name":"%s","x":NaN}' % ("\\n" * (size // 2)),
    "long_text": lambda size: '{"id":"1","name":"%s"}' % ("x" * size),
    "long_texts": _records(lambda n: f'{{"id":{n},"directions":"{n}{" x" * 4000}"}}'),
    "not_finite_values": _in_one('{"id":"1","x":[', lambda n: "NaN", "]}"),
    "deep_not_finite_values": _in_one(
        '{"id":"1","x":' + "[" * 300, lambda n: "NaN", "]" * 300 + "}"
    ),
    "bad_names": _in_one('{"id":"1",', lambda n: f'"\\ud800{n}":1', "}"),
    "deep": lambda size: '{{"id":"1","x":{}{}}}'.format("[" * (size // 2), "]" * (size // 2)),
    "unclosed": lambda size: "[" * size,
    "repeated_keys": _in_one("{", lambda n: '"id":1', "}"),
    "opening_hours": _in_one(
        '{"id":"1","opening_times":{"regular_hours":[', lambda n: _PERIOD, "]}}"
    ),
    "capabilities": _in_one(
        '{"id":"1","evses":[{"uid":"1","capabilities":[', lambda n: f'"{n}"', "]}]}"
    ),
    "large_numbers": _in_one('{"id":"1","x":[', lambda n: "1" * 4300, "]}"),
}
_ENVELOPES: dict[str, Callable[[int], str]] = {
    "envelope_fields": lambda size: _many(lambda n: f'"{n}":1', size, '{"data":[],', "}"),
    "repaired_envelope_fields": lambda size: _many(
        lambda n: f'"{n}":NaN', size, '{"data":[],', "}"
    ),
    "long_status_code": lambda size: _many(lambda n: "1", size, '{"data":[],"status_code":[', "]}"),
    "long_timestamp": lambda size: '{"data":[],"timestamp":"%s"}' % ("1" * size),
    "no_json": lambda size: "x" * size,
}
NAMES = (*FLOODS, *_ENVELOPES)


def body(name: str, size: int) -> bytes:
    """The answer of a name, of about so many bytes."""
    if name in _ENVELOPES:
        return _ENVELOPES[name](size).encode()
    return f'{{"status_code":1000,"data":[{FLOODS[name](size)}]}}'.encode()


def measure(name: str, mb: float, polls: int = 1, cap_mb: int = 0) -> dict[str, Any]:
    """What flattening an answer takes, in a process of its own: seconds of CPU and peak of MiB.

    `cap_mb` limits its address space: larger allocations fail.
    """
    command = [sys.executable, "-m", _MODULE, "--mb", str(mb), "--polls", str(polls)]
    command += ["--cap-mb", str(cap_mb), "--json", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{name} at {mb} MiB: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _measure(name: str, mb: float, polls: int) -> dict[str, Any]:
    from charging_assets.preprocessing.flatten import flatten
    from charging_assets.preprocessing.schema_check import find_violations
    from charging_assets.schemas.flat import FLAT_TABLES
    from charging_assets_tests.preprocessing.flat_hours import assert_adds_up

    made = body(name, int(mb * 2**20))
    places = answers(*[(poll(10 * number), {"koeln": made}) for number in range(polls)])
    before = peak_mb()
    started = time.process_time()
    hour = flatten(places)
    seconds = time.process_time() - started
    peak = peak_mb()
    for table in FLAT_TABLES:
        assert find_violations(table, hour[table.name]) == [], table.name
    assert_adds_up(hour)
    row = hour["flat_polls"].slice(0, 1).to_pylist()[0]
    return {
        "name": name, "mb": mb, "seconds": round(seconds, 1), "peak_mb": peak,
        "before_mb": before, "records": row["station_count"] + row["evse_count"],
        "rows": sum(hour[table.name].num_rows for table in FLAT_TABLES),
        "rejects": hour["flat_rejects"].num_rows,
    }  # fmt: skip


def peak_mb() -> int:
    """The peak of the resident set in MiB, of this program alone and not of what started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--mb", type=float, default=32)
    parser.add_argument("--polls", type=int, default=1)
    parser.add_argument("--cap-mb", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.json:
        if options.cap_mb:
            resource.setrlimit(resource.RLIMIT_AS, (options.cap_mb << 20, options.cap_mb << 20))
        print(json.dumps(_measure(options.names[0], options.mb, options.polls)))
        return
    for name in options.names:
        try:
            print(json.dumps(measure(name, options.mb, options.polls, options.cap_mb)), flush=True)
        except AssertionError as error:
            print(error, flush=True)


if __name__ == "__main__":
    os.nice(10)
    main()
