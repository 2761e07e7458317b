"""Whatever is seen of a Migration: what always holds of what is decided."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from landfall.api.run import RunFailure, RunStatus
from landfall.controllers.actions import DeleteJob
from landfall.controllers.decision import ReconcileDecision
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration.actions import AddFinalizer, CreateJob
from landfall.controllers.migration.observed import ObservedMigration
from landfall.controllers.migration.rules import decide
from tests.support.migrations import FRESH, PLAN, migration, started

_JOBS = st.builds(
    ObservedJob,
    name=st.sampled_from(["p1", "r1", "b1"]),
    verb=st.sampled_from(["plan", "run", "back", "help"]),
    attempt=st.integers(1, 12),
    inputs=st.sampled_from(["i", "other"]),
    complete=st.booleans(),
    failed=st.booleans(),
    suspended=st.booleans(),
    ended_seconds=st.floats(0, 1000),
)
_RUNS = st.builds(
    RunStatus,
    state=st.sampled_from(["", "schema", "copying", "indexing", "comparing", "cut_over", "cancelled", "rolled_back"]),
    plan=st.one_of(st.none(), st.just(PLAN), st.just(PLAN.model_copy(update={"to_review": 1}))),
    failure=st.one_of(
        st.none(),
        st.builds(
            RunFailure,
            job=st.sampled_from(["p1", "r1", "b1"]),
            reason=st.just("X"),
            message=st.just("m"),
            transient=st.booleans(),
        ),
    ),
)
_SEEN = st.builds(
    replace,
    st.just(FRESH),
    finalizer=st.booleans(),
    deleting=st.booleans(),
    hold=st.sampled_from(["", "x"]),
    missing_secrets=st.sampled_from([(), ("s",)]),
    run=st.one_of(st.none(), _RUNS),
    run_foreign=st.booleans(),
    plan_stored=st.booleans(),
    jobs=st.lists(_JOBS, max_size=4).map(tuple),
    migration=st.sampled_from([None, "Planned", "Completed", "Paused", "Cancelled", "RolledBack"]).map(
        lambda wanted: migration(desiredState=wanted) if wanted else migration()
    ),
).flatmap(lambda seen: st.sampled_from([seen, started(seen, seen.migration)]))


@given(_SEEN)
def test_it_always_answers_and_never_starts_a_second_worker(observed: ObservedMigration) -> None:
    decision = decide(observed)
    assert isinstance(decision, ReconcileDecision)
    started_verb = decision.action.verb if isinstance(decision.action, CreateJob) else ""
    helps = started_verb == "help"
    assert not started_verb or helps or observed.active is None
    assert not helps or (observed.active is not None and observed.active.verb == "run")
    assert not (decision.stalled and decision.working)
    assert started_verb != "run" or observed.started
    assert not (decision.stalled and decision.ready[0] == "True")


@given(_SEEN)
def test_nothing_outside_is_made_without_the_finalizer(observed: ObservedMigration) -> None:
    decision = decide(observed)
    assert observed.finalizer or decision.action is None or isinstance(decision.action, AddFinalizer | DeleteJob)
