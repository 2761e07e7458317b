"""The annotation that asks for something once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.api.annotations import Request, requested
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration.rules import decide
from landfall.controllers.migration.rules_requests import handled
from tests.support.migrations import RUNNING, started


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("again", "Invalid JSON"),
        ('{"id": "1"}', "verb"),
        ('{"id": "1", "verb": "dance"}', "verb"),
        ('{"id": "1", "verb": "plan", "x": 1}', "x"),
    ],
)
def test_an_annotation_that_is_no_request_says_what_one_looks_like(text: str, told: str) -> None:
    found, problem = requested(text)
    assert found is None
    assert told in problem
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
