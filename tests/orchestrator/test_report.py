import json
import math
from io import StringIO
from pathlib import Path
from statistics import stdev

import polars as pl
import yaml

from orchestrator.ledger import Ledger
from orchestrator.report.frames import read_frames
from orchestrator.report.rendering import as_json, as_markdown, print_report
from orchestrator.report.study_report import read_report
from orchestrator.report.tables import report_tables
from orchestrator.study import Study
from tests.orchestrator.invented import STUDY, finish, invented_study, plan_of

SHARED = {"key", "method", "backbone", "dataset", "seed", "accuracy"}
THREE_SEEDS = STUDY + "seeds: [0, 1, 2]\n"


def test_json_has_every_row_with_the_promised_fields(storage: Path) -> None:
    study, ledger = invented_study(storage)
    report = json.loads(as_json(read_frames(ledger, study.name)))
    assert list(report) == ["study", "trainings", "modularizations", "subtasks"]
    steps = plan_of(study, ledger).steps
    for name, kind in (("trainings", "train"), ("modularizations", "measure"), ("subtasks", "reuse")):
        assert {row["key"] for row in report[name]} == {step.key for step in steps if step.kind == kind}
    assert all(set(row) >= SHARED for row in report["trainings"])
    measured = {"threshold", "krr", "cohesion", "coupling"}
    assert all(set(row) >= SHARED | measured for row in report["modularizations"])
    accuracies = {"accuracy_before_finetuning", "standard_accuracy"}
    cut = {"threshold", "classes", "krr", "flops", "flops_reduction"}
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
    for row in report["subtasks"]:
        document = ledger.get(row["key"])
        assert row["training"] == document["parents"]["train"]
        for name in ("classes", "accuracy", "accuracy_before_finetuning", "standard_accuracy", "flops"):
            assert row[name] == document["result"][name]


def test_what_is_not_known_is_null(storage: Path) -> None:
    study, ledger = invented_study(storage, until=1)
    training = plan_of(study, ledger).steps[0]
    assert training.params["method"] == "standard"
    other = json.loads(as_json(read_frames(ledger, study.name)))
    assert (other["modularizations"], other["subtasks"]) == ([], [])
    assert "null" not in as_json(read_frames(ledger, study.name))
    document = ledger.get(training.key)
    document["result"]["validation_accuracy"] = None
    assert json.loads(as_json(read_frames(ledger, study.name)))["trainings"][0]["validation_accuracy"] is None


def test_tables_average_over_seeds_and_keep_settings_apart(storage: Path) -> None:
    study, ledger = invented_study(storage, THREE_SEEDS)
    frames = read_frames(ledger, study.name)
    accuracy, thresholds, subtasks = report_tables(frames)
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
    assert {row[1]: int(row[2]) for row in subtasks.rows if row[0].startswith("nemo")} == {"2": 6, "3": 6}


def test_a_swept_learning_rate_tells_rows_apart(storage: Path) -> None:
    study, ledger = invented_study(storage, STUDY.replace("lambda_coup: [2.0, 3.0]", "lr: [0.01, 0.05]"))
    rows = report_tables(read_frames(ledger, study.name))[0].rows
    assert [row[0].split()[-1] for row in rows if row[0].startswith("mwt")] == ["lr=0.01", "lr=0.05"]


def test_markdown_and_terminal_show_the_same_tables(storage: Path) -> None:
    study, ledger = invented_study(storage)
    frames, tables = read_report(ledger.folder)
    assert len(tables) == 3
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
        train, modularize, *measures = planned.steps({"lambda_coup": 1.0 + number})
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
