"""What Flux and Helm make of our objects, by their own libraries: the same states as Argo CD's, on every one that is decided on."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import yaml

from landfall.controllers.migration.rules import decide
from tests.cluster import programs
from tests.support.argo import ARGO, CASES, Object, as_operator_writes, health
from tests.support.decisions import ROWS

# A wait is in progress for them: whoever waits for it says so with `kubectl wait` or a health expression.
_SAME = {"Healthy": "Current", "Progressing": "InProgress", "Suspended": "InProgress", "Degraded": "Failed"}
_APPS = {"live": "Current", "waits_for_data": "Current", "bad_commit": "Failed"}
_ROOT = Path(__file__).parents[2]


def _computed(objects: list[Object], *expressions: Path) -> list[str]:
    lines = "".join(f"{json.dumps({'apiVersion': 'landfall.dev/v1alpha1', **raw})}\n" for raw in objects)
    result = subprocess.run(
        [str(programs.kstatus()), *map(str, expressions)], input=lines, capture_output=True, text=True, check=True
    )
    return result.stdout.split()


def test_every_state_of_a_migration_is_what_argo_shows() -> None:
    states = [replace(row[0], generation=3, deleting=False) for row in ROWS.values()]
    objects = [as_operator_writes(observed, decide(observed)) for observed in states]
    expected = [_SAME[health(observed)[0]] for observed in objects]
    assert dict(zip(ROWS, _computed(objects), strict=True)) == dict(zip(ROWS, expected, strict=True))


def test_so_is_every_object_of_its_layout() -> None:
    documents = [(case, yaml.safe_load((ARGO / case["inputPath"]).read_text(encoding="utf-8"))) for case in CASES]
    documents = [
        (case, document) for case, document in documents if document["kind"] not in {"Run", "Release"}
    ]  # records, which nobody waits for
    expected = [_SAME[case["healthStatus"]["status"]] for case, _ in documents]
    assert _computed([document for _, document in documents]) == expected


def test_flux_s_health_expressions_take_a_wait_as_reached(tmp_path: Path) -> None:
    """Those of the example, which are those of the guide, in Flux's own evaluator."""
    documents = yaml.safe_load_all((_ROOT / "examples" / "gitops" / "flux.yaml").read_text(encoding="utf-8"))
    expressions = next(item["spec"]["healthCheckExprs"] for item in documents if item["kind"] == "Kustomization")
    blocks = re.findall(r"```yaml\n(.*?)```", (_ROOT / "docs" / "gitops.md").read_text(encoding="utf-8"), re.DOTALL)
    assert {"healthCheckExprs": expressions} in [yaml.safe_load(block) for block in blocks]
    (tmp_path / "expressions.json").write_text(json.dumps(expressions), encoding="utf-8")

    states = [replace(row[0], generation=3, deleting=False) for row in ROWS.values()]
    objects = [as_operator_writes(item, decide(item)) for item in states]
    fresh = {"kind": "Migration", "metadata": {"name": "shop", "generation": 1}, "spec": {}}
    seen_first = {**fresh, "status": {"observedGeneration": 1}}
    stale = {**objects[0], "metadata": {**objects[0]["metadata"], "generation": 4}}
    expected = [{**_SAME, "Suspended": "Current"}[health(item)[0]] for item in objects]
    assert {"Current", "InProgress", "Failed"} == set(expected)
    apps = [yaml.safe_load((ARGO / "testdata" / f"deployment_{name}.yaml").read_text(encoding="utf-8")) for name in _APPS]
    statuses = _computed([*objects, fresh, seen_first, stale, *apps], tmp_path / "expressions.json")
    assert dict(zip([*ROWS, "fresh", "seen first", "stale", *_APPS], statuses, strict=True)) == {
        **dict(zip(ROWS, expected, strict=True)),
        "fresh": "Unknown",
        "seen first": "InProgress",
        "stale": "InProgress",
        **_APPS,
    }
