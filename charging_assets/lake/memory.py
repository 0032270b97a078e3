"""A lake in a dictionary, for tests, as strict as the other implementations."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from charging_assets.lake.store import ObjectMissing, validate_key, validate_prefix


class MemoryLake:
    """A `Lake` in memory: the same contract, gone with the process."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._mutex = threading.Lock()

    def put_new(self, key: str, body: bytes) -> bool:
        with self._mutex:
            if validate_key(key) in self.objects:
                return False
            self.objects[key] = body
            return True

    def put(self, key: str, body: bytes) -> None:
        self.objects[validate_key(key)] = body

    def get(self, key: str) -> bytes:
        try:
            return self.objects[validate_key(key)]
        except KeyError:
            raise ObjectMissing(f"the memory lake has no object {key}") from None

    def get_many(self, keys: Iterable[str]) -> list[bytes]:
        return [self.get(key) for key in keys]

    def keys(self, prefix: str) -> list[str]:
        folder = validate_prefix(prefix)
        return sorted(key for key in list(self.objects) if key.startswith(folder))

    def folders(self, prefix: str) -> list[str]:
        below = (key.removeprefix(prefix) for key in self.objects if key.startswith(prefix))
        return sorted({rest.split("/")[0] for rest in below if "/" in rest})

    def delete(self, key: str) -> None:
        self.objects.pop(validate_key(key), None)

    def uri(self, key: str) -> str:
        return f"memory://{validate_key(key)}"
