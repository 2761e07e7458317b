"""The states of a run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from landfall.ledger_states import ORDER, State, may_follow

STATES = st.sampled_from(list(State))


@given(STATES, STATES)
def test_a_run_only_moves_on_or_ends(now: State, then: State) -> None:
    if not may_follow(now, then):
        return
    assert not now.ended
    assert then.ended or ORDER.index(then) == ORDER.index(now) + 1


def test_a_cutover_is_rolled_back_and_never_cancelled() -> None:
    assert may_follow(State.CUT_OVER, State.ROLLED_BACK)
    assert not may_follow(State.CUT_OVER, State.CANCELLED)
    assert not may_follow(State.COPYING, State.ROLLED_BACK)
