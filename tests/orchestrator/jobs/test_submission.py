"""What is shipped to a cluster, and what is refused before or by asking one; a real one is in tests/faults."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.jobs.dashboard import Dashboard
from orchestrator.jobs.jobs import Jobs
from orchestrator.jobs.shipment import PACKAGES, pack
from orchestrator.jobs.submission import check_versions, prepare
from orchestrator.study.file import load_study_file
from orchestrator.system.environment import checkout
from tests import tiny

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[3]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NEMO_STORAGE", raising=False)
    return tiny.write_study(tmp_path)


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_the_tracked_sources_are_shipped_and_nothing_else(study: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}  # the examples' link is none
    shipped = pack(study, load_study_file(study))
    untracked = {name for name in set(shipped.files) - tracked if (ROOT / name).exists()}  # somebody is at work
    assert set(shipped.files) - untracked == tracked | {"orchestrator/shipped.json", "study/tiny.yaml"}
    assert shipped.files["study/tiny.yaml"] == study.read_bytes()
    assert sum(map(len, shipped.files.values())) < 3_000_000


def test_what_is_shipped_runs_by_itself_and_knows_its_commit(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    pack(study, load_study_file(study)).write(folder)
    script = (
        "import json, nemo, orchestrator.system.environment as e; "
        "print(json.dumps([nemo.__file__, e.__file__, e.checkout()]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    known = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    *files, commit = json.loads(known.stdout)
    assert files == [str(folder / "nemo" / "__init__.py"), str(folder / "orchestrator" / "system" / "environment.py")]
    assert commit == checkout()
    command = [sys.executable, "-m", "orchestrator.cli", "plan", "study/tiny.yaml", "--storage", str(tmp_path / "runs")]
    shown = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "trainings" in shown.stdout


def test_a_transformers_configuration_is_shipped_by_its_path(study: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    config = (ROOT / "studies" / "vit-tiny.json").read_bytes()
    (tmp_path / "models" / "config.json").write_bytes(config)
    text = study.read_text()
    for named in ("models", "models/config.json"):
        study.write_text(
            text.replace("backbone: rescnn", f"backbone: vit:{named}").replace("width: 0.0625", "width: 1")
        )
        assert pack(study, load_study_file(study)).files["models/config.json"] == config
    study.write_text(study.read_text().replace("vit:models", f"vit:{tmp_path}/models"))
    with pytest.raises(UserError, match=r"tiny.yaml:3: pairs.0..backbone: .* put it below that"):
        pack(study, load_study_file(study))


def test_dry_run_lists_files_command_and_names_and_asks_nobody(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    words = ["--address", closed_port(), "--storage", "/shared/runs", "--env", "PGPASSWORD", "--set", "seeds=[0, 1]"]
    shown = tiny.nemo("submit", study, *words, "--retry-failed", "--replace", "--dry-run")
    assert (shown.returncode, shown.stderr) == (0, "")
    *files, total, command, names = shown.stdout.splitlines()
    sizes = {line.split()[1]: int(line.split()[0].replace(",", "")) for line in files}
    assert sizes["nemo/__init__.py"] == (ROOT / "nemo" / "__init__.py").stat().st_size
    assert total.strip() == f"{sum(sizes.values()):,} bytes in {len(sizes)} files"
    assert command == (
        "command: nemo run study/tiny.yaml --address auto --storage /shared/runs --set 'seeds=[0, 1]' "
        "--retry-failed --replace"
    )
    assert names == "environment: PGPASSWORD"
    assert "hunter2" not in shown.stdout


@pytest.mark.parametrize(
    ("changes", "given", "told"),
    [
        ({}, {"storage": "s3://FILL-IN-BUCKET/runs"}, "--storage: FILL-IN-BUCKET is still to fill in"),
        ({"tracking": {"uri": "https://FILL-IN-HOST"}}, {"storage": "/r"}, "tiny.yaml: FILL-IN-HOST is still to fill"),
        ({}, {"storage": "runs"}, "--storage: 'runs' would be in the job's own folder"),
        ({"storage": "out"}, {}, "tiny.yaml:[0-9]+: storage: 'out' would be"),
        ({"data_root": "data"}, {"storage": "/r"}, "tiny.yaml:[0-9]+: data_root: 'data' is not shipped"),
        ({}, {"storage": "/r", "variables": ["NOT_SET_HERE"]}, "--env NOT_SET_HERE: is not set here"),
        ({}, {"storage": "/r", "variables": ["A=hunter2"]}, "--env A: give the name alone"),
        ({}, {"storage": "/r", "variables": ["RAY_AUTH_TOKEN"]}, "--env RAY_AUTH_TOKEN: is set by Ray or nemo"),
        ({}, {"storage": "/r", "variables": ["DOLLAR"]}, r"--env DOLLAR: has a \$ in its value"),
        ({}, {"storage": "/r", "overrides": ["recipe.epoch=1"]}, "--set recipe.epoch=1"),
    ],
)
def test_what_only_this_machine_has_is_refused(
    study: Path, monkeypatch: pytest.MonkeyPatch, changes: dict, given: dict, told: str
) -> None:
    monkeypatch.setenv("DOLLAR", "pa$HOME")
    with pytest.raises(UserError, match=told) as refused:
        prepare(tiny.write_study(study.parent, **changes), **given)
    assert "hunter2" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_relative_data_is_refused(study: Path) -> None:
    pairs = [{"backbone": "rescnn", "dataset": "parquet:data/birds"}]
    with pytest.raises(UserError, match=r"pairs.0..dataset: 'data/birds' is not shipped"):
        prepare(tiny.write_study(study.parent, pairs=pairs), storage="/shared")


@pytest.mark.parametrize("storage", ["/shared/runs", "~/runs", "s3://bucket/runs"])
def test_storage_comes_from_the_option_the_study_or_the_environment(
    study: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    def chosen(path: Path, given: str | None = None) -> list[str]:
        return list(prepare(path, storage=given).arguments[4:])

    assert chosen(study) == []  # then the cluster's own decides
    assert chosen(study, storage) == ["--storage", storage]
    monkeypatch.setenv("NEMO_STORAGE", storage)
    assert chosen(study) == ["--storage", storage]
    monkeypatch.setenv("NEMO_STORAGE", "runs")
    assert chosen(tiny.write_study(study.parent, storage=storage)) == ["--storage", storage]
    with pytest.raises(UserError, match=r"\$NEMO_STORAGE: 'runs' would be in the job's own folder"):
        chosen(tiny.write_study(study.parent))


def test_a_job_without_a_lasting_storage_is_refused(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    ended = tiny.nemo("run", study)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("nemo: $NEMO_STORAGE on the cluster: 'runs' would be in the job's own folder")


Answers = Callable[[str, str], tuple[int, bytes]]


@contextmanager
def standing_in(answers: Answers) -> Iterator[str]:
    """A server for what no real head here can be made to say: (method, path) -> (status, body)."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answers(self.command, self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def head(ray: str = version("ray"), python: str = "{}.{}.{}".format(*sys.version_info)) -> Answers:
    told = {
        "/api/version": {"version": "4", "ray_version": ray, "ray_commit": "", "session_name": ""},
        "/api/v0/cluster_metadata": {"data": {"rayVersion": ray, "pythonVersion": python}},
        "/api/jobs/": [],
    }
    return lambda method, path: (200, json.dumps(told[path]).encode()) if path in told else (404, b"")


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (head(ray="2.41.0"), rf"the cluster runs Ray 2\.41\.0, this environment Ray {version('ray')}; install"),
        (head(python="3.9.19"), r"the cluster runs Python 3\.9, this environment Python 3\.\d+; install"),
    ],
)
def test_other_versions_are_one_sentence(there: Answers, told: str) -> None:
    with standing_in(there) as address, pytest.raises(UserError, match=f"--address {address}: {told}"):
        check_versions(Dashboard(address))
    with standing_in(head(python="{}.{}.99".format(*sys.version_info))) as address:
        check_versions(Dashboard(address))  # another patch level is no other Python


@pytest.mark.parametrize("body", [b"<html>It works!</html>", b'{"status": "ok"}', b"[]"])
def test_another_server_is_one_sentence(body: bytes) -> None:
    told = "what answers there is no dashboard of a Ray head"
    with standing_in(lambda method, path: (200, body)) as address, pytest.raises(UserError, match=told):
        Dashboard(address)


def test_nobody_there_is_one_sentence_and_exit_code_2(study: Path) -> None:
    address = closed_port()
    asked = tiny.nemo("submit", study, "--storage", "/r", "--address", address)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr.startswith(f"nemo: --address {address}: no dashboard of a Ray head answers there")
    assert len(asked.stderr.splitlines()) == 1


def test_a_port_that_never_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.jobs.dashboard.TIMEOUT", (1.0, 1.0))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UserError, match=f"--address http://{address}: no dashboard of a Ray head answers"):
            Dashboard(address)


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "ftp://x", "os://x"])
def test_an_address_of_another_kind_is_one_sentence(address: str) -> None:
    with pytest.raises(UserError, match="is no address of a dashboard"):
        Dashboard(address)


def test_the_address_that_is_given_wins_over_rays_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    other = closed_port()
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", other)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with standing_in(head()) as address:
        assert Jobs(Dashboard(address)).runs() == []
    assert os.environ["RAY_API_SERVER_ADDRESS"] == other


def test_no_proxy_hears_of_the_token_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, closed_port())
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with standing_in(head()) as address:
        assert Jobs(Dashboard(address)).runs() == []
    with pytest.raises(UserError, match="no dashboard of a Ray head answers there"):
        Dashboard("http://head.invalid:8265")  # that one may need it


def test_a_study_may_have_the_name_of_another_ones_job() -> None:
    jobs = []
    for study, name in (("tiny", "tiny-r1"), ("tiny-r1", "tiny-r1-r1")):
        details = {"type": "SUBMISSION", "submission_id": name, "status": "STOPPED", "entrypoint": "true"}
        jobs.append({**details, "metadata": {"nemo.study": study}})

    def answers(method: str, path: str) -> tuple[int, bytes]:
        return (200, json.dumps(jobs).encode()) if path == "/api/jobs/" else head()(method, path)

    with standing_in(answers) as address:
        found = Jobs(Dashboard(address))
        assert [found.find(name).id for name in ("tiny", "tiny-r1")] == ["tiny-r1", "tiny-r1-r1"]
        assert found._again("tiny-r1").study == "tiny"


def test_a_head_that_has_just_started_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.jobs.jobs.RETRIES", (0, 0, 0))
    asked: list[str] = []
    jobs: list[dict[str, object]] = []

    def answers(method: str, path: str) -> tuple[int, bytes]:
        if method == "POST":
            asked.append(path)
            if len(asked) < 3:
                return 500, b"No available agent to submit job, please try again later."
            details = {"type": "SUBMISSION", "submission_id": "tiny-r1", "status": "PENDING", "entrypoint": "true"}
            jobs.append({**details, "metadata": {"nemo.study": "tiny"}})
            return 200, json.dumps({"job_id": "tiny-r1", "submission_id": "tiny-r1"}).encode()
        return (200, json.dumps(jobs).encode()) if path == "/api/jobs/" else head()(method, path)

    with standing_in(answers) as address:
        assert Jobs(Dashboard(address)).submit("tiny", "true", {}).id == "tiny-r1"
    assert asked == ["/api/jobs/"] * 3


def test_a_head_that_takes_no_job_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.jobs.jobs.RETRIES", (0, 0))

    def answers(method: str, path: str) -> tuple[int, bytes]:
        return (500, b"No available agent to submit job") if method == "POST" else head()(method, path)

    with standing_in(answers) as address, pytest.raises(UserError, match="the head takes no job yet"):
        Jobs(Dashboard(address)).submit("tiny", "true", {})
