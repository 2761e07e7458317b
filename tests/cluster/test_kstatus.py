"""What Flux and Helm make of our objects, by their own library: the same states as Argo CD's, on every one that is decided on."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import yaml

from landfall.core.migration.decide import decide
from tests.cluster import programs
from tests.unit.test_decide import ROWS
from tests.unit.test_gitops import ARGO, CASES, Object, health, written

# A wait is in progress for them: whoever waits for it says so with `kubectl wait` or a health expression.
_SAME = {"Healthy": "Current", "Progressing": "InProgress", "Suspended": "InProgress", "Degraded": "Failed"}


def _computed(objects: list[Object]) -> list[str]:
    lines = "".join(f"{json.dumps({'apiVersion': 'landfall.dev/v1alpha1', **one})}\n" for one in objects)
    done = subprocess.run([str(programs.kstatus())], input=lines, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_every_state_of_a_migration_is_what_argo_shows() -> None:
    seen = [replace(row[0], generation=3, deleting=False) for row in ROWS.values()]
    objects = [written(one, decide(one)) for one in seen]
    expected = [_SAME[health(one)[0]] for one in objects]
    assert dict(zip(ROWS, _computed(objects), strict=True)) == dict(zip(ROWS, expected, strict=True))


def test_so_is_every_object_of_its_layout() -> None:
    told = [(case, yaml.safe_load((ARGO / case["inputPath"]).read_text(encoding="utf-8"))) for case in CASES]
    told = [(case, one) for case, one in told if one["kind"] not in {"Run", "Release"}]  # records, which nobody waits for
    expected = [_SAME[case["healthStatus"]["status"]] for case, _ in told]
    assert _computed([one for _, one in told]) == expected
