import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from orchestrator.cli import main
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.tracking.tracking import Tracking
from orchestrator.tracking.ui import page_of
from tests.orchestrator.invented import STUDY, invented_study, plan_of


def nemo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment}
    )


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    """The command line in this process: its exit code, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["nemo", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr()
    return int(end.value.code or 0), shown.out, shown.err


@pytest.fixture
def study_file(storage: Path) -> str:
    path = storage / "study.yaml"
    path.write_text(STUDY)
    return str(path)


def test_looking_on_needs_neither_torch_nor_ray_nor_mlflow(storage: Path, study_file: str) -> None:
    invented_study(storage, until=2)
    invented_study(storage, STUDY.replace("invented", "other"), until=2)
    verbs = [
        ["--help"],
        ["plan", study_file],
        ["plan", "--simulate", "nodes=2", study_file],
        ["status"],
        ["report", "invented", "--format", "json"],
        ["compare", "invented", "other"],
    ]
    script = (
        "import json, sys; from orchestrator.cli import main\n"
        "for verb in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['nemo', *verb]\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, (verb, end.code)\n"
        "    heavy = {'torch', 'ray', 'mlflow', 'matplotlib'} & set(sys.modules); assert not heavy, (verb, heavy)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(verbs)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NEMO_STORAGE": str(storage)},
    )
    assert done.returncode == 0, done.stderr


def test_plan_counts_and_touches_nothing(capsys, monkeypatch, storage: Path, study_file: str) -> None:
    before = sorted(storage.rglob("*"))
    code, out, _ = call(capsys, monkeypatch, "plan", study_file, "--storage", str(storage))
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert code == 0
    assert lines["trainings"][:2] == ["4", "0"]
    assert lines["modularizations"][:2] == ["3", "0"]
    assert lines["measurements"][:2] == ["6", "0"]
    assert lines["sub-tasks"][:3] == ["0", "8", "0"]
    assert "No estimate yet" in out
    assert sorted(storage.rglob("*")) == before


def test_plan_estimates_from_what_has_finished(capsys, monkeypatch, storage: Path, study_file: str) -> None:
    invented_study(storage)
    more = ["--set", "subtasks.samples=3"]
    _, out, _ = call(capsys, monkeypatch, "plan", study_file, "--storage", str(storage), *more)
    # Four more sub-tasks of 2 seconds each.
    assert "About 8 s are left" in out
    _, out, _ = call(capsys, monkeypatch, "plan", study_file, "--storage", str(storage))
    assert "Everything is finished." in out


def test_plan_runs_the_rest_on_a_fake_cluster(capsys, monkeypatch, storage: Path, study_file: str) -> None:
    invented_study(storage, until=8)
    before = sorted(storage.rglob("*"))
    arguments = ["plan", study_file, "--storage", str(storage), "--simulate", "nodes=4,cpus=2,failures=0.1,reuse=60"]
    code, out, _ = call(capsys, monkeypatch, *arguments)
    assert code == 0
    simulated = out[out.index("Simulated on 4 nodes of 2 CPUs and 0 GPUs") :]
    lines = {line.split()[0]: line.split()[1:] for line in simulated.splitlines() if line.strip()}
    assert lines["sub-tasks"] == ["8", "60.0", "given"]
    assert lines["measurements"][2:] == ["measured", "on", "cpu"]
    assert "It takes" in simulated and "What bounds it is the longest chain of steps" in simulated
    assert call(capsys, monkeypatch, *arguments)[1] == out
    assert sorted(storage.rglob("*")) == before


def test_plan_of_a_finished_study_has_nothing_to_simulate(capsys, monkeypatch, storage: Path, study_file: str) -> None:
    invented_study(storage)
    arguments = ["plan", study_file, "--storage", str(storage), "--simulate", "nodes=1"]
    assert "nothing is left to run" in call(capsys, monkeypatch, *arguments)[1]


def test_plan_refuses_what_never_fits_the_fake_cluster(capsys, monkeypatch, storage: Path, study_file: str) -> None:
    more = ["--set", "resources.training={workers: 3, cpus: 4, gpus: 1}"]
    arguments = ["plan", study_file, "--storage", str(storage), *more, "--simulate", "nodes=1,gpus=2,cpus=12"]
    code, _, err = call(capsys, monkeypatch, *arguments)
    assert code == 2
    assert "resources.training: a training needs 3 workers x 4 CPUs and 1 GPUs each" in err
    assert "12 CPUs and 2 GPUs has room for 2 such workers" in err


def test_status_comes_from_the_ledger_and_names_failures(capsys, monkeypatch, storage: Path) -> None:
    study, ledger = invented_study(storage, until=1)
    failing = plan_of(study, ledger).pending(ledger)[0]
    ledger.fail(failing, "the loss is NaN [in epoch 3]")
    code, out, _ = call(capsys, monkeypatch, "status", "invented", "--storage", str(storage))
    assert code == 0
    assert f"failed: {failing.label}: the loss is NaN [in epoch 3]" in out.replace("\n", "")
    assert "Nothing is left" not in out
    _, everything, _ = call(capsys, monkeypatch, "status", "--storage", str(storage))
    assert everything == out
    (storage / "away").mkdir()
    (storage / "away" / "study.yaml").write_text(study.text.replace("digits", f"folder:{storage}/gone"))
    code, others, err = call(capsys, monkeypatch, "status", "--storage", str(storage))
    assert (code, others) == (2, out)
    assert f"folder:{storage}/gone" in err and len(err.splitlines()) == 1


def test_report_json_is_all_that_is_on_standard_output(storage: Path) -> None:
    invented_study(storage)
    done = nemo("report", "invented", "--format", "json", NEMO_STORAGE=str(storage))
    assert (done.returncode, done.stderr) == (0, "")
    rows = {"trainings", "modularizations", "subtasks", "derived", "epochs"}
    assert set(json.loads(done.stdout)) == {"study", "accepted", *rows}


def test_the_report_is_a_page_in_a_file_of_its_own(capsys, monkeypatch, storage: Path) -> None:
    invented_study(storage)
    page = storage / "invented.html"
    arguments = ["report", "invented", "--storage", str(storage), "--format", "html"]
    assert call(capsys, monkeypatch, *arguments, "--out", str(page)) == (0, "", "")
    assert page.read_text(encoding="utf-8") == call(capsys, monkeypatch, *arguments)[1]
    assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")
    code, _, err = call(capsys, monkeypatch, *arguments, "--out", str(storage / "gone" / "page.html"))
    assert code == 2 and f"--out: {storage}/gone/page.html cannot be written" in err


@pytest.mark.heavy
def test_export_writes_everything_and_no_single_format(capsys, monkeypatch, storage: Path) -> None:
    invented_study(storage)
    arguments = ["report", "invented", "--storage", str(storage), "--export", str(storage / "exported")]
    code, out, err = call(capsys, monkeypatch, *arguments)
    files = [path for path in (storage / "exported").rglob("*") if path.is_file()]
    assert (code, err) == (0, "") and out.startswith(f"{len(files)} files in {storage}/exported; ")
    assert {path.suffix for path in files} == {".html", ".md", ".json", ".csv", ".parquet", ".png", ".svg"}
    for more in (["--format", "md"], ["--out", "page.html"]):
        code, out, err = call(capsys, monkeypatch, *arguments, *more)
        assert (code, out) == (2, "") and "leave --format and --out out" in err


def test_report_of_an_unknown_study_names_the_known_ones(capsys, monkeypatch, storage: Path) -> None:
    invented_study(storage, until=1)
    code, out, err = call(capsys, monkeypatch, "report", "other", "--storage", str(storage))
    assert (code, out) == (2, "")
    assert "no study 'other'" in err and "known studies: invented" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "no-such-file.yaml"], "no-such-file.yaml"),
        (["plan", "STUDY", "--set", "recipe.epoch=3"], "epoch"),
        (["plan", "STUDY", "--set", "thresholds=[1.5]"], "thresholds"),
        (["plan", "STUDY", "--set", "subtasks.sizes=[11]"], "sizes"),
        (["plan", "STUDY", "--simulate", "nodes=4,gpu=8"], "did you mean 'gpus'"),
        (["report", "invented", "--format", "xml"], "xml"),
        (["ui", "--storage", "nowhere"], "run a study without tracking.uri"),
        (["no-such-verb"], "no-such-verb"),
    ],
)
def test_what_the_user_can_mend_is_a_sentence_and_exit_code_2(
    capsys, monkeypatch, study_file: str, arguments: list[str], words: str
) -> None:
    given = [study_file if argument == "STUDY" else argument for argument in arguments]
    code, out, err = call(capsys, monkeypatch, *given)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


def test_an_interrupt_is_130(capsys, monkeypatch, storage: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.verbs.studies.storage_root", interrupted)
    code, _, err = call(capsys, monkeypatch, "status")
    assert code == 130
    assert "Traceback" not in err


@pytest.mark.browser
def test_ui_serves_the_store_and_ends_with_its_children(storage: Path) -> None:
    Tracking(tracking_uri(storage), artifact_root(storage), "any")
    command = [sys.executable, "-m", "orchestrator.cli", "ui", "--storage", str(storage)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ui:
        try:
            line = ui.stdout.readline()
            url = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
            assert urllib.request.urlopen(url, timeout=30).status == 200
            group = _children(ui.pid)
            assert group
            assert _listening(group) == {"127.0.0.1"}
        finally:
            ui.send_signal(signal.SIGTERM)
        assert ui.wait(30) == 130
    assert not [pid for pid in group if Path(f"/proc/{pid}").exists() and "Z" not in _state(pid)]


def _children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def _listening(pids: list[int]) -> set[str]:
    """The addresses that processes listen on."""
    found = [each for pid in pids for each in psutil.Process(pid).net_connections()]
    return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize(
    ("uri", "page"),
    [
        (None, "nemo ui --storage there"),
        ("http://mlflow.example.org:5000", "http://mlflow.example.org:5000"),
        ("sqlite:///other.db", "nemo ui --uri sqlite:///other.db"),
    ],
)
def test_where_a_study_s_runs_show(storage: Path, uri: str | None, page: str) -> None:
    told = "" if uri is None else f"tracking: {{uri: '{uri}'}}\n"
    _, ledger = invented_study(storage, STUDY + told, until=0)
    assert page_of(ledger.store, " --storage there") == page
