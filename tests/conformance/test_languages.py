"""What every registered language does, with the smallest app of its own in a folder.

A language that passes can be built. The suite knows no language: what differs is in `APPS`, and one that is missing there fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from landfall.builds.errors import BuildError
from landfall.builds.languages.base import Language
from landfall.builds.languages.registry import LANGUAGES
from landfall.builds.plan import BuildOverrides, BuildPlan
from landfall.builds.planning import plan_of, tree_of


@dataclass(frozen=True, slots=True)
class App:
    """An app of a language: its files, and those that replace some of them so that a manifest cannot be read or a version is unknown."""

    files: Mapping[str, str]
    broken: Mapping[str, str]
    unknown_version: Mapping[str, str]


_PACKAGE = (
    '{"name": "shop", "scripts": {"start": "node index.js"}, "dependencies": {"express": "5.0.0"}, "engines": {"node": "%s"}}'
)
_LOCK = '{"name": "shop", "lockfileVersion": 3, "packages": {"": {"name": "shop", "dependencies": {"express": "5.0.0"}}}}'
_EXPRESS = 'require("express")().listen(process.env.PORT)\n'
_GO = 'package main\nimport "net/http"\nfunc main() { http.ListenAndServe(":8080", nil) }\n'
_FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
APPS = {
    "node": App(
        {"package.json": _PACKAGE % "22", "package-lock.json": _LOCK, "index.js": _EXPRESS},
        {"package.json": "{"},
        {"package.json": _PACKAGE % "3"},
    ),
    "python": App(
        {"requirements.txt": "fastapi==0.1\n", "main.py": _FASTAPI, ".python-version": "3.11\n"},
        {"pyproject.toml": "[project\n"},
        {".python-version": "2.7\n"},
    ),
    "go": App(
        {"go.mod": "module shop\n\ngo 1.19\n", "main.go": _GO},
        {},
        {"go.mod": "module shop\n\ngo 99.1\n"},
    ),
    "static": App({"index.html": "<title>shop</title>"}, {}, {}),
}


@pytest.fixture(params=LANGUAGES, ids=[language.name for language in LANGUAGES])
def language(request: pytest.FixtureRequest) -> Language:
    """Each registered language."""
    found: Language = request.param
    assert found.name in APPS, "a registered language is tested"
    return found


def _planned(folder: Path, files: Mapping[str, str]) -> BuildPlan:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return plan_of(tree_of(folder), BuildOverrides())


def test_an_app_is_planned_the_same_wherever_it_lies(language: Language, tmp_path: Path) -> None:
    app = APPS[language.name]
    plan = _planned(tmp_path / "a", app.files)
    assert plan == _planned(tmp_path / "b", dict(reversed(app.files.items())))
    assert plan.runtime == language.name
    assert plan.version in (language.versions or (plan.version,))
    assert plan.evidence
    assert plan.start or plan.output or plan.framework == "static"


def test_what_determines_the_packages_is_in_the_tree(language: Language, tmp_path: Path) -> None:
    plan = _planned(tmp_path, APPS[language.name].files)
    assert list(plan.keys) == sorted(set(plan.keys))
    assert set(plan.keys) <= tree_of(tmp_path).paths
    assert bool(plan.install) or not plan.keys


def test_the_history_and_secret_files_are_in_no_layer(language: Language, tmp_path: Path) -> None:
    plan = _planned(tmp_path, APPS[language.name].files)
    assert plan.layers
    for layer in plan.layers:
        if "." in layer.include:
            assert {".git", ".env"} <= set(layer.exclude), layer


def test_a_manifest_that_cannot_be_read_is_named(language: Language, tmp_path: Path) -> None:
    app = APPS[language.name]
    _planned(tmp_path, app.files)
    assert language.problem(tree_of(tmp_path)) == ""
    for name, text in app.broken.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        problem = language.problem(tree_of(tmp_path))
        assert name in problem
        assert not problem.endswith(".")


def test_a_version_that_there_is_not_is_refused_by_its_number_or_a_near_one_is_noted(language: Language, tmp_path: Path) -> None:
    app = APPS[language.name]
    for name, text in app.unknown_version.items():
        _planned(tmp_path, app.files)
        (tmp_path / name).write_text(text, encoding="utf-8")
        version = language.version(tree_of(tmp_path), language.versions)
        assert version.requested in text
        assert name in version.source
        if not version.resolved:
            with pytest.raises(BuildError, match=version.requested.replace(".", r"\.")):
                plan_of(tree_of(tmp_path), BuildOverrides())
        else:
            assert version.near
