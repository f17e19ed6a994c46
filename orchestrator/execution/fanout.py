"""The fan-out: modularize, measure, reuse and derive steps as plain Ray tasks, streamed back as they finish."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import ray
import torch

from orchestrator.cluster.capacity import MAX_RETRIES, Slots
from orchestrator.computing.compute import ModelArrays, NetworkArrays, model_arrays, network_arrays
from orchestrator.computing.data import DatasetArrays, as_dataset, data_key, dataset_arrays
from orchestrator.execution.context import Context, Event, OnEvent
from orchestrator.execution.worker import compute_and_put, cut_and_put
from orchestrator.plan.results import Result
from orchestrator.plan.step import CUTTING, Step
from orchestrator.plan.step_queue import StepQueue

OnError = Callable[[BaseException], object]

_POLL = 0.2  # seconds until newly submitted steps, or a change of the trainings' share, are noticed


class Shared:
    """Data sets and models in Ray's object store, each put there once; thread-safe.

    They are read by a task of their own and never pass through the driver: Ray reads them again if a node is lost. What
    could not be read is read anew for the next step that asks.

    Args:
        context: The study's.
        read: What the driver has read already, by `data_key`, of a cluster that is this machine alone; what is put into
            the object store is taken out of it, so that it is not in memory twice.
    """

    def __init__(self, context: Context, read: dict[str, DatasetArrays] | None = None) -> None:
        self._context = context
        self._read = {} if read is None else read
        self._lock = threading.Lock()
        self._datasets: dict[str, ray.ObjectRef[DatasetArrays]] = {}
        self._models: dict[str, ray.ObjectRef[ModelArrays | NetworkArrays]] = {}
        self._users: Counter[str] = Counter()

    def dataset(self, step: Step) -> ray.ObjectRef[DatasetArrays]:
        """The data set of a step."""
        key = data_key(step)
        with self._lock:
            if key in self._read:
                self._datasets[key] = ray.put(self._read.pop(key))
            if key not in self._datasets:
                self._datasets[key] = _read_dataset.options(retry_exceptions=[OSError]).remote(dict(step.where))
            return self._datasets[key]

    def datasets(self, steps: Iterable[Step]) -> dict[str, ray.ObjectRef[DatasetArrays]]:
        """The data sets of some steps, by `data_key`."""
        return {data_key(step): self.dataset(step) for step in steps}

    def expect(self, steps: Iterable[Step]) -> None:
        """Announces steps that cut: their models stay in the object store until each of them was released."""
        with self._lock:
            self._users.update(_model_key(step) for step in steps if step.kind in CUTTING)

    def model(self, step: Step) -> ray.ObjectRef[ModelArrays | NetworkArrays]:
        """The trained network that a reuse or derive step cuts from."""
        key = _model_key(step)
        with self._lock:
            if key not in self._models:
                reading = _read_model.options(retry_exceptions=[OSError])
                self._models[key] = reading.remote(dict(step.parents), self._context)
            return self._models[key]

    def forget(self, step: Step) -> None:
        """Drops the data of a failed step, in case it failed on them; the next step that needs them reads them anew."""
        with self._lock:
            self._datasets.pop(data_key(step), None)
            self._models.pop(_model_key(step), None)

    def release(self, step: Step) -> None:
        """Marks a step as done; a model that no announced step needs any more is removed from the object store."""
        if step.kind in CUTTING:
            key = _model_key(step)
            with self._lock:
                self._users[key] -= 1
                if self._users[key] <= 0:
                    self._models.pop(key, None)


class FanOut:
    """Runs steps whose parents are finished, bounded in flight, in a thread of its own.

        with FanOut(context, slots, shared, on_event) as fanout:
            fanout.submit(steps)

    Leaving the block waits for all of them, those included that `on_event` submits in answer to an event.

    Args:
        context: The study's.
        slots: How many tasks may be in flight.
        shared: Data sets and models in the object store.
        on_event: Called in the fan-out's thread with each `finished` or `failed` step.
        stop: Called in that thread, at once, with an error that ends it early, which leaving the block raises anyway.
    """

    def __init__(
        self, context: Context, slots: Slots, shared: Shared, on_event: OnEvent, stop: OnError | None = None
    ) -> None:
        self._context, self._slots, self._shared, self._on_event = context, slots, shared, on_event
        self._stop = stop
        self._waiting = StepQueue()
        self._gate = threading.Lock()
        self._over = False
        self._in_flight: dict[ray.ObjectRef[list[Result]], list[Step]] = {}
        self._closing = threading.Event()
        self._aborting = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fan-out", daemon=True)

    @property
    def flying(self) -> list[Step]:
        """The steps that were submitted to Ray and have not ended."""
        return [step for steps in list(self._in_flight.values()) for step in steps]

    def submit(self, steps: Sequence[Step]) -> None:
        """Queues steps, equal ones in their order; may be called from any thread, and from `on_event`.

        Raises:
            BaseException: What stopped the fan-out, if something did.
        """
        if self._error is not None:
            raise self._error
        self._shared.expect(steps)
        self._waiting.extend(steps)

    @contextmanager
    def kept_open(self) -> Iterator[bool]:
        """Keeps it from ending while the block runs; yields False where it has ended already."""
        with self._gate:
            yield not self._over

    def arrange(self, steps: Mapping[str, Step]) -> None:
        """Gives steps that wait the priorities of these, by key."""
        self._waiting.arrange(steps)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        try:
            if error is None:
                self._ended.wait()  # unlike a thread's `join`, as good as new when Ctrl-C interrupts it
        finally:
            self._aborting.set()
            self._ended.wait()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            self._run_all()
        except BaseException as error:  # raised again in the driver's own thread
            self._error = error
            if self._stop is not None and not self._aborting.is_set():
                self._stop(error)
        finally:
            self._ended.set()

    def _run_all(self) -> None:
        try:
            while not self._aborting.is_set():
                closing = self._closing.is_set()  # before looking: what is submitted first is seen
                self._launch()
                if self._in_flight:
                    for reference in self._wait_for_results():
                        self._collect(reference)
                elif closing and self._ends():
                    return
                else:
                    time.sleep(_POLL / 4)
        finally:
            for reference in self._in_flight:
                ray.cancel(reference, force=True)

    def _ends(self) -> bool:
        with self._gate:
            self._over = not self._waiting
            return self._over

    def _wait_for_results(self) -> list[ray.ObjectRef[list[Result]]]:
        """All tasks that have ended, after waiting for one: asking Ray for one costs as much as asking for all."""
        done, running = ray.wait(list(self._in_flight), num_returns=1, timeout=_POLL)
        if done and running:
            more, _ = ray.wait(running, num_returns=len(running), timeout=0)
            done += more
        return done

    def _launch(self) -> None:
        resources = self._context.resources.subtask
        while self._waiting and len(self._in_flight) < self._slots.tasks(resources.cpus, resources.gpus):
            steps = self._next()
            # Not the label: of every name that it has seen Ray keeps 14 KB in the driver, and as much in its agent.
            task = _run_steps.options(
                retry_exceptions=[OSError], num_cpus=resources.cpus, num_gpus=resources.gpus, name=steps[0].kind
            )
            model: Any = self._shared.model(steps[0]) if steps[0].kind in CUTTING else None
            self._in_flight[task.remote(steps, self._context, [self._shared.dataset(steps[0])], model)] = steps

    def _next(self) -> list[Step]:
        """The next step, or the next ones where they measure modules of one network: they share most of their work."""
        steps = [self._waiting.pop()]
        while steps[0].kind == "measure" and (following := self._waiting.peek()) is not None:
            if (following.kind, following.parents) != (steps[0].kind, steps[0].parents):
                break
            steps.append(self._waiting.pop())
        return steps

    def _collect(self, reference: ray.ObjectRef[list[Result]]) -> None:
        steps = self._in_flight.pop(reference)
        try:
            documents = ray.get(reference)
            events = [Event("finished", step, result=document) for step, document in zip(steps, documents, strict=True)]
        except ray.exceptions.RayError as error:
            events = [Event("failed", step, reason=self._context.fail(step, error)) for step in steps]
            self._shared.forget(steps[0])
        for event in events:
            self._shared.release(event.step)
            self._on_event(event)


@ray.remote(max_retries=MAX_RETRIES)
def _run_steps(
    steps: list[Step],
    context: Context,
    dataset: list[ray.ObjectRef[DatasetArrays]],
    model: ModelArrays | NetworkArrays | None,
) -> list[Result]:
    """One reuse, derive or modularize step, or measure steps of one network."""
    _show(steps[0].label)
    ledger = context.ledger
    documents = [ledger.get(step.key, step.kind) for step in steps]  # a first worker may have died in the middle
    missing = [step for step, document in zip(steps, documents, strict=True) if document is None]
    torch.set_num_threads(max(1, int(context.resources.subtask.cpus)))
    computed: Iterator[Result] = iter(())
    if missing and model is None:
        computed = iter(compute_and_put(missing, context, dataset[0]))
    elif missing and model is not None:
        computed = iter([cut_and_put(missing[0], context, as_dataset(ray.get(dataset[0])), model)])
    return [next(computed) if document is None else document for document in documents]


def _show(label: str) -> None:
    """Shows in `ps` what this worker does, as Ray does with a task's name; Ray resets it when the task ends."""
    from ray._raylet import setproctitle  # type: ignore[attr-defined]

    setproctitle(f"ray::{label}")


# These need no CPU of their own: they would wait for one that a training holds, which waits for them.
@ray.remote(num_cpus=0, max_retries=MAX_RETRIES)
def _read_dataset(where: dict[str, Any]) -> DatasetArrays:
    return dataset_arrays(where)


@ray.remote(num_cpus=0, max_retries=MAX_RETRIES)
def _read_model(parents: dict[str, str], context: Context) -> ModelArrays | NetworkArrays:
    if parents.keys() == {"train"}:
        return network_arrays(parents["train"], context.ledger)
    return model_arrays(parents, context.ledger)


def _model_key(step: Step) -> str:
    return " ".join(f"{role}={key}" for role, key in sorted(step.parents.items()))
