"""How GitOps tools see our objects: Argo CD by its Lua, run as Argo runs it, on its own test layout and on every state that is decided on."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from landfall.controllers.decision import ObservedObject, ReconcileDecision
from landfall.controllers.migration.rules import decide
from landfall.lifecycle import Phase
from tests.support.argo import ARGO, CASES, as_operator_writes, health
from tests.support.decisions import ROWS
from tests.support.migrations import NOW


@pytest.mark.parametrize("case", CASES, ids=lambda case: Path(case["inputPath"]).stem)
def test_argo_s_own_layout(case: dict[str, Any]) -> None:
    document = yaml.safe_load((ARGO / case["inputPath"]).read_text(encoding="utf-8"))
    assert health(document) == (case["healthStatus"]["status"], case["healthStatus"]["message"])


def test_every_object_of_the_layout_is_looked_at() -> None:
    assert {f.name for f in (ARGO / "testdata").iterdir()} == {Path(case["inputPath"]).name for case in CASES}


@pytest.mark.parametrize(("ready", "working", "stalled"), [*product(("True", "False", "Unknown"), (False, True), (False, True))])
def test_each_combination_means_one_thing(ready: str, *, working: bool, stalled: bool) -> None:
    observed = ObservedObject(now=NOW, generation=3)
    document = as_operator_writes(
        observed, ReconcileDecision(Phase.RUNNING, (ready, "Reason"), "m", working=working, stalled=stalled)
    )
    expected = {"True": "Healthy", "False": "Suspended", "Unknown": "Progressing"}[ready]
    expected = "Degraded" if stalled else expected
    assert health(document) == ("Progressing" if working else expected, "m")
    document["status"]["observedGeneration"] = 2
    assert health(document)[0] == "Progressing", "what was found of an older spec"
    assert health({**document, "status": {"observedGeneration": -1}})[0] == "Progressing"
    assert health({"kind": "Migration", "metadata": {"generation": 1}})[0] == "Progressing"


@pytest.mark.parametrize("row", ROWS)
def test_every_state_of_a_migration_is_one_of_four(row: str) -> None:
    observed = replace(ROWS[row][0], generation=3)
    decision = decide(observed)
    assert not (decision.working and decision.stalled), "it works, or it needs a person"
    assert not (decision.ready[0] == "True" and (decision.working or decision.stalled)), "what is ready is at rest"
    status, message = health(as_operator_writes(observed, decision))
    assert message == decision.message
    if status == "Suspended":
        assert decision.ready[1] in {"ApprovalRequired", "WindowClosed", "Scheduled", "Deleting"}, decision
