"""No rule branches on a reason: a word for people may change, and what depends on it is a phase or a field of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import landfall.controllers
from landfall.lifecycle import Phase

_ROOM = Path(landfall.controllers.__file__).parent
_FILES = sorted([*_ROOM.rglob("*.py"), _ROOM.parent / "handlers" / "uninstall.py"])
# Where words of Kubernetes, and another object's condition, are read into typed values.
_READ_AT_THE_BORDER = {"app_deployment.py", "pod_diagnosis.py"}


def _names(node: ast.expr) -> set[str]:
    """The attributes, names and keys in an expression."""
    found = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute):
            found.add(one.attr)
        elif isinstance(one, ast.Name):
            found.add(one.id)
        elif isinstance(one, ast.Constant) and isinstance(one.value, str):
            found.add(one.value)
    return found


def _compared(tree: ast.AST) -> list[tuple[int, set[str], list[ast.expr]]]:
    """Every comparison as (line, names on its left, what it is compared with)."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    return [(node.lineno, _names(node.left), node.comparators) for node in found]


def _is_text(node: ast.expr) -> bool:
    texts = node.elts if isinstance(node, ast.Tuple | ast.Set) else [node]
    return any(isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value for one in texts)


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_ROOM.parent)))
def test_no_branch_on_a_reason_or_a_phase_string(file: Path) -> None:
    if file.name in _READ_AT_THE_BORDER:
        return
    tree = ast.parse(file.read_text(encoding="utf-8"))
    wrong = [line for line, left, right in _compared(tree) if {"reason", "phase"} & left and any(map(_is_text, right))]
    assert wrong == [], f"{file}: lines {wrong} compare a reason or a phase with text"


def test_a_phase_reads_as_it_is_written() -> None:
    assert f"{Phase.PLAN_READY}" == str(Phase.PLAN_READY) == "PlanReady"
