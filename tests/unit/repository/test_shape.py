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
