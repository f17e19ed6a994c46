"""A folder whose disk or server is away: one sentence for each operation, which stops the study."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nemo.errors import UserError
from orchestrator.storage import Store, files, store_at
from orchestrator.storage.files import Unwritable, file_sha256
from orchestrator.storage.studies import known_studies


def large(store: Store) -> None:
    with store.writing("new") as path:
        path.write_bytes(b"content")


def fetched(store: Store) -> None:
    with store.fetching("file") as path:
        assert path is not None
        file_sha256(path)


OPERATIONS: dict[str, Callable[[Store], Any]] = {
    "read": lambda store: store.read("file"),
    "read_all": lambda store: store.read_all(["file"]),
    "write": lambda store: store.write("file", b"new"),
    "create": lambda store: store.create("new", b"new"),
    "look": lambda store: store.look("file"),
    "delete": lambda store: store.delete("file"),
    "set_aside": lambda store: store.set_aside("file", "quarantine"),
    "writing": large,
    "fetching": fetched,
    "list": lambda store: store.list(""),
    "below": lambda store: store.below(),
    "make_folder": lambda store: store.make_folder("folder"),
    "has_folder": lambda store: store.has_folder("folder"),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = store_at(tmp_path / "study")
    store.write("file", b"content")
    return store


CALLS = ("stat", "scandir", "listdir", "mkdir", "unlink", "replace", "link", "fsync", "read_bytes", "open")


def away(
    monkeypatch: pytest.MonkeyPatch, store: Store, number: int, calls: Sequence[str] = CALLS, done: bool = False
) -> None:
    """From now on these fail there; or they are done, and fail all the same."""

    def call(real: Callable[..., Any]) -> Callable[..., Any]:
        def refused(place: Any, *given: Any, **named: Any) -> Any:
            if not isinstance(place, int) and not str(place).startswith(str(store)):
                return real(place, *given, **named)
            if done:
                real(place, *given, **named)
            raise OSError(number, os.strerror(number))

        return refused

    for name in calls:
        module = {"read_bytes": Path, "open": files}.get(name, os)
        monkeypatch.setattr(module, name, call(getattr(module, name, open)), raising=False)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT], ids=errno.errorcode.get)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_folder_that_is_away_is_one_sentence(
    store: Store, monkeypatch: pytest.MonkeyPatch, operation: str, number: int
) -> None:
    with monkeypatch.context() as patches:
        away(patches, store, number)
        with pytest.raises(
            Unwritable, match=rf"^{store}.*: cannot be (read|written) \({os.strerror(number)}\), make it"
        ):
            OPERATIONS[operation](store)
        store.delete_all("folder")  # a clean-up that fails is no failure
    assert store.read("file") == b"content"


def test_what_may_not_be_read_is_no_disk_that_is_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patches:
        away(patches, store, errno.EACCES)
        with pytest.raises(UserError) as told:
            store.below()
        assert not isinstance(told.value, Unwritable)
        assert known_studies(store.parent) == []


@pytest.mark.parametrize("call", ["fsync", "replace", "unlink"])
@pytest.mark.parametrize("done", [False, True])
def test_a_write_that_fails_anywhere_leaves_a_whole_file(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str, done: bool
) -> None:
    with monkeypatch.context() as patches:
        away(patches, store, errno.EIO, [call], done)
        if call == "unlink":  # of a temporary file, when all that matters is done
            store.write("file", b"new")
        else:
            with pytest.raises(Unwritable):
                store.write("file", b"new")
    assert store.read("file") == (b"new" if call == "unlink" or (call == "replace" and done) else b"content")
    assert store.list("").keys() == {"file"}
