"""The shape of the house: what linters do not hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "operator" / "landfall").rglob("*.py"))


def test_operator_is_not_a_package() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_every_module_says_why_it_exists() -> None:
    silent = [p for p in SOURCES if not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


def test_no_file_is_too_long() -> None:
    assert [p for p in SOURCES if len(p.read_text().splitlines()) > 500] == []


# Functions with a body of more than 40 lines, and why none of their parts is a thing of its own.
_MOST_LINES = 40
_LONG_FUNCTIONS = {
    "engine/planning/existing_tables.py: _column": "most lines are the fields of one value",
    "engine/planning/planner.py: draft_plan": "the order of planning, a line for each part, and the fields of the plan",
    "engine/planning/tables.py: planned_table": "most lines are the fields of one value and the texts of its risks",
    "engine/prepare/profiling.py: profile": "the body of its threads is inside",
}


def _lines_of_bodies(path: Path) -> dict[str, int]:
    """The number of lines of each function's body, without the docstring."""
    lines: dict[str, int] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            if body:
                lines[node.name] = max(lines.get(node.name, 0), (body[-1].end_lineno or 0) - body[0].lineno + 1)
    return lines


def test_no_function_is_too_long() -> None:
    product = ROOT / "operator" / "landfall"
    lengths = {f"{p.relative_to(product)}: {name}": lines for p in SOURCES for name, lines in _lines_of_bodies(p).items()}
    assert {name: lines for name, lines in lengths.items() if lines > _MOST_LINES and name not in _LONG_FUNCTIONS} == {}
    assert [name for name in _LONG_FUNCTIONS if lengths.get(name, 0) <= _MOST_LINES] == [], "no longer an exception"


def test_no_drawer_for_odds_and_ends() -> None:
    words = {"utils", "helpers", "common", "misc", "manager"}
    assert [p for p in SOURCES if words & {p.stem, p.parent.name}] == []


def test_nothing_is_dropped_with_what_depends_on_it() -> None:
    statements = [p for p in SOURCES for line in p.read_text().splitlines() if re.search(r"(DROP|TRUNCATE)[^\"]* CASCADE", line)]
    assert statements == []


# Engines by the words of the registry, of REST and of addresses. Where such a word stands for something else:
_ENGINE_WORDS = {"mariadb", "mysql", "postgresql", "postgres", "sqlite"}
_OTHER_MEANINGS = {
    "api/source_types.py": "generated from the registry",
    "engine/sources/registry.py": "the registry",
    "engine/targets/registry.py": "the registry",
    "engine/planning/overrides.py": "a type is printed in one grammar, to be looked at",
    "journal/settings.py": "the journal's own database",
    "journal/store.py": "the journal's own database",
    "journal/tables.py": "the journal's own database",
    "journal/versions/v0001_lines_and_samples.py": "the journal's own database",
    "providers/supabase.py": "the database of a provider",
}
_OF_AN_ENGINE = re.compile(r"engine/(sources|targets)/\w+/|engine/clients/")
_CONCRETE = re.compile(r"engine\.(sources|targets)\.(mysql|sqlite|postgresql)\b|^(psycopg|MySQLdb|sqlite3)\b")


def _named_engines(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() in _ENGINE_WORDS:
            names.append(f"{node.lineno}: {node.value!r}")
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [f"{node.lineno}: import of {module}" for module in modules if _CONCRETE.search(module)]
    return names


def test_no_engine_is_named_or_imported_outside_its_own_folder() -> None:
    """A difference between engines is a capability, a method or a query, so that a new one is one folder."""
    product = ROOT / "operator" / "landfall"
    names = {path: str(path.relative_to(product)) for path in SOURCES}
    outside = {path: name for path, name in names.items() if not _OF_AN_ENGINE.match(name)}
    by_file = {name: _named_engines(path) for path, name in outside.items()}
    assert {name: lines for name, lines in by_file.items() if lines and name not in _OTHER_MEANINGS} == {}
    assert [name for name in _OTHER_MEANINGS if not by_file[name]] == []


def test_aiohttp_is_named_nowhere_but_in_one_benchmark() -> None:
    """It is a part of kopf and of the Kubernetes client. The benchmark of the gateway needs a client that costs less than what it measures (decision 0037)."""
    files = [p for top in ("operator", "tests", "examples") for p in (ROOT / top).rglob("*.py")]
    files_naming = {str(p.relative_to(ROOT)) for p in files if p != Path(__file__) and "aiohttp" in p.read_text(encoding="utf-8")}
    assert files_naming == {"tests/bench/gateway.py"}


# A `match` whose last case takes whatever is left without `assert_never`, and why. mypy checks the rest: the type of what is left.
_OPEN_MATCHES = {
    "controllers/deployment/act.py": "what is left is `TrafficAction`, whose own match ends in assert_never",
    "engine/targets/postgresql/types.py": "columns of views: types that are not named have the canonical text of a table's column",
}


def _is_closed(node: ast.Match) -> bool:
    """Whether a member that is added to an enum or a union is an error of the type checker.

    Either the last case calls `assert_never` or raises, so that nothing new is taken for something else; or no case is a wildcard and every
    one returns or raises: mypy then misses a return.
    """
    last = node.cases[-1]
    if isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None:
        return "assert_never" in ast.unparse(last) or isinstance(last.body[-1], ast.Raise)
    return all(isinstance(case.body[-1], ast.Return | ast.Raise) for case in node.cases)


def test_every_match_is_checked_to_be_exhaustive() -> None:
    product = ROOT / "operator" / "landfall"
    matches = [(p, node) for p in SOURCES for node in ast.walk(ast.parse(p.read_text())) if isinstance(node, ast.Match)]
    assert len(matches) > 10
    assert {str(path.relative_to(product)) for path, node in matches if not _is_closed(node)} == set(_OPEN_MATCHES)


# How many parameters, results and fields are objects as the API server returns them, or dicts of anything. A new one travels as a model or as
# a dataclass instead; a change that makes one of these a model lowers the number.
_BARE = {"controllers": 136, "gateway": 187, "handlers": 5, "intake": 8, "worker": 6}
_BARE_TYPE = re.compile(r"\bObject\b|(?:dict|Mapping)\[str, (?:Any|object)\]")


def _bare_types(path: Path) -> int:
    annotations: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            annotations += [*(argument.annotation for argument in arguments), node.returns]
        elif isinstance(node, ast.AnnAssign):
            annotations.append(node.annotation)
    return sum(len(_BARE_TYPE.findall(ast.unparse(annotation))) for annotation in annotations if annotation)


def test_bare_dicts_become_fewer() -> None:
    product = ROOT / "operator" / "landfall"
    counts = {room: sum(map(_bare_types, (product / room).rglob("*.py"))) for room in _BARE}
    assert {room: number for room, number in counts.items() if number > _BARE[room]} == {}
