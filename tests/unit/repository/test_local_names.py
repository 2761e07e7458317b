"""Names of functions, parameters and local variables say what they hold. This list of words says nothing, and its use only goes down.

`left` counts only where there is no `right` beside it: as an operand it has its usual meaning.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_WORDS = frozenset(
    [
        "asked",
        "begun",
        "done",
        "found",
        "given",
        "gone",
        "heard",
        "held",
        "here",
        "kept",
        "known",
        "left",
        "lost",
        "made",
        "meant",
        "mine",
        "of",
        "one",
        "ours",
        "own",
        "said",
        "seen",
        "sent",
        "shown",
        "spent",
        "taken",
        "theirs",
        "there",
        "told",
        "wanted",
        "what",
        "who",
        "whose",
        "why",
    ]
)
# How often each folder still uses them. Lower a number when you rename; never raise one. The slack lets two changes land at once.
_SLACK = 8
_LIMITS = {
    "landfall/cli": 2,
    "landfall/controllers": 2,
    "landfall/controllers/deployment": 3,
    "landfall/controllers/migration": 3,
    "landfall/engine": 1,
    "landfall/engine/clients": 9,
    "landfall/engine/copy": 2,
    "landfall/engine/model": 5,
    "landfall/engine/planning": 21,
    "landfall/engine/prepare": 1,
    "landfall/engine/run": 1,
    "landfall/engine/sources": 21,
    "landfall/engine/targets": 6,
    "landfall/gateway": 1,
    "landfall/handlers": 1,
    "landfall/providers": 1,
    "landfall/worker": 1,
    "tests/api_server": 7,
    "tests/bench": 8,
    "tests/cluster": 24,
    "tests/conformance": 25,
    "tests/integration": 68,
    "tests/support": 7,
    "tests/unit": 30,
}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a node binds: of a function, a parameter, a variable, a caught error or a captured pattern."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name


def private_names(source: str) -> list[str]:
    """Uses of the words in a module. Fields of classes are left out: they may be a part of a public format."""
    tree = ast.parse(source)
    fields = {id(part) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for part in _targets(node)}
    names = [name.strip("_") for node in ast.walk(tree) if id(node) not in fields for name in _bound(node)]
    operands = sum(_operands(node) for node in ast.walk(tree) if isinstance(node, _Function))
    counts = Counter(name for name in names if name in _WORDS)
    counts["left"] -= min(operands, counts["left"])
    return sorted(counts.elements())


def _targets(node: ast.ClassDef) -> Iterator[ast.AST]:
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign):
            yield statement.target
        elif isinstance(statement, ast.Assign):
            yield from statement.targets


def _operands(function: _Function) -> int:
    """How often a function binds `left`, if it binds `right` as well."""
    names = [name for node in ast.walk(function) for name in _bound(node)]
    return names.count("left") if "right" in names else 0


def _folders() -> dict[str, list[Path]]:
    """The modules of each folder of the product, and of each tier of the tests."""
    folders: dict[str, list[Path]] = {}
    for root, depth in (("operator/landfall", 2), ("tests", 1)):
        for module in sorted((_ROOT / root).rglob("*.py")):
            parts = module.relative_to(_ROOT / root).parent.parts[:depth]
            folders.setdefault("/".join([root.removeprefix("operator/"), *parts]), []).append(module)
    return folders


_MODULES = _folders()


@pytest.mark.parametrize("folder", sorted(_MODULES))
def test_no_folder_uses_more_names_that_say_nothing(folder: str) -> None:
    uses = {str(m.relative_to(_ROOT)): private_names(m.read_text(encoding="utf-8")) for m in _MODULES[folder]}
    count, limit = sum(map(len, uses.values())), _LIMITS.get(folder, 0) + _SLACK
    listed = {name: words for name, words in uses.items() if words}
    assert count <= limit, f"{folder} has {count} such names, and {limit} are allowed. Name what they hold: {listed}"


def test_only_folders_that_exist_have_a_limit() -> None:
    assert set(_LIMITS) <= set(_MODULES)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("def told(asked, *, rows): found = rows", ["asked", "found", "told"], id="function, parameter, variable"),
        pytest.param("for one in rows: pass", ["one"], id="loop"),
        pytest.param("rows = [seen for seen in lines]", ["seen"], id="comprehension"),
        pytest.param("def f(left, right): pass", [], id="operands"),
        pytest.param("def f(left): pass", ["left"], id="no operand"),
        pytest.param("class A:\n    told: str = ''\n    def f(self): self._held = 1", [], id="fields"),
        pytest.param("def _found(): pass", ["found"], id="private function"),
        pytest.param("match x:\n    case Plan() as made: pass", ["made"], id="pattern"),
        pytest.param("found.append(told)", [], id="uses alone"),
    ],
)
def test_what_is_counted(source: str, words: list[str]) -> None:
    assert private_names(source) == words
