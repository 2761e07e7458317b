"""Argo CD's health of an object, by its own Lua as Argo CD runs it, and objects as the operator writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from lupa.lua51 import LuaRuntime

from landfall.controllers.decision import ObservedObject, ReconcileDecision, conditions

ARGO = Path(__file__).parents[2] / "gitops" / "argocd" / "resource_customizations" / "landfall.dev" / "_"
CASES = yaml.safe_load((ARGO / "health_test.yaml").read_text(encoding="utf-8"))["tests"]
_LUA = LuaRuntime(register_eval=False, register_builtins=False)
_CHECK = _LUA.eval(f"function(told) obj = told\n{(ARGO / 'health.lua').read_text(encoding='utf-8')}\nend")
Object = dict[str, Any]


def health(document: Object) -> tuple[str, str]:
    """Health status and message of an object, as Argo CD computes them."""
    status = _CHECK(_LUA.table_from(document, recursive=True))
    return str(status.status), str(status.message)


def as_operator_writes(observed: ObservedObject, decision: ReconcileDecision, kind: str = "Migration") -> Object:
    """An object as the operator writes it."""
    condition_documents = [c.model_dump(mode="json", by_alias=True) for c in conditions(observed, decision)]
    status = {"observedGeneration": observed.generation, "phase": decision.phase, "conditions": condition_documents}
    return {"kind": kind, "metadata": {"name": "shop", "generation": observed.generation}, "status": status}
