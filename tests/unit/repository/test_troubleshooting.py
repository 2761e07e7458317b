"""Whatever word a condition, an error or a risk of the plan can say stands in the page of troubles, with what to do."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

from landfall.engine.model.mapping import Violation
from landfall.errors import REASONS

_ROOT = Path(__file__).parents[3]
_PAGE = (_ROOT / "docs" / "guides" / "troubles.md").read_text(encoding="utf-8")
_ROOMS = ("builds", "controllers", "engine", "notifications", "providers", "worker")
_COMPOUND = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+")
_WORD = re.compile(r"[A-Z][a-zA-Z]+")
# Words of Kubernetes, PostgreSQL and pip, our kinds, names of types and of tools that builds know, and values of our own fields: none of them is a reason.
_OTHERS = {
    *("ConfigMap", "CustomResourceDefinition", "TablePlan", "WorkingDir"),
    *("ContainerStatusUnknown", "CreateContainerConfigError", "CreateContainerError", "DeadlineExceeded", "ErrImagePull"),
    *("ImagePullBackOff", "InvalidImageName", "PodScheduled", "ReplicaFailure", "RunContainerError"),
    *("DateStyle", "IntervalStyle", "TimeZone", "EngineName", "MigrationRun"),
    *("AutoApproved", "DataOnly", "DropStaging", "NeedsReview", "NotValid", "SchemaOnly", "SetAside", "VerifyFull"),
    *("AsyncApp", "FlaskApp", "HtmlWebpack", "MkDocs"),
}


def _said(tree: ast.AST) -> set[str]:
    texts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _COMPOUND.fullmatch(node.value):
            texts.add(node.value)
        if isinstance(node, ast.Tuple) and len(node.elts) >= 2:
            first, second = (e.value if isinstance(e, ast.Constant) else None for e in node.elts[:2])
            if first in {"True", "False", "Unknown"} and isinstance(second, str):
                texts.add(second)
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if (
                name
                in {
                    "Risk",
                    "warn",
                    "_warn",
                    "add_risk",
                    "_add_risk",
                    "_working",
                    "working",
                    "stalled",
                    "_stalled",
                    "ProviderError",
                }
                and words
            ):
                texts |= {word for word in words[:2] if _WORD.fullmatch(word)}
    return texts


@functools.cache
def _trees() -> list[ast.Module]:
    files = [file for room in _ROOMS for file in (_ROOT / "operator" / "landfall" / room).rglob("*.py")]
    return [ast.parse(file.read_text(encoding="utf-8")) for file in files]


def _kinds_of_objects() -> set[str]:
    """Objects that a source names and nobody migrates; the plan spells their kinds as one word."""
    calls = [node for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    first = [c.args[0] for c in calls if isinstance(c.func, ast.Name) and c.func.id == "SourceObject"]
    kinds = [one.value for one in first if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return {"".join(word.capitalize() for word in kind.split()) for kind in kinds}


@functools.cache
def words() -> set[str]:
    """All of them."""
    unfit = (Violation.MISSING, Violation.OVERSIZED, Violation.OVERLONG, Violation.NOT_LISTED, Violation.NOT_SO_WRITTEN)
    violations = {violation.value[0].upper() + violation.value[1:] for violation in unfit}
    return violations | set(REASONS) | {word for tree in _trees() for word in _said(tree) if word} - _OTHERS


def test_every_reason_is_explained() -> None:
    assert sorted(word for word in words() if f"`{word}`" not in _PAGE) == []


def test_nothing_is_explained_that_nobody_says() -> None:
    explained = {
        word
        for line in _PAGE.splitlines()
        if line.startswith("| `")
        for word in re.findall(r"`([A-Z][a-zA-Z]+)`", line.split("|")[1])
    }
    assert len(explained) > 100
    assert sorted(explained - words() - _kinds_of_objects()) == []
