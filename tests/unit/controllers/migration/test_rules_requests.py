"""The annotation that asks for something once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.api.annotations import Request, requested
from landfall.api.migration import Migration
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration.observed import ObservedMigration
from landfall.controllers.migration.rules import decide
from landfall.controllers.migration.rules_requests import handled
from tests.support.migrations import NOW, PLANNED, RUNNING, started


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("again", "Invalid JSON"),
        ('{"id": "1"}', "verb"),
        ('{"id": "1", "verb": "dance"}', "verb"),
        ('{"id": "1", "verb": "plan", "x": 1}', "x"),
    ],
)
def test_an_annotation_that_is_no_request_says_what_one_looks_like(text: str, words: str) -> None:
    request, problem = requested(text)
    assert request is None
    assert words in problem
    assert '"verb": "rehearse"' in problem


def test_a_start_from_what_is_not_proven_is_refused_and_stays_pending() -> None:
    """Not even a paused run goes on before the request is corrected; one that works is not disturbed."""
    job = ObservedJob("shop-1-run-1", "run", 1, "i", suspended=True)
    paused = started(replace(RUNNING, jobs=(*RUNNING.jobs[:-1], job)))
    far = replace(paused, request=Request.model_validate({"id": "9", "verb": "start", "from": "validation"}))
    assert decide(far).ready[1] == "RequestRefused"
    assert decide(far).action is None
    assert handled(far) == ""
    near = replace(paused, request=Request.model_validate({"id": "9", "verb": "start", "from": "data_transfer"}))
    assert decide(near).action is not None
    assert handled(near) == "9"
    working = replace(far, jobs=RUNNING.jobs)
    assert decide(working).ready[1] != "RequestRefused"
    assert handled(working) == "9"


def test_a_plan_asked_for_after_the_run_has_begun_does_not_stay_pending() -> None:
    """The ledger holds the plan then; a request that stays pending would keep others from being made."""
    request = Request.model_validate({"id": "9", "verb": "plan"})
    assert handled(replace(started(RUNNING), inputs="anew", request=request)) == "9"
    assert handled(replace(PLANNED, inputs="anew", request=request)) == ""


@pytest.mark.parametrize("fields", [{"verb": "plan"}, {"verb": "rehearse"}, {"verb": "start", "from": "data_transfer"}])
def test_a_request_to_a_migration_of_an_app_alone_does_not_stay_pending(fields: dict[str, str]) -> None:
    alone = Migration.model_validate({"metadata": {"name": "shop"}, "spec": {"app": {"deploymentRef": {"name": "shop"}}}})
    observed = ObservedMigration(now=NOW, generation=1, migration=alone, request=Request.model_validate({"id": "9", **fields}))
    assert handled(observed) == "9"
