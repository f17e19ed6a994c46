"""What ends a command: Ctrl-C, SIGTERM, and a terminal that is closed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from nemo.errors import UserError
from orchestrator.system.signals import interruptible, stoppable
from tests.tiny import environment

INTERRUPTIBLE = """
import sys, time
from orchestrator.system.signals import Interrupted, interruptible
try:
    with interruptible(lambda: None):
        print("ready", flush=True)
        time.sleep(float(sys.argv[1]))
except Interrupted as end:
    print("stopped by", end)
    sys.exit(end.exit_code)
"""
AS_INTERRUPTS = """
import sys, time
from orchestrator.system.signals import as_interrupts
as_interrupts()
try:
    print("ready", flush=True)
    time.sleep(float(sys.argv[1]))
except KeyboardInterrupt:
    print("stopped")
    sys.exit(130)
"""


def ended(code: str, number: int, *, ignored: bool = False) -> tuple[int, str]:
    """The exit code of a command that was sent a signal, and what it said then."""

    def start() -> None:
        # as nohup does, in which these tests may run themselves
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)

    command = [sys.executable, "-c", code, "0.1" if ignored else "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(), preexec_fn=start) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            return process.wait(60), process.stdout.read()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_ends_a_command_in_order(number: signal.Signals) -> None:
    assert ended(INTERRUPTIBLE, number) == (128 + number, f"stopped by {number.name}\n")


ENDING = """
import os, signal, sys, time
from orchestrator.system.signals import Interrupted, interruptible
number = signal.Signals[sys.argv[1]]
try:
    with interruptible(lambda: None):
        try:
            os.kill(os.getpid(), number)
            time.sleep(600)
        finally:
            os.kill(os.getpid(), number)
            print("ended in order")
except Interrupted as end:
    sys.exit(end.exit_code)
"""


def test_the_same_sigterm_twice_is_one_and_a_second_ctrl_c_ends_at_once() -> None:
    """SLURM ends all processes of a job, and the job's script passes that on to the study."""
    said = {}
    for name in ("SIGTERM", "SIGINT"):
        run = subprocess.run([sys.executable, "-c", ENDING, name], capture_output=True, text=True, env=environment())
        said[name] = (run.returncode, run.stdout)
    assert said == {"SIGTERM": (143, "ended in order\n"), "SIGINT": (130, "")}


def test_each_is_an_interrupt_where_one_is_asked_for() -> None:
    assert ended(AS_INTERRUPTS, signal.SIGHUP) == (130, "stopped\n")


@pytest.mark.parametrize("code", [INTERRUPTIBLE, AS_INTERRUPTS])
def test_nohup_goes_on_when_its_terminal_is_closed(code: str) -> None:
    assert ended(code, signal.SIGHUP, ignored=True) == (0, "")


@pytest.mark.parametrize("block", [lambda: interruptible(lambda: None), stoppable])
def test_a_study_in_another_thread_is_refused_in_one_sentence(block: Callable[[], AbstractContextManager[Any]]) -> None:
    def enter() -> None:
        with block():
            raise AssertionError

    with ThreadPoolExecutor(1) as pool, pytest.raises(UserError, match="a program's main thread"):
        pool.submit(enter).result()
