"""The chargecloud kind: `GET <base>/<slug>`, an envelope of stations, EVSEs and connectors.

Based on responses of 2022 and 2024, between which fields were added and changed type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec

from charging_assets.sources import BadBody, Envelope, RecordMap, split_pages, tolerant
from charging_assets.sources.tolerant import MAX_NAME, pointer_token

NAME = "chargecloud"

STATION = RecordMap(
    columns={
        "station_id": "id",
        "name": "name",
        "address": "address",
        "city": "city",
        "postal_code": "postal_code",
        "country": "country",
        "latitude": "coordinates.latitude",
        "longitude": "coordinates.longitude",
        "directions": "directions",
        "comment": "comment",
        "operator_id": "operator.operatorId",
        "operator_name": "operator.name",
        "operator_hotline": "operator.hotline",
        "owner": "owner",
        "publication_status": "status",
        "is_roaming": "roaming",
        "is_open_24_7": "opening_times.twentyfourseven",
        "opening_hours": "opening_times.regular_hours",
        "tariff_zones": "tariffZones",
    },
    children="evses",
    # The distance to the centre of the place depends on the request, not on the station.
    ignored=frozenset({"distance_in_m"}),
)

EVSE = RecordMap(
    columns={
        "evse_uid": "uid",
        "evse_id": "id",
        "physical_reference": "physical_reference",
        "floor_level": "floor_level",
        "vehicle_type": "vehicle_type",
        "charging_point_position": "chargePointPosition",
        "charging_station_position": "chargingStationPosition",
        "parking_space_numbers": "chargePointParkingSpaceNumbers",
        "public_comment": "chargePointPublicComment",
        "is_roaming": "roaming",
        "is_reservable": "reservable",
        "capabilities": "capabilities",
        "status": "status",
        "parking_status": "parkingsensor_status",
    },
    children="connectors",
)

CONNECTOR = RecordMap(
    columns={
        "connector_id": "id",
        "standard": "standard",
        "format": "format",
        "power_type": "power_type",
        "ampere": "ampere",
        "voltage": "voltage",
        "max_power_kw": "max_power",
        "tariff_id": "tariff_id",
        "status": "status",
    },
    within="parent",
)

_ENVELOPE_FIELDS = {"data", "status_code", "status_message", "timestamp"}
_SUCCESS = 1000
_MAX_UNKNOWN = 1000
_MAX_REPR_LENGTH = 64


class _Envelope(msgspec.Struct):
    data: list[msgspec.Raw]
    timestamp: Any = None
    status_code: Any = _SUCCESS
    status_message: Any = None


class _StrictEnvelope(_Envelope, forbid_unknown_fields=True):
    pass


_DECODER = msgspec.json.Decoder(_Envelope)
_STRICT_DECODER = msgspec.json.Decoder(_StrictEnvelope)
_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])


def url(base_url: str, slug: str) -> str:
    """The public URL of a place."""
    return f"{base_url.rstrip('/')}/{slug}"


def split(bodies: Sequence[bytes]) -> Envelope:
    """Split responses into stations; the tolerant parser is used if the strict one fails."""
    return split_pages(bodies, _split_page)


def _split_page(body: bytes) -> Envelope:
    try:
        envelope, names = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _split_tolerantly(body)
    _raise_for_status(envelope.status_code, body)
    return Envelope(envelope.timestamp, envelope.data, unknown=_unknown(names))


def _decode(body: bytes) -> tuple[_Envelope, Iterable[str]]:
    """The envelope, and the names of its fields if some of them are unknown."""
    try:
        return _STRICT_DECODER.decode(body), ()
    except msgspec.ValidationError:
        return _DECODER.decode(body), _NAMES.decode(body)


def _split_tolerantly(body: bytes) -> Envelope:
    if not tolerant.is_object(body):
        tolerant.parse(body)  # raises BadBody with the reason if it is not JSON
        raise BadBody("bad_envelope", "the answer is not a JSON object", body)
    answer = tolerant.fields(body)
    _raise_for_status(_value(answer.get("status_code")), body)
    data = answer.get("data", b"")
    if not data.startswith(b"["):
        raise BadBody("bad_envelope", "the answer has no list of stations in 'data'", body, "/data")
    stations = [station for _, station in tolerant.members(data)]
    return Envelope(_value(answer.get("timestamp")), stations, unknown=_unknown(answer))


def _value(text: bytes | None) -> Any:
    """The value of a field; its text if that is not JSON."""
    if text is None:
        return None
    try:
        return tolerant.parse(text)[0]
    except BadBody:
        return text.decode("utf-8", "replace")


def _unknown(names: Iterable[str]) -> list[str]:
    """The pointers of the first unknown fields; long names are cut."""
    unknown = (name for name in names if name not in _ENVELOPE_FIELDS)
    return [f"/{pointer_token(name[:MAX_NAME])}" for name in islice(unknown, _MAX_UNKNOWN)]


def _raise_for_status(status_code: Any, body: bytes) -> None:
    if status_code not in (None, _SUCCESS, str(_SUCCESS)):
        # It may be as large as the response, and nested too deeply for repr.
        is_short = isinstance(status_code, float) or (
            isinstance(status_code, str | int) and len(str(status_code)) <= _MAX_REPR_LENGTH
        )
        label = repr(status_code) if is_short else f"a {type(status_code).__name__}"
        raise BadBody("api_status", f"the API answered status_code {label}", body, "/status_code")
