"""The object store of the simulated world: one in memory, to which the real `Bucket` talks; each request is a point."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import current_thread
from typing import Any

from obstore.store import MemoryStore

from tests.crashes.actor import Actor
from tests.crashes.faults import operate


class Client:
    """Stands in for the client of a place in a bucket."""

    def __init__(self, objects: MemoryStore, prefix: str) -> None:
        self._objects, self._prefix = objects, prefix

    def put(self, name: str, data: Any, **how: Any) -> Any:
        content = data.read_bytes() if hasattr(data, "read_bytes") else bytes(data)
        return self._request(lambda: self._objects.put(self._full(name), content, **how))

    def get(self, name: str) -> Any:
        return self._request(lambda: self._objects.get(self._full(name)))

    def head(self, name: str) -> Any:
        return self._request(lambda: self._objects.head(self._full(name)))

    def delete(self, names: str | list[str]) -> None:
        for name in [names] if isinstance(names, str) else names:
            self._request(lambda name=name: self._objects.delete(self._full(name)))

    def rename(self, source: str, target: str) -> None:
        self._request(lambda: self._objects.rename(self._full(source), self._full(target)))

    def list(self, folder: str = "", chunk_size: int = 1000) -> list[list[dict[str, Any]]]:
        where = self._full(folder)
        return self._request(lambda: [self._relative(chunk) for chunk in self._objects.list(where, chunk_size=1000)])

    def list_with_delimiter(self, folder: str | None = None) -> dict[str, Any]:
        return self._request(lambda: self._objects.list_with_delimiter(self._full(folder or "")))

    def _full(self, name: str) -> str:
        return f"{self._prefix}/{name}".rstrip("/")

    def _relative(self, metas: Iterable[Any]) -> list[dict[str, Any]]:
        return [{**meta, "path": meta["path"].removeprefix(f"{self._prefix}/")} for meta in metas]

    def _request(self, real: Callable[[], Any]) -> Any:
        thread = current_thread()
        if not isinstance(thread, Actor):
            return real()
        thread.pause()
        return operate(thread, real, remote=True)


class OneByOne:
    """Stands in for a pool of threads, which would move by themselves."""

    def __init__(self, workers: int) -> None:
        pass

    def __enter__(self) -> OneByOne:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def map(self, function: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
        return [function(value) for value in values]
