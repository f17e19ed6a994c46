"""The ledger: what is finished, one immutable result per step; nothing else decides what is done."""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

from nemo.methods import Setting
from orchestrator.ledger.document import sealed, unsealed
from orchestrator.ledger.segments import AT_LEAST, AT_LEAST_REMOTE, Segment, Segments
from orchestrator.ledger.snapshot import Snapshot
from orchestrator.plan.results import Failure, Result, Results, Trial, WarmPoint, WarmStart
from orchestrator.plan.step import KINDS, Kind, Step, describe_step
from orchestrator.storage import Stamp, Store, Where, layout, store_at
from orchestrator.storage.files import file_sha256
from orchestrator.system.text import printable

_log = logging.getLogger(__name__)

_AT_ONCE = 256
"""So many loose results are read at once."""

Artifacts = Callable[[], Mapping[str, Mapping[str, Stamp]]]
"""Lists what artifacts there are, once: key -> name -> stamp."""


class Ledger:
    """The finished steps of one study, in a folder or a bucket.

    The contract: a step is finished when, and only when, its result is here whole; a result never changes; a result
    written twice is harmless. One driver writes at a time (see `lease`); anyone may read at any time. Damaged results
    are moved to `quarantine/`, warned of once and missing from then on. Only JSON is read here, nothing is unpickled.

    Layout: `ledger/<kind>/<key>.json`, and copies of these, to be read in bulk, in
    `ledger/segments/<kind>/<hash>.parquet`; `ledger/failures/<key>.json`, `ledger/searches/<search>/<number>.json`,
    `ledger/data.json` (see `orchestrator.ledger.data`),
    `artifacts/<key>/`, `quarantine/`, `study.yaml` (as last submitted), `studies/` (as ever submitted), `lock`.

    Args:
        where: Where the study lies; a folder is made when something is first written.
        readonly: Leave damaged results where they are: for callers that only read, beside a driver.
    """

    def __init__(self, where: Where, *, readonly: bool = False) -> None:
        self.store: Store = store_at(where)
        self.readonly = readonly
        self._known: dict[str, Result] = {}
        self._small: dict[str, tuple[Stamp, dict[str, Any]]] = {}  # failures and suggestions, as they were read
        self._written: dict[str, tuple[Stamp, str]] = {}  # the checksums of artifacts that were written here
        self._ignored: set[str] = set()
        quarantine = None if readonly else layout.QUARANTINE
        self._segments = {kind: Segments(self.store, layout.segments(kind), quarantine) for kind in KINDS}

    @property
    def folder(self) -> Path:
        """The local folder for this machine's files; for a study in a folder, that folder."""
        return self.store.local

    # results

    def get(self, key: str, kind: Kind | None = None) -> Result | None:
        """The result of a step, whole, or None if it is not finished.

        Args:
            key: The step's.
            kind: Its kind, which saves looking for it among the others.
        """
        kinds = reversed(KINDS) if kind is None else (kind,)  # most results are of the last kind
        for each in () if key in self._known else kinds:
            document = self._result(each, key)
            if document is not None:
                self._known[key] = document
                break
        return self._known.get(key)

    def finished(self, kind: Kind | None = None) -> set[str]:
        """The keys of the finished steps."""
        return {key for key, _ in self.results(kind)}

    def results(self, kind: Kind | None = None) -> Iterator[tuple[str, Result]]:
        """The key and the document of every finished step, by kind and key; they are not kept in memory."""
        for each in KINDS if kind is None else (kind,):
            files = self._stamps(each)
            artifacts = cache(self._artifacts)
            streams, loose = [], set(files)
            for segment in self._segments[each].read(files):
                streams.append(self._folded(segment, segment.keys & loose, artifacts))
                loose -= segment.keys
            yield from heapq.merge(*streams, self._loose(each, loose, artifacts), key=itemgetter(0))

    def snapshot(self) -> Results:
        """The ledger's content now, for callers that ask for one result after the other."""
        return Snapshot(self) if self.store.remote else self

    def remember(self, result: Result) -> None:
        """Keeps a result that was read in another way, so that `get` need not read it again."""
        self._known[result["key"]] = result

    def fold(self, at_least: int | None = None) -> None:
        """Folds the results of a kind into a segment where at least so many are in none; the driver does it.

        Args:
            at_least: How many; None takes the default for a folder or a bucket.
        """
        at_least = at_least or (AT_LEAST_REMOTE if self.store.remote else AT_LEAST)
        for kind in KINDS:
            self._segments[kind].fold(self._stamps(kind), partial(self._files, kind), at_least)

    def put(
        self,
        step: Step,
        result: Mapping[str, Any],
        *,
        seconds: float = 0.0,
        environment: Mapping[str, Any] | None = None,
        **ran: Any,
    ) -> Result:
        """Records the result of a step, and the checksums of its artifacts, which must be written before.

        Args:
            step: What was done.
            result: Numbers, texts, lists and mappings; NaN and infinities become None, which JSON has no text for.
            seconds: How long the step took.
            environment: Versions, commit and hardware.
            ran: How it ran: `device`, `threads`, `workers`, and `compiled` if it was.

        Returns:
            The document; the existing one, if the step was finished already.

        Raises:
            Unwritable: The store cannot be written, or is full.
        """
        present = self.get(step.key, step.kind)
        if present is not None and self.verify(step.key):
            return present
        document = {
            **describe_step(step),
            "result": result,
            "artifacts": self._checksums(step.key),
            "environment": environment or {},
            "seconds": seconds,
            "finished": _now(),
            **ran,
        }
        name, (plain, data) = layout.result(step.kind, step.key), sealed(document)
        while not self.store.create(name, data):  # somebody was faster
            existing = self._result(step.kind, step.key)
            if existing is not None:
                plain = dict(existing)
                break
        self._known[step.key] = cast("Result", plain)
        self.store.delete(layout.failure(step.key))
        return self._known[step.key]

    def fail(self, step: Step, reason: str) -> None:
        """Records why a step failed, printable; kept beside the results, gone when a result is put."""
        failure = {**describe_step(step), "reason": printable(reason), "failed": _now()}
        self._write(layout.failure(step.key), failure)

    def failure(self, key: str) -> Failure | None:
        """Why a step failed; None where it did not.

        A result outweighs a failure: a driver may have died between writing the one and deleting the other.
        """
        failure = cast("Failure | None", self._read(layout.failure(key)))
        return None if failure is None or self.get(key, failure["kind"]) is not None else failure

    def failures(self) -> dict[str, Failure]:
        """Key -> failure of every failed step."""
        failures = {
            _key(name): failure for name, failure in self._documents(layout.FAILURES).items() if "/" not in name
        }
        finished = {kind: self._stamps(kind) for kind in sorted({failure["kind"] for failure in failures.values()})}
        return {
            key: cast("Failure", failure)
            for key, failure in failures.items()
            if key not in finished[failure["kind"]] or self.get(key, failure["kind"]) is None
        }

    def forget_failures(self) -> None:
        """Lets every failed step be tried again; its traceback goes first, for it is not the next failure's."""
        for key in self.failures():
            self.store.delete(layout.log(key))
            self.store.delete(layout.failure(key))

    # artifacts

    @contextmanager
    def writing(self, key: str, name: str) -> Iterator[Path]:
        """Yields the path of a local file; when the block ends well, it is an artifact of a step, to be `put` later.

        Raises:
            Unwritable: The store cannot be written, or is full.
        """
        artifact = layout.artifact(key, name)
        with self.store.writing(artifact) as path:
            yield path
            checksum = file_sha256(path)
        stamp = self.store.list(layout.artifacts(key)).get(name)
        if stamp is not None:
            self._written[artifact] = stamp, checksum

    @contextmanager
    def reading(self, key: str, name: str) -> Iterator[Path | None]:
        """Yields the path of a local file with an artifact of a finished step, after that was read through.

        It is None if the step is not finished, or its artifact is damaged or missing, which quarantines the result.
        """
        document = self.get(key)
        recorded = None if document is None else document["artifacts"].get(name)
        if document is None or recorded is None:
            yield None
            return
        with self.store.fetching(layout.artifact(key, name)) as path:
            if path is not None and file_sha256(path) != recorded["sha256"]:
                path = None
            if path is None:
                self._put_away(document, name)
            yield path

    def verify(self, key: str) -> bool:
        """Whether a step is finished and its artifacts have the recorded checksums; damage is quarantined."""
        document = self.get(key)
        return document is not None and self._intact(document, lambda: {key: self.store.list(layout.artifacts(key))})

    def sound(self, steps: Iterable[Step]) -> bool:
        """Whether all artifacts of those of these steps that are finished have their checksums; see `verify`."""
        snapshot, artifacts = self.snapshot(), cache(self._artifacts)
        documents = [snapshot.get(step.key, step.kind) for step in steps]
        intact = [self._intact(document, artifacts) for document in documents if document is not None]
        return all(intact)

    # adaptive searches

    def suggest(self, search: str, number: int, settings: Mapping[str, Setting], generation: int | None = None) -> None:
        """Records a suggestion before its training starts, so that a resumed search replays from it."""
        own = {} if generation is None else {"generation": generation}
        self._write(layout.trial(search, number), {"number": number, "settings": settings, **own})

    def conclude(self, search: str, number: int, outcome: Mapping[str, Any]) -> None:
        """Records that a trial ended without the result of its key: stopped early, with its epoch and reason."""
        trial = self._read(layout.trial(search, number)) or {}
        self._write(layout.trial(search, number), {**trial, "number": number, "outcome": outcome})

    def suggestions(self, search: str) -> list[Trial]:
        """The trials of a search by number; one whose suggestion was damaged while it ran is suggested anew."""
        trials = self._documents(layout.search(search)).values()
        return [
            Trial(trial["number"], trial["settings"], trial.get("outcome"), trial.get("generation"))
            for trial in trials
            if "settings" in trial
        ]

    def keep_warm_start(self, search: str, start: WarmStart) -> None:
        """Records what a search is started with, before its first suggestion."""
        self._write(layout.warm_start(search), dataclasses.asdict(start))

    def warm_start(self, search: str) -> WarmStart | None:
        """What a search was started with; None before, and where it had none."""
        kept = self._read(layout.warm_start(search))
        points = tuple(WarmPoint(**point) for point in kept["points"]) if kept else ()
        return None if kept is None else WarmStart(kept["study"], points, kept["left_out"])

    def stops(self) -> list[dict[str, Any]]:
        """What every trial that was stopped early was concluded with."""
        return [dict(trial["outcome"]) for trial in self._documents(layout.SEARCHES).values() if trial.get("outcome")]

    # the study

    def record_study(self, text: str) -> None:
        """Keeps a study's text as `study.yaml`, and in `studies/` under the hash of its content."""
        data = text.encode()
        self.store.create(layout.submitted_version(hashlib.sha256(data).hexdigest()), data)
        if self.store.read(layout.SUBMITTED) != data:
            self.store.write(layout.SUBMITTED, data)

    # inside

    def _stamps(self, kind: Kind) -> dict[str, Stamp]:
        """Key -> stamp of every result of a kind, from one listing."""
        files = self.store.list(layout.results(kind)).items()
        return {_key(name): stamp for name, stamp in files if name.endswith(".json") and "/" not in name}

    def _artifacts(self) -> Mapping[str, Mapping[str, Stamp]]:
        """Key -> artifact -> stamp, from one listing, which has to follow that of the results."""
        artifacts: defaultdict[str, dict[str, Stamp]] = defaultdict(dict)
        for path, stamp in self.store.list(layout.ARTIFACTS).items():
            key, _, name = path.partition("/")
            artifacts[key][name] = stamp
        return artifacts

    def _result(self, kind: Kind, key: str) -> Result | None:
        """A result from its own file, if it is there whole."""
        document = cast("Result | None", self._read(layout.result(kind, key)))
        return document if document is not None and self._whole(document) else None

    def _loose(self, kind: Kind, keys: Set[str], artifacts: Artifacts) -> Iterator[tuple[str, Result]]:
        known = [(key, self._known[key]) for key in sorted(keys & self._known.keys())]
        unknown = keys - {key for key, _ in known}
        return heapq.merge(known, self._files(kind, unknown, artifacts), key=itemgetter(0))

    def _files(
        self, kind: Kind, keys: Iterable[str], artifacts: Artifacts | None = None
    ) -> Iterator[tuple[str, Result]]:
        """Key and document of those results whose own files are whole, by key."""
        ordered = sorted(keys)
        for begin in range(0, len(ordered), _AT_ONCE):
            names = {key: layout.result(kind, key) for key in ordered[begin : begin + _AT_ONCE]}
            contents = self.store.read_all(names.values())
            for key, name in names.items():
                document = cast("Result | None", self._parse(name, contents[name])) if name in contents else None
                if document is not None and self._whole(document, artifacts):
                    yield key, document

    def _folded(self, segment: Segment, keys: Set[str], artifacts: Artifacts) -> Iterator[tuple[str, Result]]:
        for key, document in segment.documents(keys):
            result = cast("Result", document)
            if self._whole(result, artifacts):
                yield key, result

    def _documents(self, folder: str) -> dict[str, dict[str, Any]]:
        """The whole documents in a folder of few and small ones, by name; each is read once for every version of it."""
        stamps = {f"{folder}/{name}": stamp for name, stamp in sorted(self.store.list(folder).items())}
        names = [name for name in stamps if name.endswith(".json")]
        new = [name for name in names if name not in self._small or self._small[name][0] != stamps[name]]
        for name, data in self.store.read_all(new).items():
            self._small.pop(name, None)
            document = self._parse(name, data)
            if document is not None:
                self._small[name] = stamps[name], document
        return {name.removeprefix(f"{folder}/"): self._small[name][1] for name in names if name in self._small}

    def _checksums(self, key: str) -> dict[str, dict[str, Any]]:
        checksums = {}
        for name, stamp in sorted(self.store.list(layout.artifacts(key)).items()):
            written = self._written.pop(layout.artifact(key, name), None)
            checksum = written[1] if written is not None and written[0] == stamp else self._sha256(key, name)
            version = {"version": stamp.version} if self.store.remote else {}
            checksums[name] = {"sha256": checksum, "bytes": stamp.size, **version}
        return checksums

    def _sha256(self, key: str, name: str) -> str | None:
        """The checksum of an artifact as it is now; None where there is none."""
        with self.store.fetching(layout.artifact(key, name)) as path:
            return None if path is None else file_sha256(path)

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        self.store.write(name, sealed(document)[1])

    def _read(self, name: str) -> dict[str, Any] | None:
        """A document whose checksum is right; otherwise it is quarantined."""
        data = self.store.read(name)
        return None if data is None else self._parse(name, data)

    def _parse(self, name: str, data: bytes) -> dict[str, Any] | None:
        document = unsealed(data)
        if document is None:
            self._quarantine(name, "its checksum is wrong")
        return document

    def _whole(self, document: Result, artifacts: Artifacts | None = None) -> bool:
        """Whether the artifacts exist with their recorded sizes; `verify` compares their checksums."""
        key, sizes = document["key"], {name: each["bytes"] for name, each in document["artifacts"].items()}
        if not sizes or (artifacts is not None and not _missing(sizes, artifacts()[key])):
            return True
        missing = _missing(sizes, self.store.list(layout.artifacts(key)))  # it may be newer than the listing of all
        if missing:
            self._put_away(document, missing[0])
        return not missing

    def _intact(self, document: Result, artifacts: Artifacts) -> bool:
        """Whether the artifacts have their checksums; in an object store an unchanged version is not read again."""
        key = document["key"]
        for name, recorded in document["artifacts"].items():
            stamp = artifacts()[key].get(name) if self.store.remote else None
            known = stamp is not None and stamp.version == recorded.get("version")
            if not known and self._sha256(key, name) != recorded["sha256"]:
                self._put_away(document, name)
                return False
        return True

    def _put_away(self, document: Result, artifact: str) -> None:
        name = layout.result(document["kind"], document["key"])
        self._quarantine(name, f"its artifact {artifact} is damaged or missing")

    def _quarantine(self, name: str, reason: str) -> None:
        self._known.pop(_key(name), None)
        if self.readonly:
            if name not in self._ignored:
                _log.warning("%s: ignored, %s.", self.store.where(name), reason)
            self._ignored.add(name)
            return
        target = self.store.set_aside(name, layout.QUARANTINE)
        _log.warning("%s: moved to %s and computed again, %s.", self.store.where(name), target, reason)


def _key(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".json")


def _missing(sizes: Mapping[str, int], existing: Mapping[str, Stamp]) -> list[str]:
    """The artifacts that do not exist with their sizes."""
    return [name for name, size in sizes.items() if name not in existing or existing[name].size != size]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
