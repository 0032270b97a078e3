"""A lake that lives in a dictionary, for tests.

Belongs here: in-memory stand-ins behind the storage interfaces, as strict as the real ones.
"""

from __future__ import annotations

from charging_assets.storage.lake import ObjectMissing, checked_key


class MemoryLake:
    """A `Lake` in memory: the same contract, gone with the process."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_new(self, key: str, body: bytes) -> bool:
        if checked_key(key) in self.objects:
            return False
        self.objects[key] = body
        return True

    def put(self, key: str, body: bytes) -> None:
        self.objects[checked_key(key)] = body

    def get(self, key: str) -> bytes:
        try:
            return self.objects[checked_key(key)]
        except KeyError:
            raise ObjectMissing(f"the memory lake has no object {key}") from None

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def delete(self, key: str) -> None:
        self.objects.pop(checked_key(key), None)

    def uri(self, key: str) -> str:
        return f"memory://{checked_key(key)}"
