"""A public class name of the product means one thing: it is defined once, or the list here says why not."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

_PRODUCT = Path(__file__).parents[3] / "operator" / "landfall"

# The same concept in two layers, each with its own type: why.
SAME_CONCEPT: dict[str, str] = {
    "AppDatabase": "an app's database, in the spec and in a response of the gateway",
    "Dials": "live settings of a run, in the protocol of workers and in the engine",
    "Pagination": "the position in a list, in the gateway's code and in its responses",
    "Progress": "the progress of a run, in reports and in responses of the gateway",
    "Risk": "a risk of a plan, in the engine and in a status",
    "TablePlan": "the plan of a table, in the engine and as a kind",
}


def _definitions() -> dict[str, set[str]]:
    """The modules that define each public class, by its name."""
    definitions: dict[str, set[str]] = defaultdict(set)
    for file in _PRODUCT.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                definitions[node.name].add(str(file.relative_to(_PRODUCT)))
    return definitions


def _repeated() -> set[str]:
    return {name for name, modules in _definitions().items() if len(modules) > 1}


def test_a_class_name_means_one_thing() -> None:
    assert sorted(_repeated() - SAME_CONCEPT.keys()) == []


def test_the_list_has_only_names_that_are_repeated() -> None:
    assert sorted(SAME_CONCEPT.keys() - _repeated()) == []
