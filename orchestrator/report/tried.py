"""The points that sweeps have tried, as Optuna's studies: for its own tools, and for what mattered among them."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nemo.errors import UserError
from nemo.methods import Setting
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.planner import Plan, combinations
from orchestrator.report.fronts import PERCENT
from orchestrator.report.number import Number
from orchestrator.report.tables import Table
from orchestrator.study.data import DescribedStudy
from orchestrator.study.sweep import OBJECTIVES, Point

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

ENOUGH = 10
"""Finished points from which on it is told what mattered: of fewer a forest of trees learns nothing."""

_MOST = 100
"""Of more finished points so many are looked at, evenly: the time goes with the square of them."""

_JOURNALS = (".log", ".journal")
_GRID = ("accuracy", "krr")
"""What a grid or a list is looked at for: what the best point is chosen by."""


def tried(
    described: DescribedStudy, planned: Plan, ledger: Ledger, least: int = 0
) -> Iterator[tuple[str, list[str], Study]]:
    """The studies of what was tried, each of one pair, method and seed, with its name and objectives.

    Args:
        described: A study with its data.
        planned: Its plan.
        ledger: Its results.
        least: Leaves out those of fewer points, before Optuna is imported for them.
    """
    for search in planned.searches:
        if len(ledger.suggestions(search.key)) >= least:
            from orchestrator.plan.search import Adaptive

            yield search.label, [*search.directions], Adaptive(search, ledger).optuna
    for label, search, points in _listed(described):
        if len(points) >= least:
            yield label, [*search.directions], _of_points(search, points, ledger)


def _listed(described: DescribedStudy) -> Iterator[tuple[str, Search, list[Point]]]:
    """The grids and lists of points of a study, as searches that suggest nothing."""
    study = described.study
    for combination, _ in combinations(described):
        sweep = study.sweep.get(combination.method)
        if sweep is None or sweep.search or combination.waits:
            continue
        if study.recipe_for(combination.pair, combination.method).validation == 0:
            continue  # nothing to choose by
        label = f"{'grid' if sweep.grid else 'list'} {combination.label}"
        directions = {name: OBJECTIVES[name] for name in _GRID}
        yield label, Search("", label, sweep, directions, max(study.thresholds), combination), sweep.points()


def _of_points(search: Search, points: list[Point], ledger: Ledger) -> Study:
    """The finished points of a grid or a list; all of them have the same settings, or they are left out."""
    import optuna
    from optuna.trial import create_trial

    from orchestrator.plan.search import values_of

    study = optuna.create_study(directions=[*search.directions.values()])  # type: ignore[list-item]
    names = set.intersection(*(set(point) for point in points))
    same = [point for point in points if set(point) == names]
    space = {name: _distribution([point[name] for point in same]) for name in same[0]} if same else {}
    for point in same:
        if (values := values_of(search, point, ledger)) is not None:
            study.add_trial(create_trial(params=dict(point), distributions=space, values=values))
    return study


def _distribution(values: list[Setting]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    numbers = [float(value) for value in values if not isinstance(value, str)]
    if len(numbers) < len(values):
        return CategoricalDistribution(sorted({str(value) for value in values}))
    return FloatDistribution(min(numbers), max(numbers))


def importance_tables(described: DescribedStudy, planned: Plan, ledger: Ledger) -> list[Table]:
    """How much of the spread of each objective each setting explains, of what has enough finished points."""
    tables = [_importances(*each) for each in tried(described, planned, ledger, ENOUGH)]
    return [table for table in tables if table is not None]


def _importances(label: str, objectives: list[str], study: Study) -> Table | None:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < ENOUGH or len(finished[0].params) < 2:
        return None
    looked_at = finished if len(finished) <= _MOST else [finished[at * len(finished) // _MOST] for at in range(_MOST)]
    study = optuna.create_study(directions=study.directions)
    study.add_trials(looked_at)
    shares: dict[str, dict[str, float]] = {}
    for place, name in enumerate(objectives):
        if len({trial.values[place] for trial in looked_at}) > 1:  # else there is nothing to explain
            value = partial(_value, place)
            shares[name] = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), target=value)
    if not shares:
        return None
    settings = sorted(finished[0].params, key=lambda setting: -next(iter(shares.values())).get(setting, 0.0))
    rows = [(each, *(Number(100 * found.get(each, 0.0), 1) for found in shares.values())) for each in settings]
    counted = _counted(len(looked_at), len(finished))
    return Table(
        f"What mattered: {label}",
        ("Setting", *(f"Of {PERCENT.get(name, name).removesuffix(' %')} %" for name in shares)),
        rows,
        f"The share of the objective's variance that a setting explains, of {counted} finished points (fANOVA, by "
        "Optuna); few points explain little, and one seed is one seed.",
    )


def _counted(looked_at: int, finished: int) -> str:
    return f"{finished}" if looked_at == finished else f"{looked_at} of the {finished:,}"


def _value(place: int, trial: FrozenTrial) -> float:
    return float(trial.values[place])


def write_optuna(described: DescribedStudy, planned: Plan, ledger: Ledger, file: Path) -> str:
    """Writes what was tried into a storage of Optuna's; returns the sentence about it.

    Args:
        described: A study with its data.
        planned: Its plan.
        ledger: Its results.
        file: Replaced. With the suffix `.log` or `.journal` Optuna's journal, else an SQLite file.

    Raises:
        UserError: Nothing was swept, or the file cannot be written.
    """
    studies = list(tried(described, planned, ledger))
    if not studies:
        raise UserError(f"--optuna: {described.study.name} sweeps nothing, so there is nothing that Optuna could show.")
    try:
        with tempfile.TemporaryDirectory(dir=file.absolute().parent) as scratch:
            written = Path(scratch) / file.name
            count = _write(studies, written)
            os.replace(written, file)
    except OSError as error:
        raise UserError(f"--optuna: {file} cannot be written ({error.strerror}), choose another file.") from error
    number = f"{len(studies)} stud{'y' if len(studies) == 1 else 'ies'}"
    return f"{number} of Optuna's with {count:,} trials in {file}"


def _write(studies: list[tuple[str, list[str], Study]], file: Path) -> int:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = _storage(file)
    count = 0
    for label, objectives, study in studies:
        copied = optuna.create_study(study_name=label, storage=storage, directions=study.directions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            copied.set_metric_names(objectives)
        trials = study.get_trials(deepcopy=False)
        copied.add_trials(trials)
        count += len(trials)
    if isinstance(storage, optuna.storages.RDBStorage):
        storage.remove_session()
        storage.engine.dispose()
    return count


def _storage(file: Path) -> BaseStorage:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if file.suffix in _JOURNALS:
        return optuna.storages.JournalStorage(JournalFileBackend(str(file)))
    return optuna.storages.RDBStorage(f"sqlite:///{file}")
