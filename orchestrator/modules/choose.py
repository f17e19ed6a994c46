"""Which of a study's trained networks a module is cut from; chosen on validation images, or named by its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nemo.control import Control
from nemo.datasets.naming import find_class
from nemo.errors import UserError
from nemo.methods import METHODS
from orchestrator.plan.best import TrainedPoint, best_point
from orchestrator.plan.combination import Combination
from orchestrator.plan.combination_plan import plan_combination
from orchestrator.plan.planner import combinations
from orchestrator.plan.results import Results
from orchestrator.plan.step import Step
from orchestrator.storage.keys import keys_named
from orchestrator.study.data import DescribedStudy
from orchestrator.study.study import Study

if TYPE_CHECKING:
    from nemo.datasets.description import Description

_SHOWN = 8


@dataclass(frozen=True)
class Cuttable:
    """A modular network that is trained and modularized.

    Attributes:
        train: Its training.
        modularize: Its relevance pass.
        standard: The standard training of the same pair and seed, if that is finished.
        accuracy: On the validation images; None without any.
        standard_accuracy: The standard network's, on the same images.
        krr: Of its modules at the study's highest threshold; None where that is not measured yet.
    """

    combination: Combination
    train: Step
    modularize: Step
    standard: Step | None
    accuracy: float | None
    standard_accuracy: float | None
    krr: float | None

    def reuse(self, classes: Sequence[int], threshold: float | None, control: Control | None = None) -> Step:
        """The step that cuts and fine-tunes one of its modules, or a control of it."""
        return self.combination.reuse(self.train, self.modularize, self.standard, classes, threshold, control)


@dataclass(frozen=True)
class Choice:
    """The network to cut from, the classes to cut out, and why this network."""

    network: Cuttable
    classes: list[int]
    why: str


def choose(described: DescribedStudy, results: Results, classes: Sequence[str | int], run: str | None) -> Choice:
    """Chooses the network to cut classes from.

    The best of each pair and seed is chosen as the sub-tasks' `from: best` is (`orchestrator.plan.best`), among all
    modular methods; of these the most accurate on validation images, then the one with the lowest KRR.

    Args:
        described: The study as last submitted.
        results: Its ledger; of a study that still runs, only finished networks are considered.
        classes: Names, or numbers.
        run: A training's key, or how it begins; None chooses.

    Raises:
        UserError: A class does not exist, no network is ready, none has that key, or which is best cannot be decided.
    """
    study = described.study
    networks = _cuttable(described, results.snapshot())
    reason = ""
    fitting: list[tuple[Cuttable, list[int]]] = []
    candidates = networks if run is None else [_named(run, networks)]
    for network in candidates:
        try:
            fitting.append((network, class_numbers(classes, network.combination.description)))
        except UserError as error:
            reason = reason or str(error)
    if not candidates:
        _check_classes_of_study(classes, described)
        raise UserError(
            f"study {study.name!r}: no modular network is trained and modularized yet, let nemo run finish one."
        )
    if not fitting:
        raise UserError(reason)
    numbers = {network.train.key: each for network, each in fitting}
    if run is not None:
        return Choice(fitting[0][0], fitting[0][1], "as asked for")
    best, why = _best([network for network, _ in fitting], study.select.tolerance)
    return Choice(best, numbers[best.train.key], why)


def class_numbers(names: Sequence[str | int], description: Description) -> list[int]:
    """The numbers of classes given by name or by number; see `find_class`.

    Raises:
        UserError: One does not exist, could be two, or is given twice; or there are fewer than two.
    """
    numbers = []
    for name in names:
        try:
            number = find_class(name, description.classes)
        except UserError as error:
            shell = ', within the shell\'s: --classes \'"cat","2"\'' if '"' in str(error) else ""
            raise UserError(f"--classes: {error}{shell}.") from None
        if number is None:
            known, more = description.classes[:30], len(description.classes) - 30
            listed = ", ".join(known) + (f" and {more} more" if more > 0 else "")
            raise UserError(f"--classes: {name!r} is unknown, {description.name} has the classes {listed}; name these.")
        numbers.append(number)
    if len(set(numbers)) != len(numbers) or len(numbers) < 2:
        raise UserError(
            f"--classes: {','.join(map(str, names))!r} should be two classes or more, each once, as in cat,dog."
        )
    return numbers


def _check_classes_of_study(classes: Sequence[str | int], described: DescribedStudy) -> None:
    """Checks the classes against the study's data set, if it has only one, although no network is ready yet."""
    if len(described.data) == 1:
        class_numbers(classes, next(iter(described.data.values())))


def _cuttable(described: DescribedStudy, results: Results) -> list[Cuttable]:
    study = described.study
    networks: dict[str, Cuttable] = {}
    for combination, standard in combinations(described):
        if not combination.modular:
            continue
        reference = None if standard is None else results.get(standard.key, "train")
        for train in plan_combination(combination, standard, results).steps:
            if train.kind != "train" or train.params["method"] != combination.method:
                continue
            modularize = combination.modularize(train)
            trained = results.get(train.key, "train")
            if trained is None or results.get(modularize.key, "modularize") is None:
                continue
            measured = results.get(combination.measure(train, modularize, max(study.thresholds)).key, "measure")
            networks[train.key] = Cuttable(
                combination,
                train,
                modularize,
                None if reference is None else standard,
                trained["result"]["validation_accuracy"],
                None if reference is None else reference["result"]["validation_accuracy"],
                None if measured is None else measured["result"]["krr"],
            )
    return list(networks.values())


def _named(run: str, networks: Sequence[Cuttable]) -> Cuttable:
    trained = {network.train.key: network for network in networks}
    fitting = [trained[key] for key in keys_named(run, trained)]
    if len(fitting) == 1:
        return fitting[0]
    if not networks:
        raise UserError(f"--run {run}: no modular network is trained and modularized yet, let nemo run finish one.")
    problem = f"begins the keys of {len(fitting)}" if fitting else "is the key of no"
    raise UserError(
        f"--run {run}: {problem} finished modular networks of the study, choose one of {_listed(fitting or networks)}."
    )


def _best(fitting: Sequence[Cuttable], tolerance: float) -> tuple[Cuttable, str]:
    if len(fitting) == 1:
        return fitting[0], "the only modular network that is finished"
    judged = [network for network in fitting if network.accuracy is not None and network.krr is not None]
    if not judged:
        raise UserError(
            "--run: is needed, for the study has several modular networks and no measured validation images that tell "
            f"which is the best; choose one of {_listed(fitting)}."
        )
    groups: dict[tuple[str, int], list[Cuttable]] = {}
    for network in judged:
        groups.setdefault((network.combination.name, network.combination.seed), []).append(network)
    winners = [_best_of(group, tolerance) for group in groups.values()]
    best = min(winners, key=lambda each: (-_number(each.accuracy), _number(each.krr), each.train.key))
    return best, f"the best of {len(judged)} modular networks on validation images"


def _best_of(group: Sequence[Cuttable], tolerance: float) -> Cuttable:
    """The best point of one pair and seed."""
    candidates = [TrainedPoint(each.train.key, _number(each.accuracy), _number(each.krr)) for each in group]
    best = best_point(candidates, group[0].standard_accuracy, tolerance)
    return next(each for each in group if best is not None and each.train.key == best.key)


def _number(value: float | None) -> float:
    assert value is not None
    return value


def _listed(networks: Sequence[Cuttable]) -> str:
    names = [f"{each.train.key} ({each.train.label})" for each in networks[:_SHOWN]]
    return ", ".join(names) + (" or another" if len(networks) > _SHOWN else "")


def threshold_of(network: Cuttable, study: Study, wanted: float | None) -> float | None:
    """The threshold to cut a module at: the wanted one, else the study's highest; None for a search, which has none.

    Raises:
        UserError: The study has no such threshold.
    """
    if network.combination.searches_modules:
        if wanted is not None:
            method = METHODS[network.combination.method].name
            raise UserError(f"--threshold: {method} finds its modules without one, leave it out.")
        return None
    if wanted is None:
        return max(study.thresholds)
    if wanted not in study.thresholds:
        known = ", ".join(f"{each:g}" for each in study.thresholds)
        raise UserError(f"--threshold: {wanted:g} is none of the study's, choose one of {known}.")
    return wanted
