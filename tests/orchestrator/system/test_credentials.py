"""A secret comes from the environment, and is neither shown nor kept anywhere."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.cli import main
from orchestrator.study.file import load_study_file
from orchestrator.system.credentials import masked
from orchestrator.tracking.tracking import Tracking
from tests import tiny

SECRET = "s3cr3t"
WITH_PASSWORD = [
    f"http://user:{SECRET}@127.0.0.1:5000",
    f"https://{SECRET}@mlflow.example.org/path",
    f"http://127.0.0.1:5000?api_token={SECRET}",
    f"http://user:a/b@{SECRET}@127.0.0.1",
    f"postgresql://user:{SECRET}@127.0.0.1/mlflow",
    f"postgresql+psycopg://user:a/{SECRET}@127.0.0.1/mlflow",
    f"postgresql://127.0.0.1/mlflow?user=me&password={SECRET}",
]
WITHOUT = [
    "http://127.0.0.1:5000",
    "sqlite:////home/me@work/a:b@c.db",
    "postgresql://user@127.0.0.1/mlflow?sslmode=require",
    "postgresql:///mlflow",
]


@pytest.mark.parametrize("uri", WITH_PASSWORD)
def test_masked_says_no_secret(uri: str) -> None:
    for text in (uri, f"API request to {uri}/api failed, says {uri!r}"):
        assert SECRET not in masked(text)
        assert "***" in masked(text)
        assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text", [*WITHOUT[:2], "a sentence, with me@example.org: and more", "tracking.uri: it is wrong"]
)
def test_masked_leaves_what_is_no_secret(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize("uri", WITH_PASSWORD)
def test_a_study_file_with_a_password_is_refused(uri: str, tmp_path: Path) -> None:
    study = tiny.write_study(tmp_path, tracking={"uri": uri})
    with pytest.raises(UserError) as refused:
        load_study_file(study)
    assert f"{study}:" in str(refused.value) and "tracking.uri: holds a password" in str(refused.value)
    assert "MLFLOW_TRACKING_PASSWORD in the environment" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("uri", WITHOUT)
def test_a_study_file_without_one_is_not(uri: str, tmp_path: Path) -> None:
    assert load_study_file(tiny.write_study(tmp_path, tracking={"uri": uri})).tracking.uri == uri


@pytest.mark.parametrize("setting", ["tracking.uri=", "tracking=", "tracking.url=", ""])
def test_an_override_with_a_password_is_not_repeated(
    setting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tiny.write_study(tmp_path)
    monkeypatch.setattr(sys, "argv", ["nemo", "plan", str(study), "--set", setting + WITH_PASSWORD[0]])
    with pytest.raises(SystemExit) as refused:
        main()
    shown = capsys.readouterr()
    assert refused.value.code == 2
    assert SECRET not in shown.out + shown.err
    assert "***@127.0.0.1:5000" in shown.err


def test_tracking_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "orchestrator"):
        Tracking(f"http://user:{SECRET}@127.0.0.1:1", None, "any")
    assert "MLflow at http://***@127.0.0.1:1 cannot be written" in caplog.text
    with pytest.raises(UserError) as refused:
        Tracking(f"http://user:{SECRET}@127.0.0.1:99999", None, "any")
    assert "***@127.0.0.1:99999" in str(refused.value)
    assert SECRET not in caplog.text + str(refused.value)


@pytest.mark.browser
def test_the_page_tells_no_secret(tmp_path: Path) -> None:
    refused = tiny.nemo("ui", "--storage", tmp_path, "--uri", f"bogus://user:{SECRET}@127.0.0.1/x")
    assert refused.returncode == 2
    assert "unsupported URI 'bogus://***@127.0.0.1/x'" in refused.stderr
    assert SECRET not in refused.stderr


@pytest.mark.heavy
def test_nothing_is_unpickled_from_mlflow_unless_somebody_asks_for_it() -> None:
    script = "import orchestrator.tracking.tracking as _; from mlflow.environment_variables import "
    script += "MLFLOW_ALLOW_PICKLE_DESERIALIZATION as flag; print(flag.get())"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
