"""The operator's role and its code agree: what is asked of the API server anywhere in it is granted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from landfall.kube.client import PATHS
from landfall.kube.permissions import CLUSTER_GRANTS, GRANTS

_PACKAGE = Path(__file__).parents[3] / "operator" / "landfall"
_CALL = re.compile(r'(?:kube|context)\.(get|listed|every|create|created|patch|apply|delete|replace_status)\(\s*"([A-Z]\w+)"')
_VERBS = {
    "get": ("get",),
    "listed": ("list",),
    "every": ("list",),
    "create": ("create",),
    "created": ("create",),
    "patch": ("patch",),
    "apply": ("create", "patch"),
    "delete": ("delete",),
}
_ASKED = sorted(
    {
        (verb, kind)
        for room in ("controllers", "intake", "handlers")
        for file in (_PACKAGE / room).rglob("*.py")
        for verb, kind in _CALL.findall(file.read_text(encoding="utf-8"))
    }
)


def test_there_is_something_to_hold_against_it() -> None:
    assert {("patch", "Secret"), ("created", "Run"), ("replace_status", "Run"), ("listed", "Pod")} <= set(_ASKED)


@pytest.mark.parametrize(("verb", "kind"), _ASKED)
def test_what_is_asked_is_granted(verb: str, kind: str) -> None:
    path, plural = PATHS[kind]
    group = path.split("/")[2] if path.startswith("/apis/") else ""
    resource, expected = (f"{plural}/status", ("update",)) if verb == "replace_status" else (plural, _VERBS[verb])
    granted = {
        allowed_verb
        for group_name, resources, verbs in (*GRANTS, *CLUSTER_GRANTS)
        if group_name == group and resource in resources
        for allowed_verb in verbs
    }
    assert set(expected) <= granted
