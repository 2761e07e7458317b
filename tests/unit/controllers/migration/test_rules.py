"""The rules of a Migration: what is decided from what is seen, and that it settles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.controllers.decision import conditions
from landfall.controllers.migration.rules import RULES, decide
from tests.support.decisions import ROWS
from tests.support.migrations import (
    NOW,
    PLANNED,
)


@pytest.mark.parametrize("row", ROWS)
def test_what_is_decided(row: str) -> None:
    observed, phase, reason, verb = ROWS[row]
    decision = decide(observed)
    assert (decision.phase, decision.ready[1], decision.action.log_name if decision.action else None) == (phase, reason, verb), (
        decision
    )


def test_the_order_of_the_rules() -> None:
    names = [rule.__name__ for rule in RULES]
    assert names.index("being_deleted") == 0
    assert names.index("finalizer_missing") < names.index("run_missing") < names.index("plan_missing")
    assert names.index("cancelling_or_rolling_back") < names.index("completed") < names.index("paused") < names.index("closed")
    assert names.index("closed") < names.index("resumable") < names.index("worker_active")
    assert names.index("worker_active") < names.index("plan_missing") < names.index("approval_missing")


def test_a_condition_keeps_its_time_while_it_holds() -> None:
    first = conditions(PLANNED, decide(PLANNED))
    later = replace(PLANNED, now=NOW.replace(year=2027), conditions=first)
    assert [c.last_transition_time for c in conditions(later, decide(later))] == [NOW] * len(first)
