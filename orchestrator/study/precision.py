"""What bfloat16 costs on CPUs that have no instructions for it."""

from __future__ import annotations

from orchestrator.study.study import Study
from orchestrator.system.processor import computes_bfloat16


def precision_notes(study: Study, computes: bool | None = None) -> list[str]:
    """The sentence about steps that would take many times as long as with float32 on this machine; else nothing.

    Args:
        study: What would run.
        computes: Whether the CPUs compute bfloat16; None looks.
    """
    computes = computes_bfloat16() if computes is None else computes
    slow = [] if computes is not False else _slow(study)
    if not slow:
        return []
    return [
        "precision: bfloat16 takes up to ten times as long as float32 on CPUs without instructions for it, as those of "
        f"this machine, and {' and '.join(slow)} would run so; leave it out, or give them GPUs (resources)."
    ]


def _slow(study: Study) -> list[str]:
    """What runs in bfloat16 on CPUs."""
    resources, found = study.resources, []
    recipes = [study.recipe_for(pair, method) for pair in study.pairs for method in study.methods]
    if resources.training.gpus == 0 and any(recipe.precision == "bfloat16" for recipe in recipes):
        found.append("trainings")
    wanted = [each for each in (study.subtasks, study.derive) if each is not None]
    tuned = [study.finetune_for(pair, each) for pair in study.pairs for each in wanted]
    if resources.subtask.gpus == 0 and any(finetune.precision == "bfloat16" for finetune in tuned):
        found.append("fine-tunings")
    return found
