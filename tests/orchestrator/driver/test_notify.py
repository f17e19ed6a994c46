"""Who is told of a study: through a real server of HTTP and one of mail, and never at the study's cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from pydantic import ValidationError

from nemo.errors import UserError
from orchestrator.driver.limits import LimitReached
from orchestrator.driver.notify import Notifier
from orchestrator.driver.run import run_study
from orchestrator.execution.context import Event
from orchestrator.study.data import describe
from orchestrator.study.study import Study
from orchestrator.system.ports import free_ports
from orchestrator.system.signals import Interrupted
from tests import tiny
from tests.hook import http, texts
from tests.orchestrator.instant import drive
from tests.orchestrator.invented import STUDY

FIELDS = yaml.safe_load(STUDY)


def study(**notify: Any) -> Study:
    return Study.model_validate({**FIELDS, "notify": notify})


def test_an_address_in_a_study_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"should be the name of a variable, such as \$NEMO_NOTIFY"):
        study(to=["json://user:secret@127.0.0.1"])


def test_a_study_that_names_nobody_tells_nobody_and_needs_no_apprise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    notifier = Notifier(Study.model_validate(FIELDS))
    with notifier.of_run(lambda: "finished"):
        notifier.tell("failure", "nobody hears it")


def test_without_apprise_one_sentence_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setenv("NEMO_NOTIFY", "json://127.0.0.1")
    with pytest.raises(UserError, match=r"^notify.to\[0\]: .* pip install 'nemo-orchestrator\[notify\]'"):
        run_study(describe(study()), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()  # before anything starts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", r"\$NEMO_NOTIFY is not set in the environment"),
        ("nonsense://secret", r"what \$NEMO_NOTIFY holds is no address"),
        ("json://127.0.0.1 nonsense://secret", r"address 2 in \$NEMO_NOTIFY is no address"),
    ],
)
def test_a_variable_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, text: str) -> None:
    monkeypatch.setenv("NEMO_NOTIFY", value)
    with pytest.raises(UserError, match=text) as refused:
        Notifier(study())
    assert "secret" not in str(refused.value)


def test_the_end_and_the_first_failure_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def two_fail(steps: Any, searches: Any, ledger: Any, on_event: Any, drain: Any) -> None:
        for step in steps[:2]:
            ledger.fail(step, "postgresql://me:secret@db is away")
            on_event(Event("failed", step, reason="postgresql://me:secret@db is away"))

    with http() as (address, received):
        monkeypatch.setenv("NEMO_NOTIFY", address)
        notifier = Notifier(study())
        with notifier.of_run(lambda: "failed"):
            monkeypatch.setattr("orchestrator.driver.driver.Notifier", lambda study: notifier)
            drive(study(), tmp_path / "invented", two_fail)
    assert len(received) == 2
    assert "failed: postgresql://***@db is away; the others go on" in texts(received)[0]
    assert texts(received)[1].startswith("ended, and nothing is left but what failed")
    assert received[0]["title"] == "nemo: invented"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (None, ["finished: every step has its result"]),
        (Interrupted(2), []),
        (Interrupted(15), ["stopped by SIGTERM; nemo run carries on"]),
        (UserError("runs: is full."), ["stopped: runs: is full."]),
        (LimitReached("limits.hours (8 of 8)", []), ["stopped by limits.hours (8 of 8) with only steps yet unknown"]),
    ],
    ids=["finished", "SIGINT", "SIGTERM", "an error", "a limit"],
)
def test_how_a_run_ends_is_told(monkeypatch: pytest.MonkeyPatch, end: BaseException | None, told: list[str]) -> None:
    with http() as (address, received):
        monkeypatch.setenv("NEMO_NOTIFY", address)
        try:
            with Notifier(study()).of_run(lambda: "finished"):
                if end is not None:
                    raise end
        except BaseException as error:
            assert error is end
    assert len(received) == len(told)
    assert all(text.startswith(beginning) for text, beginning in zip(texts(received), told, strict=True))


def test_other_occasions_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with http() as (address, received):
        monkeypatch.setenv("NEMO_NOTIFY", address)
        notifier = Notifier(study(on=["silence"]))
        with notifier.of_run(lambda: "finished"):
            notifier.tell("silence", "no news for 60 s")
            notifier.tell("silence", "no news for 120 s")
    assert texts(received) == ["no news for 60 s", "no news for 120 s"]


def test_a_mail_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    mails = []

    class Inbox(Message):
        def handle_message(self, message: Any) -> None:
            mails.append(message)

    server = Controller(Inbox(), hostname="127.0.0.1", port=free_ports(1)[0])
    server.start()
    try:
        address = f"mailto://127.0.0.1:{server.port}?from=nemo@example.org&to=me@example.org&mode=insecure"
        monkeypatch.setenv("MY_MAIL", address)
        with Notifier(study(to=["$MY_MAIL"])).of_run(lambda: "finished"):
            pass
    finally:
        server.stop()
    (mail,) = mails
    assert mail["Subject"] == "nemo: invented"
    body = "".join(str(part.get_payload(decode=True)) for part in mail.walk() if not part.is_multipart())
    assert "every step has its result" in body


def test_a_message_that_cannot_be_sent_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with http() as (address, received):
        monkeypatch.setenv("NEMO_NOTIFY", f"json://me:secret@127.0.0.1:{free_ports(1)[0]}")  # where nobody listens
        monkeypatch.setenv("OTHER", address)
        with Notifier(study(to=["$NEMO_NOTIFY", "$OTHER"])).of_run(lambda: "finished"):
            pass
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["notify: $NEMO_NOTIFY could not be told of the end; the study is none the worse"]
    assert len(received) == 1


@pytest.mark.ray
@pytest.mark.slow
def test_a_real_study_tells_of_its_end(tmp_path: Path) -> None:
    with http() as (address, received):
        file = tiny.write_study(tmp_path, sweep=None, subtasks=None, methods={"standard": {}}, notify={"on": ["end"]})
        words = tiny.command("run", file, "--storage", tmp_path / "runs")
        environment = {**tiny.environment(), "NEMO_NOTIFY": address}
        ended = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=500)
    assert ended.returncode == 0, ended.stderr
    assert texts(received) == ["finished: every step has its result"]
