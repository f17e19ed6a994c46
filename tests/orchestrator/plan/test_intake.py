"""What a study gets to train while it runs: taken by the one that trains, or refused when nobody does any more."""

from __future__ import annotations

from orchestrator.plan.intake import Intake, More


def test_what_was_offered_last_is_taken_once() -> None:
    intake, more = Intake(), More([], [])
    assert intake.take() is None
    assert intake.offer(More([], [])) and intake.offer(more)
    assert intake.take() is more
    assert intake.take() is None


def test_it_closes_when_nothing_waits() -> None:
    intake = Intake()
    intake.offer(More([], []))
    assert not intake.close()  # that is to be trained first
    intake.postpone()
    assert not intake.close()
    assert intake.close()
    assert not intake.offer(More([], []))
    assert intake.take() is None
