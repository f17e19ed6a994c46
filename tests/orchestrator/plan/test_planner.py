import json
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.plan.planner import Planner, plan
from orchestrator.plan.results import Trial
from orchestrator.plan.step import make_step
from orchestrator.study.data import DescribedStudy
from orchestrator.study.file import load_study_file
from orchestrator.tracking.entries import flat_params
from tests.orchestrator.study_examples import DESCRIPTIONS, SWEPT, documents, of_kind, study, write

GRID = {"sweep": {"mwt": {"grid": {"lambda_coup": [2.0, 3.0]}}}}
BEST = {"recipe": {"validation": 0.1}, "subtasks": {"from": "best", "sizes": [2], "samples": 4}}
SEARCH = {"search": "optuna", "trials": 3, "space": {"lambda_coup": [1.0, 3.0]}, "objectives": ["accuracy", "krr"]}


@dataclass
class Finished:
    """A ledger in memory."""

    documents: dict = field(default_factory=dict)
    failed: set = field(default_factory=set)
    trials: list = field(default_factory=list)

    def get(self, key, kind):
        return self.documents.get(key)

    def failure(self, key):
        return {"reason": "NaN"} if key in self.failed else None

    def suggestions(self, search):
        return self.trials

    def snapshot(self):
        return self


def planned(made, results=None):
    return plan(DescribedStudy(made, DESCRIPTIONS), results or {})


def labels(steps):
    return [step.label for step in steps]


def everything(made, accuracies, krrs):
    """Results of all trainings and measures, in the plan's order."""
    steps = planned(made).steps
    numbers = {}
    for step, accuracy in zip([s for s in steps if s.kind == "train"], accuracies, strict=True):
        numbers[step.key] = {"validation_accuracy": accuracy}
    for step, krr in zip([s for s in steps if s.kind == "measure"], krrs, strict=True):
        numbers[step.key] = {"krr": krr}
    return documents(steps, numbers)


def test_golden_keys():
    """A change here makes every result of every user's ledger unreachable: raise a version, or don't."""
    steps = planned(study(subtasks={"sizes": [2], "samples": 1})).steps
    assert [(step.kind, step.key) for step in steps] == [
        ("train", "fa4732cc472d9ac9aee3"),
        ("train", "d30beb4126dd09355ca8"),
        ("modularize", "bdf8f6847d40a14397e2"),
        ("measure", "15fcfd81e7bf783ee1d7"),
        ("reuse", "26d42335dc54e77e63b0"),
    ]


def test_parents_come_before_their_children():
    steps = planned(study(seeds=[0, 1], subtasks={"sizes": [2, 3]}, **GRID)).steps
    seen = set()
    for step in steps:
        assert set(step.parents.values()) <= seen
        seen.add(step.key)
    assert len(seen) == len(steps)


def test_counts_of_a_grid():
    result = planned(study(seeds=[0, 1], thresholds=[0.5, 0.9], subtasks={"sizes": [2, 3], "samples": 4}, **GRID))
    assert result.counts() == {"train": 6, "modularize": 4, "measure": 8, "reuse": 32, "derive": 0}
    assert sum(result.up_to.values()) == 0


def test_the_same_arguments_give_the_same_plan(tmp_path):
    made = load_study_file(write(tmp_path, SWEPT))
    assert planned(made) == planned(load_study_file(write(tmp_path, SWEPT)))
    for step in planned(made).steps:
        params = json.loads(json.dumps(step.params))
        assert make_step(step.kind, params, step.parents, {}, "").key == step.key


def test_reuse_compares_with_the_standard_training_of_its_seed():
    steps = planned(study(seeds=[0, 1], subtasks={"sizes": [2]})).steps
    by_key = {step.key: step for step in steps}
    for step in steps:
        if step.kind == "reuse":
            standard, modular = by_key[step.parents["standard"]], by_key[step.parents["train"]]
            assert standard.params["method"] == "standard"
            assert standard.params["seed"] == modular.params["seed"] == step.params["seed"]
    alone = planned(study(methods=["mwt"], subtasks={"sizes": [2]}))
    assert all("standard" not in step.parents for step in of_kind(alone, "reuse"))


def test_the_head_of_modules_is_the_methods_own_unless_the_study_says():
    chosen = [({"head": head}, {head}) for head in ("linear", "paper", "slice")]
    for fields, expected in (({}, {"slice", "paper"}), *chosen):
        steps = of_kind(planned(study(methods=["mwt", "moda"], subtasks={"sizes": [2], **fields})), "reuse")
        assert {step.params["head"] for step in steps} == expected
        of_moda = {step.params["head"] for step in steps if " of moda " in step.label}
        assert of_moda == {fields.get("head", "slice")}


def test_modules_that_answer_as_they_are_cut_keep_their_classifier():
    made = study(methods=["mwt"], recipe={"as_cut": 0.5}, subtasks={"sizes": [2], "recalibration": 100})
    steps = of_kind(planned(made), "reuse")
    assert {(step.params["head"], step.params["recalibration"]) for step in steps} == {("slice", 100)}
    other = study(methods=["mwt"], recipe={"as_cut": 0.5}, subtasks={"sizes": [2], "head": "paper"})
    assert {step.params["head"] for step in of_kind(planned(other), "reuse")} == {"paper"}


def test_controls_are_steps_beside_every_module_and_leave_its_key_alone():
    subtasks = {"sizes": [2], "samples": 3}
    plain = of_kind(planned(study(subtasks=subtasks)), "reuse")
    steps = of_kind(planned(study(subtasks={**subtasks, "controls": ["random", "magnitude"]})), "reuse")
    assert [step.params.get("control") for step in steps] == [None, "random", "magnitude"] * 3
    assert [step.key for step in steps[::3]] == [step.key for step in plain]
    assert len({step.key for step in steps}) == 9
    for module, random, magnitude in zip(steps[::3], steps[1::3], steps[2::3], strict=True):
        assert random.params == {**module.params, "control": "random"}
        assert random.parents == module.parents
        assert magnitude.parents == {**module.parents, "pruned": module.parents["standard"]}


def test_what_rehearsed_is_recalibrated_unless_it_is_said_otherwise():
    cases = (({"as_cut": 0.5}, {}, 500), ({"as_cut": 0.5}, {"recalibration": 0}, None), ({}, {}, None))
    for recipe, subtasks, expected in (*cases, ({"as_cut": 0.5, "as_cut_from": 0}, {}, None)):
        steps = of_kind(planned(study(methods=["mwt"], recipe=recipe, subtasks={"sizes": [2], **subtasks})), "reuse")
        assert {step.params.get("recalibration") for step in steps} == {expected}


def test_when_rehearsal_begins_is_part_of_a_trainings_key_and_older_ones_keep_theirs():
    def key(**recipe):
        return of_kind(planned(study(methods=["mwt"], recipe=recipe)), "train")[0]

    assert key(as_cut=0.5).params["recipe"]["as_cut_from"] == 0.6
    assert "as_cut_from" not in key(as_cut=0.5, as_cut_from=0).params["recipe"]
    assert key(as_cut_from=0.3).key == key().key  # nobody rehearses
    assert len({key(as_cut=0.5, as_cut_from=since).key for since in (0, 0.3, 0.6)}) == 3


def test_nemos_weight_is_another_one_for_transformers_where_a_study_does_not_say():
    pairs = [{"backbone": name, "dataset": "digits"} for name in ("resnet18", "vit_s")]
    for methods, expected in ({"nemo": {}}, [1.2, 0.1]), ({"nemo": {"alpha": 0.5}}, [0.5, 0.5]):
        steps = of_kind(planned(study(pairs=pairs, methods=methods)), "train")
        assert [step.params["settings"]["alpha"] for step in steps] == expected


def test_norms_are_part_of_a_key_where_a_backbone_has_none_of_its_own():
    def keys(backbone, norm):
        pairs = [{"backbone": backbone, "dataset": "digits", "norm": norm}]
        return {step.key for step in of_kind(planned(study(pairs=pairs)), "train")}

    assert keys("vgg16", True) == keys("vgg16", False)
    assert not keys("rescnn", True) & keys("rescnn", False)


def test_fields_without_a_meaning_for_a_method_do_not_tell_its_keys_apart():
    def keys(**recipe):
        steps = of_kind(planned(study(methods=["standard", "mwt", "nemo", "moda"], recipe=recipe)), "train")
        return {step.params["method"]: step.key for step in steps}

    plain = keys()
    changed = {
        ("variant", "masked_exp"): {"nemo"},
        ("lr_mask", 0.01): {"mwt", "nemo"},
        ("warmup", 3): {"mwt", "nemo", "moda"},
        ("exclude_first_masked_layer", True): {"mwt", "moda"},  # nemo excludes it anyway
        ("gate", "annealed"): {"mwt", "nemo"},
        ("saturation", 0.5): {"mwt", "nemo"},
        ("as_cut", 0.5): {"mwt", "nemo", "moda"},
    }
    for (name, value), methods in changed.items():
        other = keys(**{name: value})
        assert {method for method in plain if plain[method] != other[method]} == methods, name


def test_the_objective_leaves_out_the_first_layer_of_cnns_alone():
    """method.md 3.3: NeMo's published trainings of Transformers leave out none."""
    pairs = [{"backbone": "rescnn", "dataset": "digits"}, {"backbone": "vit_s", "dataset": "digits"}]
    for recipe, excluded in (({}, [True, False]), ({"exclude_first_masked_layer": True}, [True, True])):
        steps = of_kind(planned(study(pairs=pairs, methods=["nemo"], recipe=recipe)), "train")
        assert [step.params["recipe"]["exclude_first_masked_layer"] for step in steps] == excluded


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "other"},
        {"resources": {"training": {"cpus": 4, "gpus": 1}, "subtask": {"cpus": 2}, "max_concurrent": 2}},
        {"tracking": {"uri": "http://localhost:1"}},
        {"storage": "elsewhere"},
        {"data_root": "elsewhere"},
        {"recipe": {"lr_mask": 0.05, "exclude_first_masked_layer": False}},  # what None stands for
        {"recipe": {"compile": True}},
        {"recipe": {"gate": "soft", "saturation": 0.0, "as_cut": 0.0}},
        {"methods": {"mwt": {"lambda_coh": 0.5}, "standard": {"recipe": {"warmup": 3}}}},  # nothing to warm up
    ],
)
def test_what_changes_no_number_changes_no_key(changed):
    base = planned(study(subtasks={"sizes": [2]}))
    assert {s.key for s in planned(study(subtasks={"sizes": [2]}, **changed)).steps} == {s.key for s in base.steps}


@pytest.mark.parametrize(
    "changed",
    [
        {"seeds": [1]},
        {"recipe": {"epochs": 3}},
        {"recipe": {"precision": "bfloat16"}},
        {"methods": {"standard": {"recipe": {"lr": 0.1}}, "mwt": {"lambda_coh": 0.7}}},
        {"pairs": [{"backbone": "vgg16", "dataset": "digits", "width": 0.5}]},
        {"resources": {"training": {"workers": 2}}},  # images per BatchNorm group
        {"resources": {"training": {"workers": 2, "min_workers": 1}}},  # the same, and it may change on the way
    ],
)
def test_what_changes_the_numbers_changes_every_key(changed):
    base = {step.key for step in planned(study(subtasks={"sizes": [2]})).steps}
    assert not base & {step.key for step in planned(study(subtasks={"sizes": [2]}, **changed)).steps}


def test_other_data_gives_other_keys():
    other = {"digits": replace(DESCRIPTIONS["digits"], fingerprint="0" * 64)}
    made = study(subtasks={"sizes": [2]})
    assert not {s.key for s in planned(made).steps} & {s.key for s in plan(DescribedStudy(made, other), {}).steps}


@pytest.mark.parametrize(
    "extended",
    [
        {"seeds": [0, 1]},
        {"thresholds": [0.8, 0.9]},
        {"subtasks": {"sizes": [2, 3], "samples": 6}},
        {"sweep": {"mwt": {"grid": {"lambda_coup": [1.0, 2.0, 3.0]}}}},
        {"methods": ["standard", "mwt", "nemo"]},
    ],
)
def test_a_larger_study_keeps_what_it_has(extended):
    small = {**GRID, "subtasks": {"sizes": [2], "samples": 4}}
    before = {step.key for step in planned(study(**small)).steps}
    after = {step.key for step in planned(study(**{**small, **extended})).steps}
    assert before < after


def test_steps_of_the_same_key_appear_once():
    one = {"backbone": "vgg16", "dataset": "digits"}
    twin = {**one, "methods": {"mwt": {"lambda_coh": 0.5}}}
    points = {"mwt": {"list": [{"lambda_coup": 1.5}, {"lambda_coh": 0.5}]}}
    made = study(pairs=[one, twin], sweep=points, subtasks={"sizes": [2], "samples": "all", "classes": [[1, 0]]})
    assert planned(made).counts() == {"train": 2, "modularize": 1, "measure": 1, "reuse": 45, "derive": 0}


def test_labels_tell_pairs_apart():
    one = {"backbone": "vgg16", "dataset": "digits"}
    other = planned(study(pairs=[one, {**one, "width": 0.5}, {**one, "recipe": {"lr": 0.1}}], methods=["standard"]))
    assert labels(other.steps) == [
        f"standard vgg16/digits width {width} image 32{rest} seed 0"
        for width, rest in ((1, " pair 1"), (0.5, ""), (1, " lr=0.1"))
    ]
    swept = study(methods=["mwt"], sweep={"mwt": {"grid": {"lr": [0.1, 0.2]}}})
    assert labels(of_kind(planned(swept), "train")) == [
        "mwt vgg16/digits lambda_coh=0.5 lambda_coup=1.5 lr=0.1 seed 0",
        "mwt vgg16/digits lambda_coh=0.5 lambda_coup=1.5 lr=0.2 seed 0",
    ]


def test_a_setting_that_is_a_word_may_be_swept_and_is_told_where_it_is_no_default():
    pair = {"backbone": "simcnn", "dataset": "digits"}
    methods = {"standard": {}, "cnnsplitter": {"generations": 8}}
    swept = {"cnnsplitter": {"grid": {"search": ["ours", "published"]}}}
    ours, published = of_kind(planned(study(pairs=[pair], methods=methods, sweep=swept)), "train")[1:]
    numbers = "generations=8 population=100 accuracy_weight=0.9 images=2000"
    assert labels([ours, published]) == [
        f"cnnsplitter simcnn/digits {numbers} seed 0",
        f"cnnsplitter simcnn/digits {numbers} search=published seed 0",
    ]
    assert published.params["settings"] == {**ours.params["settings"], "search": "published"}
    assert flat_params(published.params)["search"] == "published"
    assert ours.key == of_kind(planned(study(pairs=[pair], methods=methods)), "train")[1].key


def test_classes_by_name_are_classes_by_number():
    named = planned(study(subtasks={"classes": [["3", "0"]]}))
    assert {s.key for s in named.steps} == {s.key for s in planned(study(subtasks={"classes": [[0, 3]]})).steps}


def test_subtasks_of_the_best_point_wait_for_what_they_depend_on():
    made = study(thresholds=[0.5, 0.9], **GRID, **BEST)
    before = planned(made)
    assert before.counts()["reuse"] == 0
    assert before.up_to["reuse"] == 4
    results = everything(made, [0.96, 0.955, 0.80], [0.1, 0.6, 0.1, 0.2])
    for step in before.steps:
        if step.kind != "modularize" and not (step.kind == "measure" and step.params["threshold"] == 0.5):
            partial = {key: document for key, document in results.items() if key != step.key}
            assert planned(made, partial).up_to["reuse"] == 4, step.label
    after = planned(made, results)
    assert after.up_to["reuse"] == 0
    chosen = of_kind(before, "train")[1]
    assert {step.parents["train"] for step in of_kind(after, "reuse")} == {chosen.key}
    assert after.best == {"mwt vgg16/digits seed 0": chosen.key}
    assert planned(made, results) == after


def test_a_failed_point_is_not_waited_for():
    made = study(**GRID, **BEST)
    results = everything(made, [0.96, 0.955, 0.957], [0.6, 0.2])
    trains = of_kind(planned(made), "train")
    del results[trains[2].key]
    after = planned(made, Finished(results, failed={trains[2].key}))
    assert after.best == {"mwt vgg16/digits seed 0": trains[1].key}
    del results[trains[1].key]
    none_left = planned(made, Finished(results, failed={trains[1].key, trains[2].key}))
    assert none_left.up_to["reuse"] == 0
    assert none_left.counts()["reuse"] == 0


def test_an_adaptive_search_grows_with_its_suggestions():
    made = study(sweep={"mwt": SEARCH}, thresholds=[0.5, 0.9], **BEST)
    before = planned(made, Finished())
    assert before.counts() == {"train": 1, "modularize": 0, "measure": 0, "reuse": 0, "derive": 0}
    assert before.up_to == {"train": 3, "modularize": 3, "measure": 6, "reuse": 4, "derive": 0}
    (search,) = before.searches
    assert search.directions == {"accuracy": "maximize", "krr": "minimize"}
    assert search.threshold == 0.9

    trials = [Trial(0, {"lambda_coup": 1.5}), Trial(1, {"lambda_coup": 2.5})]
    after = planned(made, Finished(trials=trials))
    assert after.counts() == {"train": 3, "modularize": 2, "measure": 4, "reuse": 0, "derive": 0}
    assert after.up_to == {"train": 1, "modularize": 1, "measure": 2, "reuse": 4, "derive": 0}
    assert search.combination.point_steps({"lambda_coup": 1.5})[0] == of_kind(after, "train")[1]

    trials.append(Trial(2, {"lambda_coup": 2.0}, {"state": "stopped", "epoch": 3}))
    complete = planned(made, Finished(trials=trials))
    assert complete.counts()["train"] == 3
    assert complete.up_to["train"] == 0
    steps = complete.steps
    numbers = {step.key: {"validation_accuracy": 0.9} for step in steps if step.kind == "train"}
    numbers |= {step.key: {"krr": 0.5} for step in steps if step.kind == "measure"}
    assert planned(made, Finished(documents(steps, numbers), trials=trials)).counts()["reuse"] == 4


def test_more_trials_continue_the_same_search():
    (few,) = planned(study(sweep={"mwt": SEARCH}, **BEST)).searches
    (more,) = planned(study(sweep={"mwt": {**SEARCH, "trials": 9}}, **BEST)).searches
    (other,) = planned(study(sweep={"mwt": {**SEARCH, "space": {"lambda_coup": [1.0, 4.0]}}}, **BEST)).searches
    assert few.key == more.key != other.key


@settings(max_examples=40)
@given(st.permutations(range(3)), st.permutations(["standard", "mwt", "nemo"]), st.permutations([0.5, 0.7, 0.9]))
def test_the_order_in_the_file_changes_no_step(seeds, methods, thresholds):
    parts = {"subtasks": {"sizes": [2], "samples": 2}}
    base = planned(study(seeds=[0, 1, 2], methods=["standard", "mwt", "nemo"], thresholds=[0.5, 0.7, 0.9], **parts))
    made = study(seeds=list(seeds), methods=list(methods), thresholds=list(thresholds), **parts)
    assert {step.key for step in planned(made).steps} == {step.key for step in base.steps}


def test_a_study_of_thousands_of_steps():
    made = study(seeds=list(range(20)), subtasks={"sizes": [2, 3, 4], "samples": "all"})
    assert len(planned(made).steps) > 7000


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("changed", [{**GRID, **BEST, "seeds": [0, 1]}, {"sweep": {"mwt": SEARCH}, **BEST}])
def test_a_plan_that_follows_its_results_is_the_one_made_afresh(changed, seed):
    made, results, luck = study(**changed), Finished(), Random(seed)
    planner = Planner(DescribedStudy(made, DESCRIPTIONS), results)
    known = {step.key for step in planner.plan.steps}
    stopped = set()
    while True:
        now = plan(DescribedStudy(made, DESCRIPTIONS), results)
        if not now.searches:
            assert planner.plan == now
        ended = results.documents.keys() | results.failed | stopped
        ready = [step for step in now.steps if step.key not in ended and ended >= set(step.parents.values())]
        number = len(results.trials)
        if number < 3 * len(now.searches) and (not ready or luck.random() < 0.3):
            results.trials.append(Trial(number, {"lambda_coup": 1.0 + number}))
            continue
        if not ready:
            break
        step = luck.choice(ready)
        trial = next((trial for trial in results.trials if _train_of(now, trial) == step.key), None)
        match luck.choice(["finished", "finished", "finished", "failed" if trial is None else "stopped"]):
            case "finished":
                number = luck.choice([0.5, 0.7, 0.9])
                result = {"validation_accuracy": number, "krr": number}
                results.documents[step.key] = {"key": step.key, "result": result}
            case "failed":
                results.failed.add(step.key)
            case "stopped":
                results.trials[trial.number] = replace(trial, outcome={"epoch": 1})
                stopped.add(step.key)
        known |= {new.key for new in planner.follow(step)}
    assert planner.plan == now
    assert known >= {step.key for step in now.steps}


def _train_of(planned, trial):
    return planned.searches[0].combination.point_steps(dict(trial.settings))[0].key
