"""`nemo reuse` on a real study: what it saves runs without us, and is the same module whenever it is made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from nemo.export import disagreement, example_images
from nemo.module_file import load_module
from orchestrator.ledger.data import record_data
from orchestrator.ledger.document import sealed
from orchestrator.ledger.lease import Lease
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.record import read_record
from orchestrator.storage import layout, store_at
from orchestrator.study.data import describe
from orchestrator.study.study import Study
from tests import tiny
from tests.bare import run_with_only
from tests.orchestrator.invented import invented_study
from tests.orchestrator.jobs.shipping import Call, caller, printed_logits

pytestmark = pytest.mark.heavy

FILES = {
    *("README.md", "example.py", "example_onnx.py", "module.json"),
    *("module.onnx", "module.pt2", "module.safetensors"),
}


@pytest.fixture(scope="module")
def runs(tiny_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The storage with the finished tiny study."""
    return shutil.copytree(tiny_runs, tmp_path_factory.mktemp("tiny") / "runs")


@pytest.fixture(scope="module")
def planned(runs: Path) -> list[str]:
    """The classes of a sub-task that the study has run itself."""
    _, document = next(iter(Ledger(runs / "tiny", readonly=True).results("reuse")))
    return [str(number) for number in document["params"]["classes"]]


@pytest.fixture(scope="module")
def shipped(runs: Path, planned: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A saved module, and what the command said; in a process that may write nowhere in the storage."""
    out = tmp_path_factory.mktemp("shipped") / "pair"
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    folders = [path for path in runs.rglob("*") if path.is_dir()]
    for path in (runs, *folders):
        path.chmod(0o555)
    words = ["reuse", "tiny", "--storage", runs, "--classes", ",".join(planned), "--out", out]
    ended = subprocess.run(
        [*without, *tiny.command(*words)], capture_output=True, text=True, env=tiny.environment(), check=False
    )
    for path in (runs, *folders):
        path.chmod(0o755)
    assert (ended.returncode, ended.stderr) == (0, "")
    return out, ended.stdout


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return caller(capsys, monkeypatch)


def test_it_says_which_network_it_took_and_what_it_kept(shipped: tuple[Path, str], runs: Path) -> None:
    out, said = shipped
    record = read_record(out)
    (origin,) = record.origins
    assert f"(run {origin.run}, threshold 0.9): the best of 2 modular networks on validation images" in said
    assert "The study's own run of this sub-task has the same accuracy." in said
    for row in (
        "Accuracy before fine-tuning %",
        "Accuracy %",
        "KRR %",
        "FLOPs M",
        "Parameters",
        "Latency ms, 1 thread",
    ):
        assert row in said
    own = Ledger(runs / "tiny", readonly=True).get(origin.step, "reuse")["result"]
    for name in ("accuracy", "accuracy_before_finetuning", "krr", "krr_all", "flops", "parameters", "flops_reduction"):
        assert record.figures[name] == own[name], name
    assert record.whole["standard"]["accuracy"] == own["standard_accuracy"]
    assert record.whole["modular"]["accuracy"] == own["modular_accuracy"]
    assert record.figures["parameters"] < record.whole["standard"]["parameters"] < record.whole["modular"]["parameters"]
    assert set(record.latency.milliseconds) == {"module", "modular", "standard"}
    assert all(value > 0 for value in record.latency.milliseconds.values())


def test_the_folder_is_whole_and_the_card_has_every_figure(shipped: tuple[Path, str], planned: list[str]) -> None:
    out, _ = shipped
    record = read_record(out)
    assert set(os.listdir(out)) == FILES and os.listdir(out.parent) == [out.name]
    card = (out / "README.md").read_text()
    (origin,) = record.origins
    for text in (origin.run, origin.label, origin.step, "rescnn x0.0625", "mwt lambda_coh=0.5", "digits", "Licence"):
        assert text in card, text
    for number, name in enumerate(planned):
        assert f"| {number} | {name} |" in card
    for name in ("accuracy", "accuracy_before_finetuning", "krr"):
        assert f"{100 * record.figures[name]:.2f}" in card, name
    assert "0.3053" in card and "0.3760" in card and record.command in card
    assert json.loads((out / "module.json").read_text())["classes"] == planned


def test_the_examples_run_with_torch_or_onnxruntime_alone(shipped: tuple[Path, str]) -> None:
    out, _ = shipped
    saved = load_module(out)
    with torch.no_grad():
        expected = saved.network(example_images(32))
        drawn = np.random.default_rng(0).random((2, 3, 32, 32), dtype=np.float32)
        expected_of_onnx = saved.network(torch.from_numpy(drawn))
    said = torch.tensor(printed_logits(run_with_only(["torch"], out / "example.py")))
    assert disagreement(expected, said) <= 1e-5
    said = torch.tensor(printed_logits(run_with_only(["numpy", "onnxruntime"], out / "example_onnx.py")))
    assert disagreement(expected_of_onnx, said) <= 1e-5


def test_the_same_command_gives_the_same_weights_and_another_folder_is_not_touched(
    shipped: tuple[Path, str], runs: Path, planned: list[str], call: Call, tmp_path: Path
) -> None:
    out, _ = shipped
    words = ["reuse", "tiny", "--storage", runs, "--classes", ",".join(planned), "--out"]
    assert call(*words, tmp_path / "again")[0] == 0
    for name in ("module.safetensors", "module.onnx"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes(), name
    code, _, err = call(*words, out)
    assert code == 2 and "holds a module already, replace it with --force" in err
    flipped = [*words[:5], ",".join(reversed(planned)), "--threshold", "0.5", "--force", "--out", tmp_path / "again"]
    assert call(*flipped)[0] == 0
    other = read_record(tmp_path / "again")
    assert list(other.classes) == planned[::-1]
    assert other.origins[0].threshold == 0.5 and other.figures["krr"] > read_record(out).figures["krr"]


def test_a_study_in_a_bucket_ships_the_same_module(
    bucket: str, shipped: tuple[Path, str], runs: Path, planned: list[str], call: Call, tmp_path: Path
) -> None:
    there = store_at(bucket) / "tiny"
    for path in (path for path in (runs / "tiny").rglob("*") if path.is_file()):
        there.write(str(path.relative_to(runs / "tiny")), path.read_bytes())
    before = there.list("")
    code, _, err = call("reuse", "tiny", "--storage", bucket, "--classes", ",".join(planned), "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    for name in ("module.safetensors", "module.onnx"):
        assert (tmp_path / "out" / name).read_bytes() == (shipped[0] / name).read_bytes(), name
    assert there.list("") == before


def test_a_module_may_be_saved_as_it_is_cut(
    runs: Path, call: Call, tmp_path: Path, planned: list[str], shipped: tuple[Path, str]
) -> None:
    words = ["--storage", runs, "--classes", ",".join(planned), "--out", tmp_path / "cut", "--as-cut"]
    code, out, err = call("reuse", "tiny", *words)
    assert (code, err) == (0, "")
    assert "own run of this sub-task" not in out  # that one was fine-tuned
    record, tuned = read_record(tmp_path / "cut"), read_record(shipped[0])
    before = tuned.figures["accuracy_before_finetuning"]
    assert record.figures["accuracy"] == record.figures["accuracy_before_finetuning"] == before
    (origin,) = record.origins
    assert (origin.head, origin.finetune["epochs"]) == ("slice", 0)
    assert origin.step != tuned.origins[0].step


def test_a_network_is_taken_by_its_key(runs: Path, call: Call, tmp_path: Path, shipped: tuple[Path, str]) -> None:
    best = read_record(shipped[0]).origins[0].run
    trainings = Ledger(runs / "tiny", readonly=True).results("train")
    other = next(key for key, d in trainings if d["params"]["method"] == "mwt" and key != best)
    words = ["reuse", "tiny", "--storage", runs, "--classes", "1,8,4", "--run", other[:10], "--out", tmp_path / "out"]
    code, out, _ = call(*words)
    assert code == 0 and f"(run {other}, threshold 0.9): as asked for" in out
    record = read_record(tmp_path / "out")
    assert (record.origins[0].run, list(record.classes)) == (other, ["1", "8", "4"])
    assert load_module(tmp_path / "out").network(torch.rand(1, 3, 32, 32)).shape == (1, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["other", "--classes", "1,2"], "no study 'other'"),
        (["tiny", "--classes", "1,cow"], "--classes: 'cow' is unknown, digits has the classes 0, 1, 2"),
        (["tiny", "--classes", "1"], "two classes or more"),
        (["tiny", "--classes", "1,2", "--run", "zzz"], "--run zzz: is the key of no finished modular networks"),
        (["tiny", "--classes", "1,2", "--threshold", "0.7"], "is none of the study's, choose one of 0.5, 0.9"),
        (["tiny", "--classes", "1,2", "--threshold", "much"], "--threshold"),
    ],
)
def test_what_the_user_can_mend_is_a_sentence(
    runs: Path, call: Call, tmp_path: Path, words: list[str], said: str
) -> None:
    code, out, err = call("reuse", *words, "--storage", runs, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert said in err and "Traceback" not in err
    assert os.listdir(tmp_path) == []


def test_beside_a_driver_it_waits_for_nothing_and_refuses_before_it_reads_data(call: Call, tmp_path: Path) -> None:
    """The study runs, and its data are not even here: what is refused is refused at once."""
    study, ledger = invented_study(tmp_path / "runs", until=1)
    record_data(ledger, describe(study))
    text = study.text.replace("dataset: digits", "dataset: parquet:/nowhere")
    recorded = json.loads(ledger.store.read(layout.DATA) or b"")
    (name,) = recorded.keys() - {"sha256"}
    elsewhere = Study.model_validate(yaml.safe_load(text))
    ledger.store.write(layout.DATA, sealed({elsewhere.pairs[0].data: recorded[name]})[1])
    ledger.record_study(text)
    lease = Lease(ledger.store)
    lease.take()
    try:
        words = ["invented", "--storage", tmp_path / "runs", "--classes", "1,2", "--out", tmp_path / "out"]
        code, _, err = call("reuse", *words)
    finally:
        lease.release()
    assert code == 2 and "no modular network is trained and modularized yet, let nemo run finish one" in err


def test_a_folder_that_may_not_be_written(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    words = ["reuse", "tiny", "--storage", runs, "--classes", "1,2", "--out", tmp_path / "closed" / "out"]
    command = [*without, *tiny.command(*words)]
    ended = subprocess.run(command, capture_output=True, text=True, env=tiny.environment(), check=False)
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1
    assert "cannot be written (Permission denied), make it writable" in ended.stderr


def test_a_damaged_network_is_told_and_nothing_is_saved(runs: Path, call: Call, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    for path in (tmp_path / "runs").rglob("network.safetensors"):
        path.write_bytes(path.read_bytes()[:-4] + b"oops")
    code, _, err = call(
        *("reuse", "tiny", "--storage", tmp_path / "runs", "--classes", "1,2", "--out", tmp_path / "out")
    )
    assert code == 2 and "is damaged or missing, run the study with --retry-failed" in err
    assert os.listdir(tmp_path) == ["runs"]
