import json
import math
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from statistics import stdev

import polars as pl
import yaml

from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import make_step
from orchestrator.report.frames import read_frames
from orchestrator.report.rendering import as_json, as_markdown, print_report
from orchestrator.report.study_report import read_report
from orchestrator.report.tables import means_of
from orchestrator.study.study import Study
from tests.orchestrator.invented import STUDY, finish, invented_study, plan_of, report_tables

SHARED = {"key", "method", "backbone", "dataset", "seed", "accuracy"}
RAN = ("seconds", "device", "workers")
THREE_SEEDS = STUDY + "seeds: [0, 1, 2]\n"


def test_json_has_every_row_with_the_promised_fields(storage: Path) -> None:
    study, ledger = invented_study(storage)
    report = json.loads(as_json(read_frames(ledger, study.name)))
    assert list(report) == ["study", "trainings", "modularizations", "subtasks", "derived", "epochs"]
    assert len(report["epochs"]) == 3 * len(report["trainings"])
    steps = plan_of(study, ledger).steps
    for name, kind in (("trainings", "train"), ("modularizations", "measure"), ("subtasks", "reuse")):
        assert {row["key"] for row in report[name]} == {step.key for step in steps if step.kind == kind}
    assert all(set(row) >= SHARED for row in report["trainings"])
    measured = {"threshold", "krr", "cohesion", "coupling"}
    assert all(set(row) >= SHARED | measured for row in report["modularizations"])
    accuracies = {"accuracy_before_finetuning", "modular_accuracy", "standard_accuracy"}
    cut = {"threshold", "classes", "krr", "weight_retention", "flops", "flops_reduction", "seconds"}
    assert all(set(row) >= SHARED | accuracies | cut for row in report["subtasks"])


def test_rows_say_what_the_ledger_says(storage: Path) -> None:
    study, ledger = invented_study(storage)
    report = json.loads(as_json(read_frames(ledger, study.name)))
    for row in report["modularizations"]:
        result = ledger.get(row["key"])["result"]
        assert {name: row[name] for name in ("threshold", "krr", "cohesion", "coupling")} == {
            name: result[name] for name in ("threshold", "krr", "cohesion", "coupling")
        }
        assert row["accuracy"] == ledger.get(row["training"])["result"]["accuracy"]
    for row in report["trainings"]:
        document = ledger.get(row["key"])
        assert {name: row[name] for name in RAN} == {name: document[name] for name in RAN}
        assert row["epochs"] == len(document["result"]["history"])
        assert row["modularizing_seconds"] == (None if row["method"] == "standard" else 1.5 + 2 * 0.5)
    for row in report["subtasks"]:
        document = ledger.get(row["key"])
        assert row["training"] == document["parents"]["train"]
        assert row["seconds"] == document["seconds"]
        accuracies = ("accuracy", "accuracy_before_finetuning", "modular_accuracy", "standard_accuracy")
        for name in ("classes", "flops", "weight_retention", *accuracies):
            assert row[name] == document["result"][name]


def test_what_is_not_known_is_null(storage: Path) -> None:
    study, ledger = invented_study(storage, until=1)
    training = plan_of(study, ledger).steps[0]
    assert training.params["method"] == "standard"
    other = json.loads(as_json(read_frames(ledger, study.name)))
    assert (other["modularizations"], other["subtasks"]) == ([], [])
    (row,) = other["trainings"]
    assert [name for name, value in row.items() if value is None] == ["modularizing_seconds"]
    document = ledger.get(training.key)
    document["result"]["validation_accuracy"] = None
    del document["device"], document["workers"]  # as an older version may have written it
    (row,) = json.loads(as_json(read_frames(ledger, study.name)))["trainings"]
    assert [row["validation_accuracy"], row["device"], row["workers"]] == [None] * 3
    (time,) = (table for table in report_tables(read_frames(ledger, study.name)) if table.title.startswith("Time"))
    assert time.note.startswith("Means over the seeds on an unknown device, ")


def test_figures_that_an_older_result_lacks_are_null(storage: Path) -> None:
    study, ledger = invented_study(storage)
    keys = [step.key for step in plan_of(study, ledger).steps if step.kind == "reuse"]
    for key in keys:
        del ledger.get(key)["result"]["modular_accuracy"], ledger.get(key)["result"]["weight_retention"]
    frames = read_frames(ledger, study.name)
    assert set(frames.subtasks["modular_accuracy"]) == set(frames.subtasks["weight_retention"]) == {None}
    table = report_tables(frames)[-1]
    assert {row[table.columns.index("Modular %")] for row in table.rows} == {""}


def test_means_say_how_many_rows_they_are_of() -> None:
    rows = pl.DataFrame({"method": ["mwt", "mwt", "nemo"], "seed": [0, 0, 1], "krr": [0.25, 0.75, None]})
    assert means_of(rows, ["method"], ["krr"]) == [
        {"method": "mwt", "count": 2, "krr": 0.5, "krr_spread": stdev([0.25, 0.75])},
        {"method": "nemo", "count": 1, "krr": None, "krr_spread": None},
    ]


def test_tables_average_over_seeds_and_keep_settings_apart(storage: Path) -> None:
    study, ledger = invented_study(storage, THREE_SEEDS)
    frames = read_frames(ledger, study.name)
    accuracy, thresholds, time, subtasks = report_tables(frames)
    settings = [row[0] for row in accuracy.rows]
    assert settings == [
        "mwt lambda_coh=0.5 lambda_coup=2",
        "mwt lambda_coh=0.5 lambda_coup=3",
        "nemo alpha=1 temperature=0.2",
        "standard",
    ]
    values = frames.trainings.filter(pl.col("method") == "nemo")["accuracy"].to_list()
    assert accuracy.rows[2][2] == f"{100 * math.fsum(values) / 3:.2f} ±{100 * stdev(values):.2f}"
    assert [row[1] for row in accuracy.rows] == ["3"] * 4
    assert [row[1] for row in thresholds.rows] == ["0.7", "0.9"] * 3
    assert [row[1] for row in time.rows] == ["3"] * 4
    assert {row[1]: int(row[2]) for row in subtasks.rows if row[0].startswith("nemo")} == {"2": 6, "3": 6}


def test_time_is_that_of_training_and_modularizing(storage: Path) -> None:
    study, ledger = invented_study(storage)
    table = report_tables(read_frames(ledger, study.name))[2]
    assert table.title == "Time: simcnn x0.125 on digits"
    # 6 s of 3 epochs; 1.5 s of a relevance pass and 0.5 s at each of two thresholds
    rows = {row[0].split()[0]: row[1:] for row in table.rows}
    assert rows["nemo"] == rows["mwt"] == ("1", "3", "2.00", "6.0", "2.5", "0.14")
    assert rows["standard"] == ("1", "3", "2.00", "6.0", "", "0.10")
    assert table.note.startswith("Means over the seeds on cpu (1 worker), which other steps may have shared.")
    assert "starts or learns from" not in table.note


def split_standard(study: Study, ledger: Ledger, settings: Mapping[str, object] | None = None) -> None:
    """Results as of a method that starts from the standard network and whose modules know no threshold."""
    standard = next(step for step in plan_of(study, ledger).steps if step.params["method"] == "standard")
    params = {**standard.params, "method": "cnnsplitter", "settings": settings or {}}
    train = make_step("train", params, {"standard": standard.key}, {}, "cnnsplitter")
    trained = {"accuracy": 0.86, "validation_accuracy": 0.85, "epochs": 20, "flops": 1e6, "parameters": 50_000}
    ledger.put(train, trained, seconds=48.0, device="cuda", workers=2)
    parents = {"train": train.key}
    measure = make_step("measure", {"threshold": None}, parents, {}, "measure")
    ledger.put(measure, {"threshold": None, "krr": 0.6, "cohesion": 0.8, "coupling": 0.4}, seconds=6.0)
    reuse = make_step("reuse", {"threshold": None, "classes": [0, 1]}, parents, {}, "reuse")
    accuracy = {"accuracy": 0.92, "accuracy_before_finetuning": None, "modular_accuracy": 0.91}
    ledger.put(reuse, {"threshold": None, "classes": [0, 1], "krr": 0.75, **accuracy}, seconds=1.0)


def test_a_method_without_thresholds_stands_beside_the_others(storage: Path) -> None:
    study, ledger = invented_study(storage, STUDY.replace("samples: 2", "samples: 2, thresholds: [0.7, 0.9]"))
    split_standard(study, ledger)
    _, thresholds, time, *subtasks = report_tables(read_frames(ledger, study.name))
    assert [row[1] for row in thresholds.rows if row[0] == "cnnsplitter"] == [""]
    titles = [f"Sub-tasks at threshold {each}: simcnn x0.125 on digits" for each in ("0.7", "0.9")]
    assert [table.title for table in subtasks] == titles
    for table in subtasks:
        ours = [row for row in table.rows if row[0] == "cnnsplitter"]
        assert ours == [("cnnsplitter", "2", "1", "", "91.00", "", "92.00", "75.00", "", "")]
        assert len(table.rows) == 5  # and both sizes of the other two methods
        assert table.note.endswith("The modules of cnnsplitter know no threshold.")
    # 48 s of 20 generations, 6 s of measuring, and the 6 s of the standard network that it starts from
    assert [row for row in time.rows if row[0] == "cnnsplitter"] == [
        ("cnnsplitter", "1", "20", "2.40", "48.0", "6.0", "1.00")
    ]
    assert "on cpu (1 worker), cuda (2 workers), which" in time.note
    assert time.note.endswith("Total of cnnsplitter: with the training that it starts or learns from.")


def test_a_setting_that_is_a_word_is_shown_as_it_is(storage: Path) -> None:
    study, ledger = invented_study(storage)
    split_standard(study, ledger)
    split_standard(study, ledger, {"images": 100.0, "search": "published"})
    frames = read_frames(ledger, study.name)
    shown = [row[0] for table in report_tables(frames) for row in table.rows if row[0].startswith("cnnsplitter")]
    assert set(shown) == {"cnnsplitter", "cnnsplitter images=100 search=published"}


def test_modules_without_thresholds_have_a_table_where_there_is_no_other(storage: Path) -> None:
    study, ledger = invented_study(storage, STUDY.replace(", mwt: {}, nemo: {alpha: 1.0}", "").split("sweep")[0])
    split_standard(study, ledger)
    table = report_tables(read_frames(ledger, study.name))[-1]
    assert table.title == "Sub-tasks: simcnn x0.125 on digits"
    assert [row[0] for row in table.rows] == ["cnnsplitter"]


def test_weights_have_a_column_where_they_are_known(storage: Path) -> None:
    study, ledger = invented_study(storage)
    assert "Weights %" not in report_tables(read_frames(ledger, study.name))[-1].columns
    steps = [step for step in plan_of(study, ledger).steps if step.kind == "reuse"]
    ledger.get(steps[0].key)["result"]["weight_retention"] = 0.3125
    table = report_tables(read_frames(ledger, study.name))[-1]
    assert {row[table.columns.index("Weights %")] for row in table.rows} == {"", "31.25"}


def test_modules_stand_beside_their_controls(storage: Path) -> None:
    """Modules are 2 to 2.2 points above as many random units, by seed and sub-task; magnitude has no such column."""
    text = THREE_SEEDS.replace("samples: 2", "samples: 3, controls: [random, magnitude]").replace("best", "every")

    study, ledger = invented_study(storage, text)
    for step in plan_of(study, ledger).steps:
        if step.kind == "reuse":
            control, lead = step.params.get("control"), 0.02 + 0.001 * (sum(step.params["classes"]) % 3)
            accuracy = 0.97 - (lead if control == "random" else 0)
            ledger.get(step.key)["result"].update(control=control, accuracy=accuracy)
    frames = read_frames(ledger, study.name)
    rows = frames.subtasks.to_dicts()
    assert {row["control"] for row in rows} == {None, "random", "magnitude"}
    assert all(row["settings"].endswith(f"control={row['control']}") for row in rows if row["control"])
    table = report_tables(frames)[-1]
    lead = {(row[0], row[1]): row[table.columns.index("Above random")] for row in table.rows}
    modules = {place: text for place, text in lead.items() if "control=" not in place[0]}
    assert len(lead) == 3 * len(modules)
    for place, text in modules.items():
        assert text.endswith(", better") and 2 <= float(text.split()[0]) <= 2.2, (place, text)
    assert {text for place, text in lead.items() if "control=" in place[0]} == {""}
    assert json.loads(as_json(frames))["subtasks"][0].keys() >= {"control"}


def test_a_swept_learning_rate_tells_rows_apart(storage: Path) -> None:
    study, ledger = invented_study(storage, STUDY.replace("lambda_coup: [2.0, 3.0]", "lr: [0.01, 0.05]"))
    rows = report_tables(read_frames(ledger, study.name))[0].rows
    assert [row[0].split()[-1] for row in rows if row[0].startswith("mwt")] == ["lr=0.01", "lr=0.05"]


def test_markdown_and_terminal_show_the_same_tables(storage: Path) -> None:
    study, ledger = invented_study(storage)
    frames, tables = read_report(ledger.folder)
    assert len(tables) == 4
    terminal = StringIO()
    print_report(study.name, tables, terminal)
    markdown = as_markdown(study.name, tables)
    for table in report_tables(frames):
        assert table.title in markdown and table.title in terminal.getvalue()
        for row in table.rows:
            assert "| " + " | ".join(row) + " |" in markdown
            assert all(cell in terminal.getvalue() for cell in row)


def test_an_empty_study_is_said_to_be_empty(storage: Path) -> None:
    study, ledger = invented_study(storage, until=0)
    shown = StringIO()
    print_report(study.name, read_report(ledger.folder)[1], shown)
    assert shown.getvalue() == "invented: nothing has finished yet\n"


def test_results_of_an_earlier_version_of_the_study_are_left_out(storage: Path) -> None:
    invented_study(storage)
    study, ledger = invented_study(storage, STUDY.replace("lambda_coup: [2.0, 3.0]", "lambda_coup: [4.0]"))
    frames, _ = read_report(ledger.folder)
    assert set(frames.trainings.filter(pl.col("method") == "mwt")["settings"]) == {"lambda_coh=0.5 lambda_coup=4"}
    assert len(read_frames(ledger, study.name).trainings) == len(frames.trainings) + 2


def test_the_front_of_a_search_holds_what_no_other_trial_beats(storage: Path) -> None:
    search = {"search": "optuna", "trials": 4, "space": {"lambda_coup": [1, 4]}, "objectives": ["accuracy", "krr"]}
    text = yaml.safe_dump({**yaml.safe_load(STUDY), "sweep": {"mwt": search}, "subtasks": None})
    study = Study.model_validate(yaml.safe_load(text))
    ledger = Ledger(storage / study.name)
    ledger.record_study(study.text)
    (planned,) = plan_of(study, ledger).searches
    points = {}
    for number in range(4):
        ledger.suggest(planned.key, number, {"lambda_coup": 1.0 + number})
        train, modularize, *measures = planned.combination.point_steps({"lambda_coup": 1.0 + number})
        results = [finish(ledger, step)["result"] for step in (train, modularize, *measures)]
        points[f"trial {number}"] = (results[0]["validation_accuracy"], results[-1]["krr"])
    front = {
        name
        for name, (accuracy, krr) in points.items()
        if not any(a >= accuracy and k <= krr and (a, k) != (accuracy, krr) for a, k in points.values())
    }
    table = next(table for table in read_report(ledger.folder)[1] if table.title.startswith("Pareto front"))
    assert {row[0] for row in table.rows} == front
    assert table.columns == ("Trial", "lambda_coup", "Validation accuracy %", "KRR %")
    assert table.note.startswith("Of 4 finished trials")


def test_pairs_that_differ_are_never_averaged_as_seeds(storage: Path) -> None:
    pair = "{backbone: simcnn, dataset: digits, width: 0.125}"
    others = ("image_size: 32", "image_size: 48", "image_size: 32, recipe: {batch_size: 16}")
    three = ", ".join(f"{pair[:-1]}, {other}}}" for other in others)
    study, ledger = invented_study(storage, STUDY.replace(pair, three))
    frames = read_frames(ledger, study.name)
    assert frames.trainings.group_by("variant", "method", "settings").len()["len"].to_list() == [1] * 12
    assert set(frames.trainings["variant"]) == {"image_size=32", "image_size=48"}
    titles = [table.title for table in report_tables(frames) if table.title.startswith("Accuracy")]
    assert titles == [f"Accuracy: simcnn x0.125 on digits (image_size={size})" for size in (32, 48)]
    assert {row.split("batch_size=")[1] for row in frames.trainings["settings"] if "batch" in row} == {"16", "32"}


def test_pairs_that_differ_in_fine_tuning_alone_are_never_averaged(storage: Path) -> None:
    pair = "{backbone: simcnn, dataset: digits, width: 0.125}"
    two = f"{pair[:-1]}, finetune: {{epochs: 2}}}}, {pair[:-1]}, finetune: {{epochs: 5}}}}"
    study, ledger = invented_study(storage, STUDY.replace(pair, two))
    frames = read_frames(ledger, study.name)
    assert len(frames.trainings) == 4  # they share them
    assert not frames.trainings["settings"].str.contains("finetune").any()
    told = {row.partition("finetune.")[2] for row in frames.subtasks["settings"]}
    assert told == {"epochs=2", "epochs=5"}
    table = next(table for table in report_tables(frames) if table.title.startswith("Sub-tasks"))
    assert {row[2] for row in table.rows} == {"2"}
