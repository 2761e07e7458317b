"""The pictures of docs/contribute/architecture.md against the source tree and the import contracts."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from landfall.builds.frameworks.registry import NAMES as FRAMEWORKS
from landfall.builds.languages.registry import KNOWN as LANGUAGES
from landfall.ledger_states import WORK
from landfall.lifecycle import Phase

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "operator" / "landfall"
PAGE = (ROOT / "docs" / "contribute" / "architecture.md").read_text(encoding="utf-8")
_CONTRACTS = {
    contract["containers"][0]: contract["layers"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    if contract["type"] == "layers"
}


def _picture(container: str) -> list[set[str]]:
    picture = re.search(rf"```text\n{re.escape(container)}\n(.*?)```", PAGE, re.DOTALL)
    assert picture, f"no picture of {container}"
    return [set(line[2:44].split("   ")[0].split()) for line in picture.group(1).splitlines()]


@pytest.mark.parametrize("container", sorted(_CONTRACTS))
def test_a_picture_has_the_layers_of_the_import_contract(container: str) -> None:
    assert _picture(container) == [set(layer.split(" | ")) for layer in _CONTRACTS[container]]


@pytest.mark.parametrize(("container", "ignored"), [("landfall", {"__main__"}), ("landfall.engine", {"errors"})])
def test_a_picture_has_every_package(container: str, ignored: set[str]) -> None:
    folder = PACKAGE.joinpath(*container.split(".")[1:])
    modules = {p.stem for p in folder.glob("*.py")} | {p.parent.name for p in folder.glob("*/__init__.py")}
    assert set().union(*_picture(container)) == modules - {"__init__"} - ignored


def test_named_modules_exist() -> None:
    modules = re.findall(r"`landfall/([a-z_/]+\.py)`", PAGE)
    assert modules
    assert [name for name in modules if not (PACKAGE / name).exists()] == []


# -- extensions -------------------------------------------------------------------------------------------------------

_TREES = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
_GENERATED = {"api/source_types.py"}
_ENGINES = ("mysql", "postgresql", "sqlite")


def _words(tree: ast.Module) -> set[str]:
    """What a module names: its texts, the modules and names that it imports, and the members of enums as `Enum.MEMBER`."""
    words: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
        elif isinstance(node, ast.ImportFrom):
            words |= {*(node.module or "").split("."), *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            words.add(f"{node.value.id}.{node.attr}")
    return words


_NAMED = {name: _words(tree) for name, tree in _TREES.items()}


def _naming(word: str) -> set[str]:
    """The modules that name a member, in upper or lower case."""
    return {name for name, words in _NAMED.items() if {word, word.lower()} & (words | {w.lower() for w in words})}


def _naming_all(words: tuple[str, ...], of_one: str) -> set[str]:
    """The modules that name every member of a kind. `of_one`: a pattern of the modules of one member, which are new."""
    return {name for name in set.intersection(*map(_naming, words)) if not re.match(of_one, name)} - _GENERATED


def _row(start: str) -> tuple[int, str]:
    """The number of edited files of an extension, and what the row says of them."""
    row = re.search(rf"^\| {re.escape(start)} \|.*\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert row, f"no row for {start}"
    return int(row[1]), row[2]


def _has(start: str, files: set[str]) -> None:
    """A row has this number, and names these files."""
    number, where = _row(start)
    assert number == len(files), files
    assert [file for file in files if f"`{file}`" not in where] == []


def test_files_that_a_source_engine_touches() -> None:
    registry = _naming_all(_ENGINES, r"engine/(sources|targets)/\w+/")
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"landfall.engine.sources.{engine}.engine:" in declared for engine in _ENGINES)
    _has("a source engine in this repository", {*registry, "pyproject.toml"})


def test_files_that_a_target_engine_touches() -> None:
    prefix = "landfall.engine.targets.postgresql."
    places = {name for name, words in _NAMED.items() if any(word.startswith(prefix) for word in words)}
    places = {name for name in places if not name.startswith("engine/targets/postgresql/")}
    assert prefix in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    _has("a target engine in this repository", {*places, "pyproject.toml"})


def test_files_that_a_framework_touches() -> None:
    """The table of its language's frameworks is another file for each language."""
    common = _naming_all(tuple(FRAMEWORKS), r"builds/frameworks/(?!registry)")
    number, where = _row("a framework of a known language")
    assert number == len(common) + 1
    assert common == {"api/deployment.py"}
    assert where == "`builds/frameworks/<language>.py`, `api/deployment.py`"


def test_files_that_a_language_touches() -> None:
    files = _naming_all(tuple(LANGUAGES), r"builds/(frameworks|languages)/(?!registry)")
    _, where = _row("a language")
    both = {name for name in files if name.endswith("/registry.py")}
    assert both == {"builds/frameworks/registry.py", "builds/languages/registry.py"}
    assert where.startswith("the two registries, ")
    assert [name for name in files - both if f"`{name}`" not in where] == []
    assert _row("a language")[0] == len(files)


def test_files_that_a_phase_touches() -> None:
    named = {phase: {name for name, words in _NAMED.items() if f"Phase.{phase.name}" in words} for phase in Phase if phase}
    assert all("lifecycle.py" in files for files in named.values())
    decided = {phase for phase, files in named.items() if any(name.startswith("controllers/") for name in files)}
    assert set(named) - decided == {Phase.VALIDATING}, "the state of the run decides it: `ledger_states`"
    counts = [len(files) for files in named.values()]
    assert f"are named in {min(counts)} to {max(counts)} files" in PAGE
    assert _row("a phase of a Migration")[0] == min(counts)


def test_files_that_a_state_of_a_run_touches() -> None:
    files = {name for name, words in _NAMED.items() if all(f"State.{state.name}" in words for state in WORK)}
    _has("a state of a run", files)
