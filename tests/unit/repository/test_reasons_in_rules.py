"""Nothing branches on a reason or on the text of a phase: a word for people may change, and what depends on it is an enum or a field."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import landfall
from landfall.lifecycle import Phase

_PRODUCT = Path(landfall.__file__).parent
_ROOMS = ("controllers", "handlers", "gateway", "cli", "intake", "worker", "notifications")
_FILES = sorted(file for room in _ROOMS for file in (_PRODUCT / room).rglob("*.py"))
# Where words of others are read into typed values, and why.
_WITH_TEXTS = {
    "controllers/deployment/pod_diagnosis.py": "reasons of Kubernetes",
    "cli/logs.py": "phases of pods",
    "gateway/views/app.py": "its own four statuses, a Literal that mypy checks",
}


def _names(node: ast.expr) -> set[str]:
    """The attributes, names and keys in an expression."""
    names = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            names.add(part.attr)
        elif isinstance(part, ast.Name):
            names.add(part.id)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            names.add(part.value)
    return names


def _compared(tree: ast.AST) -> list[tuple[int, set[str], list[ast.expr]]]:
    """Every comparison as (line, names on its left, what it is compared with)."""
    comparisons = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    return [(node.lineno, _names(node.left), node.comparators) for node in comparisons]


def _is_text(node: ast.expr) -> bool:
    texts = node.elts if isinstance(node, ast.Tuple | ast.Set) else [node]
    return any(isinstance(element, ast.Constant) and isinstance(element.value, str) and element.value for element in texts)


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_PRODUCT)))
def test_no_branch_on_a_reason_or_a_phase_string(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    words = {"reason", "phase", "status_of"}
    wrong = [line for line, left_names, right in _compared(tree) if words & left_names and any(map(_is_text, right))]
    assert (wrong != []) == (str(file.relative_to(_PRODUCT)) in _WITH_TEXTS), f"{file}: lines {wrong} compare with text"


def test_a_phase_reads_as_it_is_written() -> None:
    assert f"{Phase.PLAN_READY}" == str(Phase.PLAN_READY) == "PlanReady"
