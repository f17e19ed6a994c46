"""The small networks of a combination: a step for each method, compensation, budget and class set."""

from __future__ import annotations

import dataclasses
from itertools import product
from typing import Any

from nemo.deriving.methods import DERIVATIONS
from orchestrator.plan.combination import Combination
from orchestrator.plan.step import Step, make_step
from orchestrator.study.data import groups_of
from orchestrator.study.sweep import setting_text

VERSION = 1
"""Raised when the same step would give other numbers."""


def derive_steps(combination: Combination, train: Step) -> list[Step]:
    """The networks that a study derives of a finished training of its; none of one with mask generators."""
    wanted = combination.study.derive
    if wanted is None or combination.method != "standard":
        return []
    shared: dict[str, Any] = {
        "version": VERSION,
        "finetune": dataclasses.asdict(combination.study.finetune_for(combination.pair, wanted)),
        "seed": combination.seed,
    }
    if wanted.recalibration is not None:
        shared["recalibration"] = wanted.recalibration
    if wanted.attacks:
        shared["attacks"] = sorted(wanted.attacks)
    if combination.pair.sites:
        shared["sites"] = combination.pair.sites
    where = combination.where(combination.study.resources.subtask.model_dump())
    if wanted.keep:
        where["keep"] = True
    sets = combination.class_sets(wanted, as_written=True)
    groups = groups_of(combination.description, wanted)
    steps = []
    for derivation in wanted.methods:
        method = DERIVATIONS[derivation.method].method
        settings = method.telling(derivation.settings)
        unusual = method.unusual(settings).items()
        words = " ".join([derivation.method, *(f"{name}={setting_text(each)}" for name, each in unusual)])
        own = {**shared, "derivation": derivation.method, "settings": settings}
        if method.version > 1:
            own["method_version"] = method.version
        for compensate, attention, budget in product(wanted.compensate, wanted.attention, wanted.budgets):
            ((measure, share),) = budget.items()
            ways = [each for each in (compensate, attention) if each not in ("none", "keep")]
            told = " ".join([words, f"{measure}={share:g}", *ways])
            way = {"compensate": compensate, **({} if attention == "keep" else {"attention": attention})}
            for classes in sets:
                params = {**own, **way, "budget": budget, "classes": list(classes)}
                named = groups.get(tuple(sorted(classes)))
                label = f"derive {named or ','.join(map(str, classes))} by {told} of {train.label}"
                steps.append(make_step("derive", params, {"train": train.key}, where, label))
    return steps


def derive_count(combination: Combination) -> int:
    """How many networks are derived of each training."""
    wanted = combination.study.derive
    if wanted is None or combination.method != "standard":
        return 0
    ways = len(wanted.methods) * len(wanted.compensate) * len(wanted.attention) * len(wanted.budgets)
    return ways * len(combination.class_sets(wanted, as_written=True))
