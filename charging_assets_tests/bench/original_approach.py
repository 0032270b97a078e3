"""The approach of the original project: pandas frames, place by place, written as CSV.

Belongs here: a baseline for speed, re-implemented from what its output was. Does not belong here:
anything that the package uses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO

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


def flatten_poll(bodies: Mapping[str, bytes]) -> dict[str, pd.DataFrame]:
    """One poll's stations, charging points, connectors and both status tables."""
    parts: dict[str, list[pd.DataFrame]] = {
        name: [] for name in ("station", "point", "connector", "status_point", "status_connector")
    }
    for body in bodies.values():
        envelope = json.loads(body)
        timestamp = pd.to_datetime(envelope["timestamp"])
        stations = pd.json_normalize(envelope["data"])
        if stations.empty:
            continue
        parts["station"].append(stations.reindex(columns=_STATION))
        points = _exploded(stations, "id", "evses", "station_id")
        parts["point"].append(points.reindex(columns=_POINT))
        status = points.reindex(columns=["id", "status", "parkingsensor_status"])
        parts["status_point"].append(status.assign(timestamp=timestamp))
        connectors = _exploded(points, "id", "connectors", "point_id")
        parts["connector"].append(connectors.reindex(columns=_CONNECTOR))
        status = connectors.reindex(columns=["id", "status"])
        parts["status_connector"].append(status.assign(timestamp=timestamp))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def written(frames: Mapping[str, pd.DataFrame]) -> int:
    """The frames as CSV; how many characters that is."""
    total = 0
    for frame in frames.values():
        buffer = StringIO()
        frame.to_csv(buffer, sep=";", index=False)
        total += len(buffer.getvalue())
    return total


def _exploded(frame: pd.DataFrame, key: str, column: str, above: str) -> pd.DataFrame:
    rows = frame[[key, column]].explode(column).dropna(subset=[column])
    inner = pd.json_normalize(rows[column].tolist())
    inner[above] = rows[key].to_numpy()
    return inner
