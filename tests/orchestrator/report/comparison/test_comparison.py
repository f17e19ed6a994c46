import json
import sys
from pathlib import Path
from statistics import fmean, stdev

import polars as pl
import pytest

from orchestrator.cli import main
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.comparison.comparison import Comparison, compare, side_of, training_side
from orchestrator.report.comparison.tables import comparison_json, comparison_tables
from orchestrator.report.statistics import RULE, judge
from orchestrator.report.study_report import gather
from tests.orchestrator.invented import DERIVING, STUDY, invented_study

THREE = STUDY.replace("from: best", "from: every") + "seeds: [0, 1, 2]\n"
CHANGED = THREE.replace("name: invented", "name: changed").replace("epochs: 3", "epochs: 4, lr: 0.02")


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`invented`; `changed`: another recipe; `one`: a single seed; `renamed`: the results of the first."""
    storage = tmp_path_factory.mktemp("studies")
    for text in (
        THREE,
        CHANGED,
        CHANGED.replace("changed", "one").replace("[0, 1, 2]", "[5]"),
        THREE.replace("invented", "renamed"),
    ):
        invented_study(storage, text)
    return storage


def compared(storage: Path, *names: str) -> Comparison:
    return compare([side_of(name, gather(storage / name)) for name in names])


def test_only_the_settings_that_differ_are_told(storage: Path) -> None:
    told = dict(compared(storage, "invented", "changed").settings)
    assert told == {"recipe.epochs": ("3", "4"), "recipe.lr": (told["recipe.lr"][0], "0.02")}
    assert (
        told["recipe.lr"][0] == f"{gather(storage / 'invented').planned.study.recipe_for(_pair(storage), 'mwt').lr:g}"
    )
    assert compared(storage, "invented", "renamed").settings == []
    assert dict(compared(storage, "invented", "one").settings)["seeds"] == ("0, 1, 2", "5")


def _pair(storage: Path):
    return gather(storage / "invented").planned.study.pairs[0]


def test_a_setting_of_some_methods_is_told_by_method(tmp_path: Path) -> None:
    for name, recipe in (("plain", "{}"), ("longer", "{recipe: {epochs: 9}}")):
        invented_study(tmp_path, STUDY.replace("invented", name).replace("mwt: {}, ", f"mwt: {recipe}, "), until=1)
    assert compared(tmp_path, "plain", "longer").settings == [("recipe.epochs (mwt)", ("3", "9"))]


def test_means_and_spreads_are_those_of_the_seeds(storage: Path) -> None:
    comparison = compared(storage, "invented", "changed")
    assert comparison.alone == ((), ())
    frames = [gather(storage / name).frames for name in comparison.names]
    assert {row.topic for row in comparison.results} == {"trainings", "modularizations", "subtasks"}
    for row in comparison.results:
        values = []
        for frame in (getattr(each, row.topic) for each in frames):
            own = frame.filter((pl.col("method") + " " + pl.col("settings")).str.strip_chars() == row.method)
            if row.threshold is not None:
                own = own.filter(pl.col("threshold") == row.threshold)
            if row.size is not None:
                own = own.filter(pl.col("classes").list.len() == row.size)
            by_seed = {seed: own.filter(pl.col("seed") == seed)[row.quantity].to_list() for seed in (0, 1, 2)}
            assert {len(each) for each in by_seed.values()} == {2 if row.topic == "subtasks" else 1}
            values.append([fmean(each) for each in by_seed.values()])
        for sample, each in zip(row.samples, values, strict=True):
            assert sample is not None and sample.seeds == 3
            assert (sample.mean, sample.spread) == pytest.approx((fmean(each), stdev(each)), abs=1e-12)
        assert row.judged[0].difference == pytest.approx(judge(*values).difference, abs=1e-12)
        if row.topic != "subtasks":  # these are judged by pairs
            assert row.judged[0].verdict == judge(*values, row.quantity).verdict
    shown = {(row.topic, row.method, row.threshold, row.size, row.quantity) for row in comparison.results}
    assert len(shown) == len(comparison.results) == 4 * 2 + 3 * 2 * 3 + 3 * 2 * 5


def test_one_seed_tells_nothing(storage: Path) -> None:
    verdicts = {row.judged[0].verdict for row in compared(storage, "invented", "one").results}
    assert verdicts == {"unresolved"}


def test_the_same_results_are_told_from_equal_ones(storage: Path) -> None:
    results = compared(storage, "invented", "renamed").results
    assert {(row.judged[0].verdict, row.judged[0].difference) for row in results} == {("unresolved", 0.0)}


def test_three_studies_are_each_compared_with_the_first(storage: Path) -> None:
    comparison = compared(storage, "invented", "changed", "one")
    assert all(len(row.samples) == 3 and len(row.judged) == 2 for row in comparison.results)
    for table in comparison_tables(comparison)[1:]:
        assert {"invented", "changed", "one", "Changed: Difference", "One: Judged"} <= set(table.columns)


def test_what_only_one_has_is_named_and_not_compared(tmp_path: Path) -> None:
    invented_study(tmp_path, STUDY)
    invented_study(tmp_path, STUDY.replace("invented", "other").replace("[2.0, 3.0]", "[3.0, 4.0]"))
    comparison = compared(tmp_path, "invented", "other")
    assert comparison.alone == (("mwt lambda_coh=0.5 lambda_coup=2",), ("mwt lambda_coh=0.5 lambda_coup=4",))
    assert {row.method for row in comparison.results if row.method.startswith("mwt")} == {
        "mwt lambda_coh=0.5 lambda_coup=3"
    }
    note = comparison_tables(comparison)[0].note
    assert "Only in other, and not compared: mwt lambda_coh=0.5 lambda_coup=4." in note


def test_methods_with_one_setting_each_are_compared_though_it_differs(tmp_path: Path) -> None:
    invented_study(tmp_path, STUDY)
    invented_study(tmp_path, STUDY.replace("invented", "other").replace("alpha: 1.0", "alpha: 2.0"))
    comparison = compared(tmp_path, "invented", "other")
    assert ("nemo.alpha", ("1", "2")) in comparison.settings
    together = "nemo alpha=1 temperature=0.2 vs nemo alpha=2 temperature=0.2"
    assert [row.quantity for row in comparison.results if row.method == together][:2] == [
        "accuracy",
        "validation_accuracy",
    ]


def test_two_trainings_of_one_study(storage: Path) -> None:
    report = gather(storage / "invented")
    mwt, nemo = (
        report.frames.trainings.filter((pl.col("method") == method) & (pl.col("seed") == 0))["key"][0]
        for method in ("mwt", "nemo")
    )
    comparison = compare([training_side("one", report, mwt), training_side("other", report, nemo)])
    told = dict(comparison.settings)
    assert told["method"] == ("mwt", "nemo") and told["settings.alpha"] == ("", "1")
    assert "recipe.epochs" not in told
    (accuracy,) = (row for row in comparison.results if (row.topic, row.quantity) == ("trainings", "accuracy"))
    ledger = Ledger(storage / "invented", readonly=True)
    assert [sample.mean for sample in accuracy.samples] == [
        ledger.get(key)["result"]["accuracy"] for key in (mwt, nemo)
    ]
    assert accuracy.judged[0].verdict == "unresolved"


def test_json_and_tables_say_the_same(storage: Path) -> None:
    comparison = compared(storage, "invented", "changed")
    document = json.loads(comparison_json(comparison))
    assert document["names"] == ["invented", "changed"]
    assert document["settings"][0] == {"setting": "recipe.epochs", "values": {"invented": "3", "changed": "4"}}
    told, *tables = comparison_tables(comparison)
    assert told.rows == [(name, *values) for name, values in comparison.settings]
    rows = [dict(zip(table.columns, row, strict=True)) for table in tables for row in table.rows]
    assert len(rows) == len(document["results"])
    accuracy = next(row for row in document["results"] if row["quantity"] == "accuracy")
    mean, spread = (100 * accuracy["values"]["changed"][name] for name in ("mean", "spread"))
    assert rows[0]["changed"] == f"{mean:.2f} ±{spread:.2f} (3)"
    assert rows[0]["Difference"] == f"{100 * accuracy['against_first']['changed']['difference']:+.2f}"
    assert rows[0]["Judged"] == accuracy["against_first"]["changed"]["verdict"]
    assert all(RULE in table.note for table in tables)


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["nemo", "compare", *words])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr()
    return int(end.value.code or 0), shown.out, shown.err


@pytest.mark.heavy
def test_the_verb_writes_every_format(capsys, monkeypatch, storage: Path, tmp_path: Path) -> None:
    at = ["--storage", str(storage)]
    code, terminal, err = call(capsys, monkeypatch, "invented", "changed", *at)
    assert (code, err) == (0, "") and "What differs in settings" in terminal and "Whole networks" in terminal
    markdown = call(capsys, monkeypatch, "invented", "changed", *at, "--format", "md")[1]
    assert markdown.startswith("# invented against changed\n") and "| recipe.epochs | 3 | 4 |" in markdown
    path = tmp_path / "compared.json"
    # by place, from anywhere
    places = [str(storage / "invented"), str(storage / "changed")]
    assert call(capsys, monkeypatch, *places, "--format", "json", "--out", str(path)) == (0, "", "")
    assert json.loads(path.read_text()) == json.loads(comparison_json(compared(storage, "invented", "changed")))
    keys = gather(storage / "invented").frames.trainings["key"].to_list()[:2]
    code, shown, _ = call(capsys, monkeypatch, "invented", *at, "--run", keys[0], "--run", keys[1][:12])
    assert code == 0 and keys[0][:8] in shown and keys[1][:8] in shown


def test_studies_of_one_name_are_told_apart_by_place(capsys, monkeypatch, storage: Path, tmp_path: Path) -> None:
    invented_study(tmp_path, CHANGED.replace("changed", "invented"))
    places = [str(storage / "invented"), str(tmp_path / "invented")]
    assert json.loads(call(capsys, monkeypatch, *places, "--format", "json")[1])["names"] == places


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["invented"], "needs two or more studies"),
        (["invented", "invented"], "no two of them alike"),
        (["invented", "nowhere"], "no study 'nowhere'"),
        (["invented", "changed", "--run", "a", "--run", "b"], "give that study alone"),
        (["invented", "--run", "zz", "--run", "yy"], "'zz': no training has this key, choose among "),
        (["invented", "changed", "--format", "html"], "html"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(capsys, monkeypatch, storage: Path, words: list[str], said: str) -> None:
    code, out, err = call(capsys, monkeypatch, *words, "--storage", str(storage))
    assert (code, out) == (2, "") and said in err and "Traceback" not in err


def test_derived_networks_are_compared_by_method_budget_and_class_set(tmp_path: Path) -> None:
    for name, epochs in (("first", 3), ("second", 4)):
        invented_study(tmp_path, DERIVING.replace("deriving", name).replace("epochs: 3", f"epochs: {epochs}"))
    comparison = compared(tmp_path, "first", "second")
    rows = [row for row in comparison.results if row.topic == "derived"]
    assert {(row.method, row.budget) for row in rows} == {
        (f"{method} of standard", budget)
        for method in ("magnitude", "random")
        for budget in ("flops 0.5", "parameters 0.3")
    }
    assert {row.quantity for row in rows} >= {"accuracy", "base_accuracy", "kept_flops"}
    frames = [gather(tmp_path / name).frames.derived for name in ("first", "second")]
    for row in (row for row in rows if row.quantity == "accuracy"):
        own = [
            frame.filter(pl.col("derivation") == row.method.split()[0], pl.col("share") == float(row.budget.split()[1]))
            for frame in frames
        ]
        means = [each["accuracy"].mean() for each in own]
        assert [sample.mean for sample in row.samples] == pytest.approx(means)
        assert row.judged[0].difference == pytest.approx(means[1] - means[0]) and row.judged[0].low is not None
    (table,) = [table for table in comparison_tables(comparison) if table.title.startswith("Derived networks")]
    assert "Budget" in table.columns and "Threshold" not in table.columns
    assert {row["budget"] for row in json.loads(comparison_json(comparison))["results"]} == {
        None,
        "flops 0.5",
        "parameters 0.3",
    }
