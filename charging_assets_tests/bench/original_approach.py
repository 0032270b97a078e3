"""The approach of the original project: a poll as pandas frames, exploded, written as CSV.

A baseline for speed, re-implemented from its output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from typing import Any

import pandas as pd

_STATION = [
    "id", "name", "address", "city", "postal_code", "country", "owner", "roaming",
    "coordinates.latitude", "coordinates.longitude", "operator.name", "operator.hotline",
    "opening_times.twentyfourseven",
]  # fmt: skip
_POINT = [
    "id", "station_id", "chargingStationPosition", "roaming", "physical_reference",
    "chargePointParkingSpaceNumbers", "chargePointPosition", "vehicle_type", "floor_level",
]  # fmt: skip
_CONNECTOR = [
    "id", "point_id", "format", "power_type", "ampere", "max_power", "voltage", "standard",
]  # fmt: skip

_GROUPS = {
    "coordinates": ("latitude", "longitude"),
    "operator": ("name", "hotline"),
    "opening_times": ("twentyfourseven",),
}


def flatten_poll(bodies: Mapping[str, bytes]) -> dict[str, pd.DataFrame]:
    """One poll's stations, charging points, connectors and both status tables."""
    records: list[dict[str, Any]] = []
    for body in bodies.values():
        envelope = json.loads(body)
        records += [{**station, "timestamp": envelope["timestamp"]} for station in envelope["data"]]
    stations = pd.DataFrame(records)
    stations["timestamp"] = pd.to_datetime(stations["timestamp"])
    points = _exploded(stations, "evses", "station_id")
    connectors = _exploded(points, "connectors", "point_id")
    for group, names in _GROUPS.items():
        inner = pd.DataFrame(stations[group].tolist())
        for name in names:
            stations[f"{group}.{name}"] = inner[name]
    return {
        "station": stations.reindex(columns=_STATION),
        "point": points.reindex(columns=_POINT),
        "connector": connectors.reindex(columns=_CONNECTOR),
        "status_point": points.reindex(
            columns=["id", "status", "parkingsensor_status", "timestamp"]
        ),
        "status_connector": connectors.reindex(columns=["id", "status", "timestamp"]),
    }


def written(frames: Mapping[str, pd.DataFrame]) -> int:
    """The frames as CSV; how many characters that is."""
    total = 0
    for frame in frames.values():
        buffer = StringIO()
        frame.to_csv(buffer, sep=";", index=False)
        total += len(buffer.getvalue())
    return total


def _exploded(frame: pd.DataFrame, column: str, above: str) -> pd.DataFrame:
    """The records of a column of lists, with the id and the timestamp of what they stand in."""
    rows = frame[["id", "timestamp", column]].explode(column).dropna(subset=[column])
    inner = pd.DataFrame(rows[column].tolist())
    inner[above] = rows["id"].to_numpy()
    inner["timestamp"] = rows["timestamp"].array
    return inner
