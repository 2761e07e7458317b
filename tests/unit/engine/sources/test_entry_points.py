"""Engines of other packages: one that cannot be used is an error that names its package, and no other engine takes its place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from landfall.engine.errors import EngineRegistrationError
from landfall.engine.sources import registry as sources
from landfall.engine.sources.engine import SourceEngine
from landfall.engine.targets import registry as targets

Install = Callable[..., None]
_PRODUCT = Path(__file__).parents[4] / "operator"
_OPERATOR = {"LANDFALL_IMAGE": "landfall:1", "LANDFALL_INTAKE_URL": "http://intake:8443"}
_MANIFESTS = """
apiVersion: landfall.dev/v1alpha1
kind: Connection
metadata: {name: old}
spec: {type: SQLite, file: {path: /nowhere/shop.db}}
---
apiVersion: landfall.dev/v1alpha1
kind: Connection
metadata: {name: new}
spec: {type: PostgreSQL, host: 127.0.0.1, port: 9, database: shop}
---
apiVersion: landfall.dev/v1alpha1
kind: Migration
metadata: {name: shop}
spec: {data: {source: {connectionRef: {name: old}}, target: {connectionRef: {name: new}}}}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package that offers one engine, with its module if it has one, as long as the test lasts."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def installed(package: str, group: str, name: str, value: str, module: str = "") -> None:
        metadata = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n", encoding="utf-8")
        if module:
            (tmp_path / f"{value.partition(':')[0]}.py").write_text(module, encoding="utf-8")

    return installed


@dataclass(frozen=True)
class Broken:
    """An engine that cannot be used: what its package declares, its module, and what the error says."""

    value: str
    module: str
    problem: str


_BROKEN = {
    "no such module": Broken(
        "paper_absent:PAPER", "", "it cannot be imported (ModuleNotFoundError: No module named 'paper_absent')"
    ),
    "a driver that is missing": Broken("paper_driver:PAPER", "import paper_client", "No module named 'paper_client'"),
    "no such attribute": Broken("paper_empty:PAPER", "INK = 1", "it cannot be imported (AttributeError"),
    "a syntax error": Broken("paper_syntax:PAPER", "PAPER = (", "it cannot be imported (SyntaxError"),
    "a module that fails": Broken("paper_fails:PAPER", "raise ValueError('no ink')", "(ValueError: no ink)"),
    "another object": Broken("paper_text:PAPER", "PAPER = 'Paper'", "it is not an instance of "),
    "an engine with half of its parts": Broken(
        "paper_half:PAPER", "class _Paper:\n    name = 'Paper'\nPAPER = _Paper()", "it is not an instance of "
    ),
}


@dataclass(frozen=True)
class Registry:
    """A registry of engines, read anew at each call."""

    group: str
    engines: Callable[[], Mapping[str, object]]
    name: str
    built_in: str


_REGISTRIES = [
    Registry(sources.GROUP, sources.engines.__wrapped__, "SQLite", "landfall.engine.sources.sqlite.engine:SQLITE"),
    Registry(targets.GROUP, targets.engines.__wrapped__, "PostgreSQL", "landfall.engine.targets.postgresql.engine:POSTGRESQL"),
]
_of_each_registry = pytest.mark.parametrize("registry", _REGISTRIES, ids=["sources", "targets"])


@pytest.mark.parametrize("case", _BROKEN)
@_of_each_registry
def test_an_engine_that_cannot_be_used_is_named_with_its_package(install: Install, registry: Registry, case: str) -> None:
    broken = _BROKEN[case]
    install("paper-engine", registry.group, "Paper", broken.value, broken.module)
    with pytest.raises(EngineRegistrationError) as refused:
        registry.engines()
    declared = f"entry point Paper of {registry.group}, which the package paper-engine declares as {broken.value}: "
    assert refused.value.message.startswith(declared)
    assert broken.problem in refused.value.message
    assert refused.value.advice == "Upgrade or uninstall paper-engine."


@_of_each_registry
def test_a_class_is_not_taken_for_an_engine(install: Install, registry: Registry) -> None:
    module, _, attribute = registry.built_in.partition(":")
    install(
        "paper-engine",
        registry.group,
        "Paper",
        "paper_class:PAPER",
        f"from {module} import {attribute}\nPAPER = type({attribute})",
    )
    with pytest.raises(EngineRegistrationError, match="is not an instance of"):
        registry.engines()


@_of_each_registry
def test_an_engine_has_the_name_under_which_it_is_registered(install: Install, registry: Registry) -> None:
    install("paper-engine", registry.group, "Paper", registry.built_in)
    with pytest.raises(EngineRegistrationError, match=r"its engine has the name (SQLite|PostgreSQL)"):
        registry.engines()


@_of_each_registry
def test_two_packages_with_an_engine_of_one_name_are_both_named(install: Install, registry: Registry) -> None:
    install("paper-engine", registry.group, "Paper", "paper_one:PAPER")
    install("parchment", registry.group, "Paper", "paper_two:PAPER")
    with pytest.raises(EngineRegistrationError) as refused:
        registry.engines()
    assert f"entry point Paper of {registry.group} is offered more than once" in refused.value.message
    assert "paper-engine (paper_one:PAPER)" in refused.value.message
    assert "parchment (paper_two:PAPER)" in refused.value.message
    assert refused.value.advice == "Uninstall paper-engine or parchment, or rename its engine."


@_of_each_registry
def test_no_package_replaces_an_engine_of_the_product(install: Install, registry: Registry) -> None:
    install("paper-engine", registry.group, "PostgreSQL", "paper_other:PAPER")
    with pytest.raises(EngineRegistrationError) as refused:
        registry.engines()
    assert refused.value.advice == "Uninstall paper-engine, or rename its engine."


@_of_each_registry
def test_a_package_that_is_found_twice_and_the_products_own_metadata_do_no_harm(install: Install, registry: Registry) -> None:
    """The metadata of an installed version may be older than the code that runs."""
    before = registry.engines()
    install("again", registry.group, registry.name, registry.built_in)
    install("landfall", registry.group, "PostgreSQL", "an.earlier.version:POSTGRESQL")
    assert registry.engines() == before


def test_an_alias_belongs_to_one_engine() -> None:
    supabase = SimpleNamespace(name="Paper", aliases=("Supabase",))
    with pytest.raises(
        EngineRegistrationError, match="PostgreSQL and Paper are both registered for Connections of type Supabase"
    ):
        sources.check_aliases([sources.engine_of("PostgreSQL"), cast("SourceEngine", supabase)])
    renamed = SimpleNamespace(name="Supabase", aliases=())
    with pytest.raises(EngineRegistrationError, match="PostgreSQL and Supabase"):
        sources.check_aliases([sources.engine_of("PostgreSQL"), cast("SourceEngine", renamed)])


@pytest.mark.parametrize("role", ["operator", "plan"])
def test_a_process_says_it_in_one_line(install: Install, tmp_path: Path, role: str) -> None:
    install("paper-engine", sources.GROUP, "Paper", "paper_absent:PAPER")
    manifests = tmp_path / "shop.yaml"
    manifests.write_text(_MANIFESTS, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "landfall", role, *([str(manifests)] if role == "plan" else [])],
        env={**os.environ, **_OPERATOR, "PYTHONPATH": f"{_PRODUCT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == (2 if role == "operator" else 1)
    assert "entry point Paper of landfall.sources, which the package paper-engine declares" in result.stderr
    assert "Upgrade or uninstall paper-engine." in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 2
