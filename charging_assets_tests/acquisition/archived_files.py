"""Files as archives of before hold them.

Belongs here: their names and bytes. Does not belong here: what they are read as.
"""

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


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", method) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return made.getvalue()
