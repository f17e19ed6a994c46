import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nemo.backbones import BACKBONES
from nemo.errors import UserError
from orchestrator.study.data import DescribedStudy, check_data, describe
from orchestrator.study.errors import find_errors
from orchestrator.study.file import load_study_file
from orchestrator.study.study import Study
from tests.orchestrator.study_examples import DESCRIPTIONS, SWEPT, study, write

PAIR = "pairs: [{backbone: vgg16, dataset: digits}]\n"
HEAD = "name: small\n" + PAIR + "methods: [standard, mwt, nemo]\n"
SPLIT = "name: small\n" + PAIR.replace("vgg16", "simcnn") + "methods: [standard, cnnsplitter]\n"


def refusal(tmp_path, text, overrides=()):
    with pytest.raises(UserError) as refused:
        load_study_file(write(tmp_path, text), list(overrides))
    return str(refused.value).replace(str(tmp_path / "study.yaml"), "FILE")


def test_reads_a_study(tmp_path):
    loaded = load_study_file(write(tmp_path, SWEPT))
    pair = loaded.pairs[0]
    assert loaded.settings_for(pair, "mwt") == {"lambda_coh": 0.5, "lambda_coup": 1.5}
    assert loaded.points("mwt") == [{"lambda_coup": 2.0}, {"lambda_coup": 3.0}]
    assert loaded.points("standard") == [{}]
    assert loaded.recipe_for(pair, "mwt").warmup == 5
    assert loaded.recipe_for(pair, "standard").warmup == 0
    assert loaded.subtask_thresholds == [0.9]
    assert loaded.text == SWEPT


def test_the_pairs_settings_win_over_the_methods_and_those_over_the_studys():
    special = {"backbone": "vgg16", "dataset": "digits", "recipe": {"epochs": 3}}
    special["methods"] = {"mwt": {"lambda_coh": 0.7, "recipe": {"lr": 0.3}}}
    methods = {"mwt": {"lambda_coh": 0.2, "lambda_coup": 0.4, "recipe": {"epochs": 2, "lr": 0.2, "batch_size": 16}}}
    made = study(pairs=[special], methods=methods, recipe={"epochs": 1, "lr": 0.1, "momentum": 0.5})
    recipe = asdict(made.recipe_for(made.pairs[0], "mwt"))
    assert (recipe["epochs"], recipe["lr"], recipe["batch_size"], recipe["momentum"]) == (3, 0.3, 16, 0.5)
    assert made.settings_for(made.pairs[0], "mwt") == {"lambda_coh": 0.7, "lambda_coup": 0.4}


def test_its_text_reads_back_as_the_same_study(tmp_path):
    loaded = load_study_file(write(tmp_path, SWEPT), ["recipe.epochs=30", "subtasks.samples=all"])
    again = load_study_file(write(tmp_path, loaded.text))
    assert again.model_dump() == loaded.model_dump()
    assert again.recipe["epochs"] == 30
    made = Study.model_validate(loaded.model_dump(by_alias=True, exclude_unset=True))
    assert load_study_file(write(tmp_path, made.text)).model_dump() == loaded.model_dump()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + "seedz: [0]\n", "FILE:4: seedz: 'seedz' is no field here; did you mean 'seeds'?"),
        (
            HEAD.replace("vgg16", "vgg61"),
            "FILE:2: pairs[0].backbone: 'vgg61' is no backbone here; did you mean 'vgg16'?",
        ),
        (HEAD.replace("digits", "digit"), "FILE:2: pairs[0].dataset: 'digit' is no data set here"),
        (HEAD.replace("mwt", "mtw"), "FILE:3: methods.mtw: 'mtw' is no method here; did you mean 'mwt'?"),
        (HEAD.replace("mwt", "nemo"), "FILE:3: methods[2]: nemo is given twice"),
        (HEAD.replace("[standard, mwt, nemo]", "[]"), "FILE:3: methods: is empty"),
        (HEAD.replace("nemo]", "cnnsplitter]"), "FILE:2: pairs[0].backbone: vgg16 is none that cnnsplitter applies to"),
        (HEAD.replace("small", "../up"), "FILE:1: name: '../up' names a folder"),
        (HEAD.replace("name: small\n", ""), "FILE:1: name: is missing."),
        (HEAD + "thresholds: [0.9, 1.5]\n", "FILE:4: thresholds[1]: should be less than or equal to 1, not 1.5."),
        (HEAD + "thresholds:\n  - 0.9\n  - 0\n", "FILE:6: thresholds[1]: should be greater than 0, not 0"),
        (HEAD + "thresholds: [0.9, 0.9]\n", "FILE:4: thresholds[1]: 0.9 is given twice"),
        (HEAD + "seeds: []\n", "FILE:4: seeds: is too short, give at least 1."),
        (HEAD + "seeds: [true]\n", "FILE:4: seeds[0]: should be a valid integer, not True."),
        (HEAD + "sweep: {}\n", "FILE:4: sweep: is empty"),
        (HEAD + "sweep: {mwt: {grid: {}}}\n", "FILE:4: sweep.mwt: is empty"),
        (HEAD + "sweep: {mwt: {grid: {lambda_coh: []}}}\n", "FILE:4: sweep.mwt.grid.lambda_coh: is too short"),
        (HEAD + "sweep: {mwt: {grid: {alpha: [1]}}}\n", "'alpha' is no setting to sweep here"),
        (HEAD + "sweep: {mwt: {list: [{validation: 1}]}}\n", "list[0].validation: 'validation' is no setting to sweep"),
        (HEAD + "sweep: {mwt: {grid: {variant: [reference]}}}\n", "'variant' is no setting to sweep here"),
        (HEAD + "sweep: {mwt: {list: [{epochs: 0}]}}\n", "sweep.mwt.list[0].epochs: must be at least 1, not 0."),
        (HEAD + "sweep: {mwt: {grid: {batch_size: [16.5]}}}\n", "batch_size[0]: should be a whole number, not 16.5."),
        (HEAD + "sweep: {mwt: {grid: {as_cut: [0.5, 1]}}}\n", "as_cut[1]: must be at least 0 and below 1, not 1."),
        (
            HEAD + "sweep: {mwt: {grid: {augment: [imagenet]}}}\n",
            "augment[0]: should be 'none' or 'crop' or 'trivial', not 'imagenet'. It changes how images are evaluated",
        ),
        (
            HEAD + "recipe: {validation: 0.1}\nsweep: {mwt: {search: random, trials: 2, space: {anneal: [0.5, 2]}}}\n",
            "FILE:5: sweep.mwt.space.anneal.low: must be at least 1, not 0.5.",
        ),
        (
            HEAD + "sweep: {mwt: {grid: {epochs: [2, 20], warmup: [5]}}}\n",
            "FILE:4: sweep.mwt.grid: has points that fit no recipe, with epochs=2, warmup=5: warmup: must lie between",
        ),
        (
            HEAD + "resources: {training: {workers: 4}}\nsweep: {mwt: {list: [{batch_size: 4}]}}\n",
            "FILE:5: sweep.mwt.list[0]: has points with batch_size=4, less than 2 images for each of 4 workers",
        ),
        (
            HEAD + "recipe: {augment: imagenet}\nsweep: {mwt: {grid: {augment: [crop]}}}\n",
            "FILE:5: sweep.mwt.grid: sweeps augment, but the recipe's `imagenet` evaluates images otherwise",
        ),
        (HEAD + "sweep: {nemo: {grid: {temperature: [0]}}}\n", "sweep.nemo.grid.temperature[0]: should be positive"),
        (HEAD + "sweep: {mwt: {grid: {lr: [-0.1]}}}\n", "sweep.mwt.grid.lr[0]: should be positive, not -0.1."),
        (
            HEAD + "sweep: {mwt: {grid: {lambda_coh: [1, published]}}}\n",
            "FILE:4: sweep.mwt.grid.lambda_coh[1]: should be a valid number, not 'published'.",
        ),
        (
            HEAD + "sweep: {mwt: {list: [{lambda_coh: ours}]}}\n",
            "sweep.mwt.list[0].lambda_coh: should be a valid number, not 'ours'.",
        ),
        (
            SPLIT + "sweep: {cnnsplitter: {grid: {search: [ours, theirs]}}}\n",
            "FILE:4: sweep.cnnsplitter.grid.search[1]: should be 'ours' or 'published', not 'theirs'.",
        ),
        (
            SPLIT + "sweep: {cnnsplitter: {list: [{search: 1}]}}\n",
            "FILE:4: sweep.cnnsplitter.list[0].search: should be 'ours' or 'published', not 1.0.",
        ),
        (
            SPLIT + "sweep: {cnnsplitter: {search: random, trials: 2, space: {search: [0, 1]}}}\n",
            "FILE:4: sweep.cnnsplitter.space.search: has no values between words, write {choices: [ours, published]}.",
        ),
        (
            SPLIT + "sweep: {cnnsplitter: {search: random, trials: 2, space: {search: {choices: [their]}}}}\n",
            "FILE:4: sweep.cnnsplitter.space.search.choices[0]: should be 'ours' or 'published', not 'their'.",
        ),
        (
            HEAD + "sweep: {standard: {grid: {lr: [0.1]}}}\n",
            "sweep.standard: 'standard' is no method with a sweep here",
        ),
        (HEAD + "sweep: {mwt: {grid: {lr: [1]}, list: [{lr: 1}]}}\n", "sweep.mwt: has grid and list, give exactly one"),
        (HEAD + "sweep: {mwt: {grid: {lr: [1]}, trials: 3}}\n", "sweep.mwt.trials: belongs to a search"),
        (HEAD + "sweep: {mwt: {search: optuna, space: {lr: [0.1, 1]}}}\n", "sweep.mwt.trials: is missing"),
        (HEAD + "sweep: {mwt: {search: optuna, trials: 4}}\n", "sweep.mwt.space: is empty"),
        (
            HEAD + "sweep: {mwt: {search: optuna, trials: 4, space: {lr: [1, 1]}}}\n",
            "space.lr.high: should be above low",
        ),
        (HEAD + "sweep: {mwt: {search: optuna, trials: 4, space: {lr: [0.1, 1]}}}\n", "is 0, but the search for mwt"),
        (HEAD + "sweep: {mwt: {grid: {lambda_affinity: [1]}}}\n", "'lambda_affinity' is no setting to sweep here"),
        (
            HEAD.replace("nemo]", "moda]") + "sweep: {moda: {grid: {lr_mask: [0.1]}}}\n",
            "FILE:4: sweep.moda.grid.lr_mask: 'lr_mask' is no setting to sweep here",
        ),
        (
            HEAD.replace("nemo]", "moda]") + "subtasks: {sizes: [2], mask_values: keep_generator}\n",
            "FILE:4: subtasks.mask_values: keep_generator needs mask generators, moda has none: choose drop",
        ),
        (HEAD + "subtasks: {}\n", "FILE:4: subtasks.sizes: is empty"),
        (HEAD + "subtasks: {sizes: [1]}\n", "FILE:4: subtasks.sizes[0]: should be greater than or equal to 2, not 1."),
        (HEAD + "subtasks: {sizes: [2], thresholds: [0.8]}\n", "subtasks.thresholds[0]: 0.8 is none of the study's"),
        (
            HEAD + "subtasks: {sizes: [2], from: best}\n",
            "recipe.validation: is 0, but `subtasks: {from: best}` selects",
        ),
        (HEAD + "subtasks: {sizes: [2], finetune: {lr: 0}}\n", "subtasks.finetune.lr: must be positive, not 0.0."),
        (HEAD + "subtasks: {classes: [[1, 1]]}\n", "subtasks.classes[0][1]: 1 is given twice"),
        (
            HEAD + "recipe: {epochs: 0}\n",
            "FILE:4: recipe.epochs: must be at least 1, not 0: `standard` alone",
        ),
        (HEAD + "recipe: {precision: half}\n", "FILE:4: recipe.precision: should be 'float32' or 'bfloat16'"),
        (HEAD + "recipe: {train_only: []}\n", "FILE:4: recipe.train_only: must name something"),
        (HEAD + "recipe: {train_only: [1]}\n", "FILE:4: recipe.train_only[0]: should be a valid string, not 1"),
        (HEAD + "recipe: {lr: .inf}\n", "FILE:4: recipe.lr: should be a finite number"),
        (HEAD + "resources: {training: {workers: 0}}\n", "training.workers: should be greater than or equal to 1"),
        (HEAD + "resources: {training: {workers: 65}}\n", "leaves less than 2 images for each of 65 workers"),
        (HEAD + "name: again\n", "FILE:4: name: is given twice"),
        (HEAD + "recipe: [\n", "FILE:5: study: is no valid YAML"),
        (
            "name: !!python/object/apply:os.getcwd []\n",
            "FILE:1: study: is no valid YAML, could not determine a constructor",
        ),
        ("", "FILE:1: study: the file is empty"),
        ("- a\n", "FILE:1: study: should be a mapping"),
        ("[" * 5000, "FILE:1: study: is no usable YAML"),
        ("a: &a [*a]\n", "FILE:1: study: is no usable YAML, it is nested more than 20 deep."),
        (HEAD + PAIR.replace("digits", "svhn").replace("pairs", "? [a]\n: b #"), "is no valid YAML"),
    ],
)
def test_says_file_line_field_and_remedy(tmp_path, text, told):
    assert told in refusal(tmp_path, text)


def test_a_method_that_reads_activations_needs_a_backbone_with_relu(tmp_path, monkeypatch):
    monkeypatch.setitem(BACKBONES, "vgg16", replace(BACKBONES["vgg16"], relu=False))
    told = "FILE:2: pairs[0].backbone: vgg16 has no ReLU whose activations moda could read, drop one of them."
    assert told in refusal(tmp_path, HEAD.replace("nemo]", "moda]"))
    load_study_file(write(tmp_path, HEAD))  # the others do not read them


def test_generators_alone_are_trained_by_the_methods_that_have_them():
    only = {"recipe": {"train_only": ["generators", "head"]}}
    one = study(methods={"standard": {}, "mwt": only})
    assert one.recipe_for(one.pairs[0], "mwt").train_only == ("generators", "head")
    assert one.recipe_for(one.pairs[0], "standard").train_only is None
    for method in ("standard", "moda"):
        with pytest.raises(ValidationError, match=f"{method} has no generators, give train_only to the methods"):
            study(methods=["mwt", method], **only)
    for wrong in ([], "", 3, [""], ["head", 1]):
        with pytest.raises(ValidationError, match="train_only"):
            study(methods=["mwt"], recipe={"train_only": wrong})


def test_settings_of_moda(tmp_path):
    text = HEAD.replace("[standard, mwt, nemo]", "{moda: {lambda_compactness: 0.1}}")
    loaded = load_study_file(write(tmp_path, text + "sweep: {moda: {grid: {lambda_dispersion: [1, 2]}}}\n"))
    expected = {"lambda_affinity": 1.0, "lambda_dispersion": 1.0, "lambda_compactness": 0.1}
    assert loaded.settings_for(loaded.pairs[0], "moda") == expected
    assert loaded.points("moda") == [{"lambda_dispersion": 1.0}, {"lambda_dispersion": 2.0}]


def test_early_stopping_takes_one_objective(tmp_path):
    search = "{search: optuna, trials: 4, space: {lr: [0.1, 1]}, early_stopping: asha, objectives: [accuracy, krr]}"
    told = refusal(tmp_path, HEAD + "recipe: {validation: 0.1}\nsweep:\n  mwt: " + search + "\n")
    assert told.startswith("FILE:6: sweep.mwt.early_stopping: works with one objective only")


def test_tells_everything_at_once(tmp_path):
    told = refusal(
        tmp_path,
        "name: small\n"
        "pairs:\n"
        "  - {backbone: vgg61, dataset: digits, widht: 0.5}\n"
        "methods: [standard, mwt]\n"
        "recipe: {epochs: 0, batch_size: 1, validation: 1, warmup: 1.5}\n"
        "sweep: {}\n"
        "thresholds: [1.5]\n"
        "subtasks: {from: best, sizes: [2, 11]}\n",
    )
    starts = [line.split(": ")[:2] for line in told.splitlines()]
    assert sorted(starts) == sorted(
        [
            ["FILE:3", "pairs[0].backbone"],
            ["FILE:3", "pairs[0].widht"],
            ["FILE:5", "recipe.epochs"],
            ["FILE:5", "recipe.batch_size"],
            ["FILE:5", "recipe.validation"],
            ["FILE:5", "recipe.warmup"],
            ["FILE:6", "sweep"],
            ["FILE:7", "thresholds[0]"],
            ["FILE:8", "subtasks.sizes[1]"],
        ]
    )


def test_a_warmup_that_is_longer_than_the_training_is_told_beside_its_epochs(tmp_path):
    told = refusal(tmp_path, HEAD + "recipe: {epochs: 5, warmup: 23}\n")
    assert told.endswith("recipe.warmup: must lie between 0 and epochs (5), not 23."), told


def test_a_misspelt_method_brings_no_further_complaints(tmp_path):
    told = refusal(tmp_path, SWEPT.replace("  mwt: {lambda_coh", "  mtw: {lambda_coh"))
    assert len(told.splitlines()) == 1


def test_subtasks_must_fit_the_classes(tmp_path):
    text = HEAD + "subtasks:\n  sizes: [2, 11]\n  classes: [[0, 10], [cat, '3']]\n"
    loaded = load_study_file(write(tmp_path, text))
    with pytest.raises(UserError) as refused:
        check_data(DescribedStudy(loaded, DESCRIPTIONS))
    told = str(refused.value).splitlines()
    assert [line.split(": ")[1] for line in told] == [
        "subtasks.sizes[1]",
        "subtasks.classes[0][1]",
        "subtasks.classes[1][0]",
    ]
    assert (
        "study.yaml:5: subtasks.sizes[1]: 11 is too many, digits has 10 classes: choose sizes from 2 to 10." in told[0]
    )


def test_the_backbone_must_fit_the_images(tmp_path):
    told = refusal(tmp_path, HEAD.replace("digits}", "digits, image_size: 16}"))
    assert "FILE:2: pairs[0].image_size: vgg16 halves its input too often for 16x16 images" in told
    loaded = load_study_file(write(tmp_path, HEAD))
    with pytest.raises(UserError, match=r"study\.yaml:2: pairs\[0\]\.image_size: vgg16 halves"):
        check_data(DescribedStudy(loaded, {"digits": replace(DESCRIPTIONS["digits"], image_size=28)}))


def test_a_missing_folder_is_told_with_its_line(tmp_path):
    loaded = load_study_file(write(tmp_path, HEAD.replace("digits", f"'folder:{tmp_path}/none'")))
    with pytest.raises(UserError, match=r"study\.yaml:2: pairs\[0\]\.dataset: .*none"):
        describe(loaded)


def test_overrides(tmp_path):
    path = write(tmp_path, SWEPT)
    changed = ["recipe.epochs=30", "pairs.0.width=0.5", "sweep.mwt.grid.lambda_coup=[1, 2]", "recipe.lr=1e-3"]
    loaded = load_study_file(path, changed)
    assert loaded.recipe["epochs"] == 30
    assert loaded.recipe["lr"] == 1e-3
    assert loaded.pairs[0].width == 0.5
    assert loaded.points("mwt") == [{"lambda_coup": 1.0}, {"lambda_coup": 2.0}]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "recipe.epochs=0",
            "--set recipe.epochs=0: recipe.epochs: must be at least 1, not 0: `standard` alone",
        ),
        ("recipe.epoch=3", "--set recipe.epoch=3: recipe.epoch: 'epoch' is no field here; did you mean 'epochs'?"),
        ("pairs.7.width=1", "--set pairs.7.width=1: 7 is no position of a list of 1"),
        ("name.x=1", "--set name.x=1: name is a single value"),
        ("epochs", "--set epochs: should be key=value"),
        ("recipe={", "--set recipe={: the value is no valid YAML."),
    ],
)
def test_wrong_overrides_name_themselves(tmp_path, override, told):
    assert told in refusal(tmp_path, SWEPT, [override])


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read \(No such file or directory\)"):
        load_study_file(tmp_path / "none.yaml")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("best"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("recipe"), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ["name", "pairs", "methods", "seeds", "recipe", "sweep", "thresholds", "subtasks", "select", "resources"]


@given(st.dictionaries(st.sampled_from(FIELDS), values, max_size=4))
def test_whatever_is_given_is_read_or_refused(changed):
    found, errors = find_errors({**study().model_dump(by_alias=True, exclude_unset=True), **changed})
    assert found is not None or errors


@pytest.mark.parametrize("module", [f"orchestrator.{name}" for name in ("study.file", "plan.planner", "ledger.ledger")])
def test_planning_imports_no_heavy_library(module):
    code = (
        f"import sys, {module}\n"
        "from tests.orchestrator.study_examples import DESCRIPTIONS, study\n"
        "from orchestrator.plan.planner import plan\n"
        "from orchestrator.study.data import describe\n"
        "made = study(subtasks={'sizes': [2]})\n"
        "plan(describe(made), {})\n"
        "print([name for name in ('torch', 'torchvision', 'ray', 'mlflow', 'optuna', 'polars') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
