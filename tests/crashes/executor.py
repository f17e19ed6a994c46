"""Stand-ins for Ray: steps and trials run one by one, and their workers fail and die by chance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.tune.search import Searcher

from nemo.errors import UserError
from orchestrator.execution import fanout, training
from orchestrator.execution.context import Context, Event
from orchestrator.execution.trial import UNWRITABLE
from orchestrator.plan.step import Step
from orchestrator.storage.files import Unwritable
from tests.crashes.actor import Killed, current


class FanOut:
    """Stands in for `fanout.FanOut`: submitted steps wait until `step` runs one of them."""

    def __init__(
        self, context: Context, slots: object, shared: object, on_event: Callable[[Event], None], stop: object
    ) -> None:
        self._context, self._on_event = context, on_event
        self.waiting: list[Step] = []
        self.flying: list[Step] = []
        self._world = current().world
        current().fanout = self

    def submit(self, steps: list[Step]) -> None:
        assert current().found.isdisjoint(step.key for step in steps), "a finished step is submitted"
        self.waiting.extend(steps)

    def __enter__(self) -> FanOut:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        while kind is None and self.waiting:
            self.step()

    def step(self) -> None:
        step = self.waiting.pop(self._world.luck.randrange(len(self.waiting)))
        self.flying = [step]
        event = self._event(step)
        current().hear()
        self.flying = []
        self._on_event(event)

    def _event(self, step: Step) -> Event:
        error: Exception = RuntimeError("its worker died")
        for _ in range(1 + fanout.MAX_RETRIES):
            try:
                with current().working(self._world.writes_until_death()):
                    document = self._world.compute(step, self._context)
                return Event("finished", step, result=document)
            except Killed:
                if current().dead:
                    raise
            except OSError as failure:
                error = failure
            except (ValueError, UserError) as failure:
                error = failure
                break
        return Event("failed", step, reason=self._context.fail(step, error))


class Tuner:
    """Stands in for `tune.Tuner`: asks the real queue for trials and tells the real watcher how they went."""

    def __init__(self, context: Context, tune_config: Any, run_config: Any) -> None:
        self._context, self._config = context, tune_config
        (self._watcher,) = run_config.callbacks
        self._world = current().world

    def fit(self) -> None:
        trials: list[SimpleNamespace] = []
        started, waiting = 0, True
        while started < self._config.num_samples or trials:
            if started < self._config.num_samples and len(trials) < self._config.max_concurrent_trials and waiting:
                config = self._config.search_alg.suggest(str(started))
                if isinstance(config, dict):
                    assert config["steps"][0].key not in current().found, "a finished training is submitted"
                    told = self._world.file.with_name("error.txt")
                    trials.append(SimpleNamespace(config=config, last_result={"epoch": 1}, error_file=str(told)))
                    self._watcher.on_trial_result(0, [], trials[-1], {"rows": [], "damage": ""})
                    started += 1
                    continue
                if config == Searcher.FINISHED:
                    started = self._config.num_samples
                waiting = False  # something has to end first
            fan_out = current().fanout
            if fan_out is not None and fan_out.waiting and (not trials or self._world.luck.random() < 0.5):
                fan_out.step()
            else:
                assert trials, "Tune would wait for ever"
                self._run(trials.pop(self._world.luck.randrange(len(trials))))
            waiting = True

    def _run(self, trial: SimpleNamespace) -> None:
        for _ in range(1 + training.MAX_FAILURES):
            try:
                with current().working(self._world.writes_until_death()):
                    told = self._train(trial.config)
                current().hear()
                if told:
                    self._watcher.on_trial_result(0, [], trial, {UNWRITABLE: told})
                self._watcher.on_trial_complete(0, [], trial)
                return
            except Killed:
                if current().dead:
                    raise
                failure = "The actor died unexpectedly"
            except OSError as error:
                failure = f"OSError: {error}"
            Path(trial.error_file).write_text(f"Failure # 1 (occurred at noon)\n{failure}\n")
            self._watcher.on_trial_recover(0, [], trial)
        self._watcher.on_trial_error(0, [], trial)

    def _train(self, config: dict[str, Any]) -> str:
        """What `run_trial` does; returns what it tells Tune of a store that cannot be written."""
        (step,) = config["steps"]
        ledger = self._context.ledger
        try:
            if config["every_epoch"] and ledger.get(step.key) is None and self._world.happens(0.2):
                self._world.stopped = True
                return ""
            try:
                self._world.compute(step, self._context)
            except Unwritable:
                raise
            except (ValueError, UserError) as error:
                ledger.fail(step, str(error))
            self._context.forget(step)
        except Unwritable as error:
            return str(error)
        return ""
