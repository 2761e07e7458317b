"""Nothing branches on a reason or on the text of a phase: a word for people may change, and what depends on it is an enum or a field."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import landfall
from landfall.ledger_states import State
from landfall.lifecycle import Phase

_PRODUCT = Path(landfall.__file__).parent
_FILES = sorted(_PRODUCT.rglob("*.py"))
# Where words of others are read into typed values, and why.
_WITH_TEXTS = {
    "controllers/deployment/pod_diagnosis.py": "reasons of Kubernetes",
    "cli/logs.py": "phases of pods",
    "kube/errors.py": "reasons of Kubernetes",
    "gateway/views/app.py": "its own four statuses, a Literal that mypy checks",
}
_WORDS = {"reason", "phase", "status_of"}
# The words of a run's states: code that compares them uses the enum. `state` alone is a word of apps, notifications and tables, too.
_STATES = {state.value for state in State}


def _names(*nodes: ast.expr) -> set[str]:
    """The attributes, names and keys in expressions."""
    names = set()
    for part in (part for node in nodes for part in ast.walk(node)):
        if isinstance(part, ast.Attribute):
            names.add(part.attr)
        elif isinstance(part, ast.Name):
            names.add(part.id)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            names.add(part.value)
    return names


def _texts(node: ast.AST) -> set[str]:
    """The texts that something is compared with: a literal, or the members of a tuple, a list or a set."""
    elements = node.elts if isinstance(node, ast.Tuple | ast.Set | ast.List) else [node]
    return {part.value for part in elements if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value}


def _branches(tree: ast.AST) -> list[tuple[int, set[str], set[str]]]:
    """Every comparison, case of a `match` and test of the beginning of a text, as (line, names in what is tested, texts that it is tested with)."""
    branches = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            branches += [(node.lineno, _names(*(other for other in sides if other is not side)), _texts(side)) for side in sides]
        elif isinstance(node, ast.Match):
            values = [part.value for case in node.cases for part in ast.walk(case.pattern) if isinstance(part, ast.MatchValue)]
            branches += [(value.lineno, _names(node.subject), _texts(value)) for value in values]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"startswith", "endswith"}:
            branches += [(node.lineno, _names(node.func.value), _texts(argument)) for argument in node.args]
    return branches


def _wrong(text: str) -> list[int]:
    """The lines that branch on the text of a reason, a phase or a run's state."""
    branches = _branches(ast.parse(text))
    return [line for line, names, texts in branches if texts and (_WORDS & names or ("state" in names and texts & _STATES))]


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_PRODUCT)))
def test_no_branch_on_the_text_of_a_reason_a_phase_or_a_state(file: Path) -> None:
    wrong = _wrong(file.read_text(encoding="utf-8"))
    assert (wrong != []) == (str(file.relative_to(_PRODUCT)) in _WITH_TEXTS), f"{file}: lines {wrong} compare with text"


@pytest.mark.parametrize(
    "text",
    [
        "if error.reason == 'Failed': pass",
        "if 'Failed' == error.reason: pass",
        "if status['phase'] in ('Failed', 'Paused'): pass",
        "if raw.get('phase', '') not in ['Failed']: pass",
        "if failure.reason.startswith('Database'): pass",
        "if seen.state == 'cut_over': pass",
        "if seen.state in {'cancelled', 'rolled_back'}: pass",
        "match decision.phase:\n    case 'Failed' | 'Paused': pass",
    ],
)
def test_every_spelling_of_such_a_branch_is_found(text: str) -> None:
    assert _wrong(text)


def test_a_phase_reads_as_it_is_written() -> None:
    assert f"{Phase.PLAN_READY}" == str(Phase.PLAN_READY) == "PlanReady"
