"""The ledger: what is finished, one immutable result per step; nothing else decides what is done."""

from __future__ import annotations

import hashlib
import heapq
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from nemo.errors import UserError
from orchestrator.files import file_sha256, set_aside, write_bytes
from orchestrator.keys import canonical
from orchestrator.lease import hold
from orchestrator.segments import AT_LEAST, Segment, Segments, stamps
from orchestrator.step import KINDS, Kind, Step, describe_step

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One suggestion of an adaptive search: written before it starts, concluded when it ended without a result.

    Attributes:
        settings: The suggested values, name -> value.
        outcome: None while it runs or when it finished; else why and when it was stopped.
    """

    number: int
    settings: Mapping[str, float]
    outcome: Mapping[str, Any] | None = None


class Ledger:
    """The finished steps of one study, in a folder.

    The contract: a step is finished when, and only when, its result is here whole; a result never changes; a result
    written twice is harmless. One driver writes at a time (see `lease`); anyone may read at any time. Damaged results
    are moved to `quarantine/`, told once and missing from then on. Only JSON is read here, nothing is unpickled.

    Layout: `ledger/<kind>/<key>.json`, and what these say once more, to be read at once, in
    `ledger/segments/<kind>/<hash>.parquet`; `ledger/failures/<key>.json`, `ledger/searches/<search>/<number>.json`,
    `artifacts/<key>/`, `quarantine/`, `study.yaml` (as last submitted), `studies/` (as ever submitted), `lock`.

    Args:
        folder: The study's folder; it is made when something is first written.
        readonly: Leave damaged results where they are: for those who only look on.
    """

    def __init__(self, folder: Path | str, *, readonly: bool = False) -> None:
        self.folder = Path(folder)
        self.readonly = readonly
        self._known: dict[str, dict[str, Any]] = {}
        self._ignored: set[Path] = set()
        quarantine = None if readonly else self.folder / "quarantine"
        self._segments = {kind: Segments(self.folder / "ledger" / "segments" / kind, quarantine) for kind in KINDS}

    # results

    def get(self, key: str) -> dict[str, Any] | None:
        """The whole result document of a step, or None if it is not finished.

        `key, kind, label, params, parents, result, artifacts (name -> {sha256, bytes}), environment, seconds,
        finished` and whatever `put` was told about the run.
        """
        for kind in () if key in self._known else reversed(KINDS):  # most results are of the last kind
            document = self._result(kind, key)
            if document is not None:
                self._known[key] = document
                break
        return self._known.get(key)

    def finished(self, kind: Kind | None = None) -> set[str]:
        """The keys of the finished steps."""
        return {key for key, _ in self.results(kind)}

    def results(self, kind: Kind | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """The key and the document of every finished step, by kind and key; they are not kept in memory."""
        for each in KINDS if kind is None else (kind,):
            files = stamps(self._results_folder(each))
            streams, loose = [], set(files)
            for segment in self._segments[each].read(files):
                streams.append(self._folded(each, segment, segment.keys & loose))
                loose -= segment.keys
            yield from heapq.merge(*streams, self._loose(each, loose), key=itemgetter(0))

    def fold(self, at_least: int = AT_LEAST) -> None:
        """Folds the results of a kind into a segment where at least so many are in none; the driver does it."""
        for kind in KINDS:
            files = stamps(self._results_folder(kind))
            self._segments[kind].fold(files, partial(self._result, kind), at_least)

    def put(
        self,
        step: Step,
        result: Mapping[str, Any],
        *,
        seconds: float = 0.0,
        environment: Mapping[str, Any] | None = None,
        **ran: Any,
    ) -> dict[str, Any]:
        """Records the result of a step, and the checksums of its artifacts, which must be written before.

        Args:
            step: What was done.
            result: Numbers, texts, lists and mappings; NaN and infinities become None, which JSON has no text for.
            seconds: How long the step took.
            environment: Versions, commit and hardware.
            ran: How it ran: `device`, `threads`, `workers`.

        Returns:
            The document; the one that was there before, if the step was finished already.

        Raises:
            UserError: The folder cannot be written, or is full.
        """
        present = self.get(step.key)
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
        self._known[step.key] = self._write(self._path(step.kind, step.key), document)
        with suppress(FileNotFoundError):
            self._failure_path(step.key).unlink()
        return self._known[step.key]

    def fail(self, step: Step, reason: str) -> None:
        """Records why a step failed; kept beside the results, gone when a result is put."""
        self._write(self._failure_path(step.key), {**describe_step(step), "reason": reason, "failed": _now()})

    def failure(self, key: str) -> dict[str, Any] | None:
        """Why a step failed (`key, kind, label, params, parents, reason, failed`); None where it did not.

        A result outweighs a failure: a driver may have died between writing the one and deleting the other.
        """
        failure = self._read(self._failure_path(key))
        return None if failure is None or self.get(key) is not None else failure

    def failures(self) -> dict[str, dict[str, Any]]:
        """Key -> failure of every failed step."""
        paths = sorted((self.folder / "ledger" / "failures").glob("[0-9a-f]*.json"))
        found = {path.stem: self.failure(path.stem) for path in paths}
        return {key: failure for key, failure in found.items() if failure is not None}

    def forget_failures(self) -> None:
        """Lets every failed step be tried again."""
        for key in self.failures():
            self._failure_path(key).unlink(missing_ok=True)

    # artifacts

    def artifact(self, key: str, name: str) -> Path:
        """Where an artifact of a step lies, or is to be written (through `atomic_path`, before `put`)."""
        return self.folder / "artifacts" / key / name

    def verify(self, key: str) -> bool:
        """Whether a step is finished and its artifacts have the recorded checksums; damage is quarantined."""
        document = self.get(key)
        if document is None:
            return False
        for name, recorded in document["artifacts"].items():
            path = self.artifact(key, name)
            if not path.is_file() or file_sha256(path) != recorded["sha256"]:
                self._quarantine(self._path(document["kind"], key), f"its artifact {name} is damaged or missing")
                return False
        return True

    # adaptive searches

    def suggest(self, search: str, number: int, settings: Mapping[str, float]) -> None:
        """Records a suggestion before its training starts, so that a resumed search replays from it."""
        self._write(self._trial_path(search, number), {"number": number, "settings": settings})

    def conclude(self, search: str, number: int, outcome: Mapping[str, Any]) -> None:
        """Records that a trial ended without the result of its key: stopped early, with its epoch and reason."""
        trial = self._read(self._trial_path(search, number)) or {}
        self._write(self._trial_path(search, number), {**trial, "number": number, "outcome": outcome})

    def suggestions(self, search: str) -> list[Trial]:
        """The trials of a search by number."""
        paths = sorted((self.folder / "ledger" / "searches" / search).glob("[0-9]*.json"))
        read = [self._read(path) for path in paths]
        return [Trial(trial["number"], trial["settings"], trial.get("outcome")) for trial in read if trial]

    def stops(self) -> list[dict[str, Any]]:
        """What every trial that was stopped early was concluded with."""
        searches = sorted((self.folder / "ledger" / "searches").glob("*"))
        trials = [trial for search in searches for trial in self.suggestions(search.name)]
        return [dict(trial.outcome) for trial in trials if trial.outcome]

    # the study

    def record_study(self, text: str) -> None:
        """Keeps a study's text as `study.yaml`, and in `studies/` under the hash of its content."""
        data = text.encode()
        past = self.folder / "studies" / f"{hashlib.sha256(data).hexdigest()[:12]}.yaml"
        if not past.exists():
            write_bytes(past, data)
        current = self.folder / "study.yaml"
        if not current.exists() or current.read_bytes() != data:
            write_bytes(current, data)

    def lease(self) -> AbstractContextManager[None]:
        """Makes this process the study's only driver while the block runs.

        Raises:
            UserError: Another driver is alive; the sentence names its host, its pid and since when.
        """
        return hold(self.folder)

    # inside

    def _result(self, kind: Kind, key: str) -> dict[str, Any] | None:
        """A result from its own file, if it is there whole."""
        document = self._read(self._path(kind, key))
        return document if document is not None and self._whole(kind, document) else None

    def _loose(self, kind: Kind, keys: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for key in sorted(keys):
            document = self._known.get(key) or self._result(kind, key)
            if document is not None:
                yield key, document

    def _folded(self, kind: Kind, segment: Segment, keys: Set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, document in segment.documents(keys):
            if self._whole(kind, document):
                yield key, document

    def _results_folder(self, kind: Kind) -> Path:
        return self.folder / "ledger" / kind

    def _path(self, kind: str, key: str) -> Path:
        return Path(f"{self.folder}/ledger/{kind}/{key}.json")

    def _failure_path(self, key: str) -> Path:
        return Path(f"{self.folder}/ledger/failures/{key}.json")

    def _trial_path(self, search: str, number: int) -> Path:
        return self.folder / "ledger" / "searches" / search / f"{number:05d}.json"

    def _checksums(self, key: str) -> dict[str, dict[str, Any]]:
        folder = self.folder / "artifacts" / key
        files = sorted(path for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))
        return {path.name: {"sha256": file_sha256(path), "bytes": path.stat().st_size} for path in files}

    def _write(self, path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
        plain: dict[str, Any] = _finite({name: value for name, value in document.items() if name != "sha256"})
        plain["sha256"] = _checksum(plain)
        write_bytes(path, json.dumps(plain, allow_nan=False).encode())
        return plain

    def _read(self, path: Path) -> dict[str, Any] | None:
        """A document whose checksum is right; otherwise it is quarantined."""
        try:
            document = json.loads(path.read_bytes())
            if document["sha256"] == _checksum(document):
                return dict(document)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}), make it readable.") from error
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        self._quarantine(path, "its checksum is wrong")
        return None

    def _whole(self, kind: Kind, document: Mapping[str, Any]) -> bool:
        """Whether the artifacts are there with their sizes; `verify` reads them through."""
        for name, recorded in document["artifacts"].items():
            artifact = self.artifact(document["key"], name)
            if not artifact.is_file() or artifact.stat().st_size != recorded["bytes"]:
                self._quarantine(self._path(kind, document["key"]), f"its artifact {name} is damaged or missing")
                return False
        return True

    def _quarantine(self, path: Path, reason: str) -> None:
        self._known.pop(path.stem, None)
        if self.readonly:
            if path not in self._ignored:
                _log.warning("%s: ignored, %s.", path, reason)
            self._ignored.add(path)
            return
        target = set_aside(path, self.folder / "quarantine")
        _log.warning("%s: moved to %s and computed again, %s.", path, target, reason)


def _checksum(document: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in document.items() if name != "sha256"}
    return hashlib.sha256(canonical(plain).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _finite(value: Any) -> Any:
    """The same as plain JSON, with None for NaN and infinities."""
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
