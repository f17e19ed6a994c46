"""What a driver has running is read back on any machine, and never guessed of a damaged file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.ongoing import Ongoing, ongoing_text, read_ongoing, record_ongoing
from orchestrator.plan.step import KINDS
from orchestrator.storage import Store, layout

STEPS = st.lists(
    st.builds(Ongoing, st.sampled_from(KINDS), st.text(), st.integers(0, 99), st.none() | st.integers(1, 99)),
    max_size=20,
)


@given(STEPS)
def test_what_runs_is_told_in_one_line(steps: list[Ongoing]) -> None:
    text = ongoing_text(steps)
    assert bool(text) == bool(steps)
    trainings = [step for step in steps if step.kind == "train"]
    assert ("Trained now: " in text) >= bool(trainings)
    assert (f"and {len(trainings) - 8} more" in text) or len(trainings) <= 8


def test_it_is_read_back_as_it_was_written(store: Store) -> None:
    assert read_ongoing(store) == []
    steps = [Ongoing("train", "mwt", 3, 30), Ongoing("measure", "measure mwt"), Ongoing("reuse", "cat, dog")]
    record_ongoing(store, steps)
    assert read_ongoing(store) == steps
    store.write(layout.ONGOING, b'{"steps": [')
    assert read_ongoing(store) == []
