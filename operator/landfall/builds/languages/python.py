"""Python apps: build commands, dependencies, package manager, version of Python, and the application object."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from landfall.builds.detect.result import Detected, PackageManager, Version
from landfall.builds.detect.tree import Tree, toml_of
from landfall.builds.detect.versions import newest
from landfall.builds.languages import python_packages
from landfall.builds.languages.base import LEFT_OUT, Language, Layer
from landfall.builds.languages.python_packages import LIST, PACKAGES

_LOCKS = (("uv", "uv.lock"), ("poetry", "poetry.lock"), ("pdm", "pdm.lock"), ("pipenv", "Pipfile.lock"))
_USUAL = ("main", "app", "server", "asgi", "wsgi", "index", "api", "application")
_FOLDERS = ("", "src", "app", "api")
_LOOKED_AT = 400
_FACTORY = re.compile(r"(create|make|get|build)_app(lication)?")


@dataclass(frozen=True, slots=True)
class Python:
    """The contents of the manifests. Names of packages are in lower case, with dashes."""

    packages: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()
    problem: str = ""
    wants: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Application:
    """An application object: module and name, and whether it is a factory function."""

    file: str
    module: str
    name: str
    factory: bool = False

    @property
    def target(self) -> str:
        """The application in the form `module:name`, as servers accept it."""
        return f"{self.module}:{self.name}"


def python_of(tree: Tree) -> Python | None:
    """Return the manifests, if there are any."""
    files = [f for f in ("requirements.txt", "pyproject.toml", "Pipfile", "setup.py") if f in tree.paths]
    if not files and "manage.py" not in tree.paths:
        return None
    project, pipfile = toml_of(tree, "pyproject.toml"), toml_of(tree, "Pipfile")
    problem = project.problem or pipfile.problem
    names = _requirements(tree, "requirements.txt", frozenset())
    told = project.data.get("project", {})
    names |= {_name(r) for r in _list(told.get("dependencies"))}
    names |= {_name(n) for n in project.data.get("tool", {}).get("poetry", {}).get("dependencies", {})}
    names |= {_name(n) for n in pipfile.data.get("packages", {})}
    wants = [("requires-python in pyproject.toml", str(told.get("requires-python") or ""))]
    wants.append(("python in Pipfile", str(pipfile.data.get("requires", {}).get("python_version") or "")))
    return Python(frozenset(names - {""}), tuple(files), problem, tuple(w for w in wants if w[1]))


def _list(value: Any) -> list[str]:  # noqa: ANN401  any value in a manifest
    return [str(v) for v in value] if isinstance(value, list) else []


def _requirements(tree: Tree, path: str, seen: frozenset[str]) -> set[str]:
    """The package names in a requirements file and in the files that it includes."""
    names = set()
    for line in tree.text(path).splitlines():
        included = re.match(r"\s*(?:-r|--requirement)[\s=]+(\S+)", line)
        if included and included.group(1) not in seen:
            names |= _requirements(tree, included.group(1).removeprefix("./"), seen | {path})
        elif not line.strip().startswith(("#", "-")):
            names.add(_name(line))
    return names


def _name(requirement: str) -> str:
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", found.group(1)).lower() if found else ""


def package_manager(tree: Tree, python: Python) -> tuple[PackageManager, tuple[str, ...]]:
    """Return the package manager: from a lock file, or pip for requirements.txt, or uv for pyproject.toml."""
    locks = [(name, file) for name, file in _LOCKS if file in tree.paths]
    if [name for name, _ in locks] == ["pdm"] and "requirements.txt" in python.files:
        locks = []
    notes: list[str] = []
    if len(locks) > 1:
        notes.append(f"lock files of several package managers found: {', '.join(f for _, f in locks)}")
    if locks:
        if locks[0][0] == "pdm":
            notes.append(
                "pdm.lock is not supported, so versions may differ: commit the output of `pdm export` as requirements.txt"
            )
        return PackageManager(locks[0][0], "", locks[0][1], locks[0][1]), tuple(notes)
    if "requirements.txt" in python.files:
        return PackageManager("pip", "", "requirements.txt", "requirements.txt"), ()
    source = next((f for f in ("pyproject.toml", "Pipfile", "setup.py") if f in python.files), "default")
    name = "pipenv" if source == "Pipfile" else "uv" if source == "pyproject.toml" else "pip"
    return PackageManager(name, "", source), ("no lock file found, so versions may differ from build to build",)


def python_version(tree: Tree, python: Python, known: Sequence[str]) -> Version:
    """Return the version of Python: from .python-version, runtime.txt, the manifests, then .tool-versions; the default is the newest."""
    asked = [(f, tree.text(f).strip().splitlines()[0]) for f in (".python-version", "runtime.txt") if tree.text(f).strip()]
    asked += python.wants
    told = re.search(r"^python\s+(\S+)", tree.text(".tool-versions"), re.MULTILINE)
    asked += [(".tool-versions", told.group(1))] if told else []
    if not asked:
        return Version("python", "", newest("*", known), "default")
    source, text = asked[0]
    wanted = text.removeprefix("python-").strip()
    wanted = wanted if re.match(r"[<>=!~]", wanted) else ".".join(wanted.split(".")[:2])
    return Version("python", text, newest(wanted.replace("~=", "~").replace("===", "="), known), source)


# -- the application object -------------------------------------------------------------------------------------------


def applications(tree: Tree, package: str, kind: str) -> list[Application]:
    """Return all objects of this class at the top level of a module, and functions that create one; the most likely first."""
    found: list[Application] = []
    modules = sorted((p for p in tree.paths if p.endswith(".py") and not _is_test(p)), key=_likely)
    for path in islice(modules, _LOOKED_AT):
        text = tree.text(path)
        if package in text and f"{kind}(" in text:
            found += _made_in(path, text, kind)
    return sorted(found, key=lambda a: (a.factory, *_likely(a.file)))


def _is_test(path: str) -> bool:
    return any(
        re.match(r"tests?$|test_|conftest|examples?$|docs?$|venv$|\.", part) for part in path.removesuffix(".py").split("/")
    )


def _likely(path: str) -> tuple[int, int, int, str]:
    folder, _, file = path.rpartition("/")
    stem = file.removesuffix(".py")
    return (
        _FOLDERS.index(folder) if folder in _FOLDERS else len(_FOLDERS),
        path.count("/"),
        _USUAL.index(stem) if stem in _USUAL else len(_USUAL),
        path,
    )


def _made_in(path: str, text: str, kind: str) -> list[Application]:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and _makes(node.value, kind):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [Application(path, _module(path), t.id) for t in targets if isinstance(t, ast.Name)]
        elif isinstance(node, ast.FunctionDef) and _is_factory(node, kind):
            found.append(Application(path, _module(path), node.name, factory=True))
    return found


def _is_factory(node: ast.FunctionDef, kind: str) -> bool:
    named = _FACTORY.fullmatch(node.name) is not None and not node.args.args
    return named and any(_makes(inner, kind) for inner in ast.walk(node))


def _makes(node: ast.AST | None, kind: str) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return (isinstance(called, ast.Name) and called.id == kind) or (isinstance(called, ast.Attribute) and called.attr == kind)


def _module(path: str) -> str:
    """The name of the module, imported from the app's root; a folder src is on the path."""
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class _PythonLanguage:
    name = "python"
    versions: tuple[str, ...] = ("3.11", "3.12", "3.13")
    manifests = frozenset({"requirements.txt", "pyproject.toml"})
    version_command: tuple[str, ...] = ("python3", "--version")
    version_parts = 2

    def problem(self, tree: Tree) -> str:
        python = python_of(tree)
        return python.problem if python else ""

    def summary(self, tree: Tree) -> str:
        return ""

    def version(self, tree: Tree, known: Sequence[str]) -> Version:
        return python_version(tree, python_of(tree) or Python(), known)

    def package_manager(self, tree: Tree) -> tuple[PackageManager | None, tuple[str, ...]]:
        return package_manager(tree, python_of(tree) or Python())

    def install(self, found: Detected) -> tuple[str, ...]:
        return python_packages.install(found)

    def build(self, tree: Tree, found: Detected) -> tuple[str, ...]:
        return ()

    def start(self, command: str) -> str:
        return f"python3 -m {command}" if command else ""

    def env(self) -> Mapping[str, str]:
        return {"PYTHONUNBUFFERED": "1", "PYTHONPATH": f"/app/{PACKAGES}"}

    def layers(self) -> tuple[Layer, ...]:
        return (
            Layer("dependencies", (PACKAGES,), (f"{PACKAGES}/bin", f"{PACKAGES}/.lock", "direct_url.json")),
            Layer("app", (".",), (PACKAGES, LIST, *LEFT_OUT)),
        )

    def packages(self, found: Detected) -> str:
        return PACKAGES

    def cache_keys(self, tree: Tree, found: Detected) -> tuple[str, ...]:
        return python_packages.cache_keys(tree, found)


PYTHON: Language = _PythonLanguage()
