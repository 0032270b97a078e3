"""Names and bytes of archived files, as in the archives of other data collectors."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO

from charging_assets_tests.builders import envelope, station

NAME = "20220111_215824_cp_data_cities.json"
BODY = envelope(station(), at="2022-01-11T21:58:22+01:00")


def cities(**bodies: bytes) -> bytes:
    members = b", ".join(json.dumps(slug).encode() + b": " + bodies[slug] for slug in bodies)
    return b"{" + members + b"}"


def make_zip(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()
