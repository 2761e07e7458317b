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


def health(told: Object) -> tuple[str, str]:
    """Health status and message of an object, as Argo CD computes them."""
    found = _CHECK(_LUA.table_from(told, recursive=True))
    return str(found.status), str(found.message)


def written(seen: ObservedObject, decision: ReconcileDecision, kind: str = "Migration") -> Object:
    """An object as the operator writes it."""
    told = [c.model_dump(mode="json", by_alias=True) for c in conditions(seen, decision)]
    status = {"observedGeneration": seen.generation, "phase": decision.phase, "conditions": told}
    return {"kind": kind, "metadata": {"name": "shop", "generation": seen.generation}, "status": status}
