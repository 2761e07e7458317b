"""Python apps: build commands, dependencies, package manager, version of Python, and the application object."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from landfall.builds.detect.pins import first_line, tool_versions
from landfall.builds.detect.result import Detected, PackageManager, Version
from landfall.builds.detect.shell import simple_commands
from landfall.builds.detect.tree import Tree, toml_of
from landfall.builds.detect.versions import newest
from landfall.builds.languages import python_packages
from landfall.builds.languages.base import LEFT_OUT, Language, Layer
from landfall.builds.languages.python_packages import LIST, PACKAGES

_LOCKS = (("uv", "uv.lock"), ("poetry", "poetry.lock"), ("pdm", "pdm.lock"), ("pipenv", "Pipfile.lock"))


@dataclass(frozen=True, slots=True)
class Python:
    """The contents of the manifests. Names of packages are in lower case, with dashes; `scripts` are programs and their functions."""

    packages: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()
    problem: str = ""
    wants: tuple[tuple[str, str], ...] = ()
    scripts: tuple[tuple[str, str], ...] = ()


def python_of(tree: Tree) -> Python | None:
    """Return the manifests, if there are any."""
    listed = requirements_file(tree)
    files = [f for f in (listed, "pyproject.toml", "Pipfile", "setup.py", "setup.cfg") if f in tree.paths]
    if not files and not any(p.rpartition("/")[2] == "manage.py" and p.count("/") < 2 for p in tree.paths):
        return None
    project, pipfile = toml_of(tree, "pyproject.toml"), toml_of(tree, "Pipfile")
    problem = project.problem or pipfile.problem
    names = _requirements(tree, listed, frozenset()) if listed else set()
    metadata, tools = _table(project.data.get("project")), _table(project.data.get("tool"))
    poetry = _table(_table(tools.get("poetry")).get("dependencies"))
    names |= {_name(r) for r in (*_list(metadata.get("dependencies")), *_set_up(tree))}
    names |= {_name(n) for n in (*poetry, *_table(pipfile.data.get("packages")))}
    requires = _table(pipfile.data.get("requires"))
    wants = (
        ("requires-python in pyproject.toml", str(metadata.get("requires-python") or "")),
        ("python in pyproject.toml (poetry)", poetry.get("python")),
        ("python in Pipfile", str(requires.get("python_version") or requires.get("python_full_version") or "")),
    )
    scripts = tuple(
        (str(k), str(v))
        for k, v in {**_table(_table(tools.get("poetry")).get("scripts")), **_table(metadata.get("scripts"))}.items()
    )
    return Python(
        frozenset(names - {""}), tuple(files), problem, tuple((k, v) for k, v in wants if isinstance(v, str) and v), scripts
    )


def requirements_file(tree: Tree) -> str:
    """Return the file that lists the packages for production; empty if there is none."""
    folders = [f"requirements/{name}.txt" for name in ("production", "prod", "deploy", "main", "requirements", "base", "common")]
    files = [f"requirements{mark}{name}.txt" for name in ("production", "prod", "base") for mark in ("-", "_", ".")]
    return next((f for f in ("requirements.txt", *folders, *files) if f in tree.paths), "")


def _set_up(tree: Tree) -> list[str]:
    """The packages that setup.py or setup.cfg lists as literals."""
    match = re.search(r"^install_requires\s*=((?:.*\n?)(?:[ \t]+.*\n?|\s*\n)*)", tree.text("setup.cfg"), re.MULTILINE)
    listed = [line.strip() for line in match.group(1).splitlines()] if match else []
    try:
        body = ast.walk(ast.parse(tree.text("setup.py")))
    except (SyntaxError, ValueError):
        return listed
    calls = (
        keyword.value
        for node in body
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "install_requires"
    )
    constants = (
        item.value
        for call in calls
        if isinstance(call, ast.List | ast.Tuple)
        for item in call.elts
        if isinstance(item, ast.Constant)
    )
    return [*listed, *(value for value in constants if isinstance(value, str))]


def _table(value: Any) -> dict[str, Any]:  # noqa: ANN401  any value in a manifest
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[str]:  # noqa: ANN401  any value in a manifest
    return [str(v) for v in value] if isinstance(value, list) else []


def _requirements(tree: Tree, path: str, visited: frozenset[str]) -> set[str]:
    """The package names in a requirements file and in the files that it includes."""
    names, folder = set(), path.rpartition("/")[0]
    for line in tree.text(path).splitlines():
        included = re.match(r"\s*(?:-r|--requirement)[\s=]*(\S+)", line)
        if included:
            name = posixpath.normpath(posixpath.join(folder, included.group(1)))
            if name not in visited:
                names |= _requirements(tree, name, visited | {path, name})
        elif not line.strip().startswith(("#", "-")):
            names.add(_name(line))
    return names


def _name(requirement: str) -> str:
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", match.group(1)).lower() if match else ""


def package_manager(tree: Tree, python: Python) -> tuple[PackageManager, tuple[str, ...]]:
    """Return the package manager: from a lock file, or pip for requirements.txt, or uv for pyproject.toml."""
    locks = [(name, file) for name, file in _LOCKS if file in tree.paths]
    listed = requirements_file(tree)
    if [name for name, _ in locks] == ["pdm"] and listed:
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
    if listed and not (
        listed != "requirements.txt" and {"pyproject.toml", "Pipfile"} & set(python.files) and not _is_whole(tree, listed)
    ):
        return PackageManager("pip", "", listed, listed), ()
    source = next((f for f in ("pyproject.toml", "Pipfile", "setup.py", "setup.cfg") if f in python.files), "default")
    name = "pipenv" if source == "Pipfile" else "uv" if source == "pyproject.toml" else "pip"
    return PackageManager(name, "", source), ("no lock file found, so versions may differ from build to build",)


def _is_whole(tree: Tree, listed: str) -> bool:
    """Return whether the packages are in this list, and not in the table of a project beside it."""
    metadata = _table(toml_of(tree, "pyproject.toml").data.get("project"))
    return not metadata.get("dependencies") and "Pipfile" not in tree.paths and bool(tree.text(listed).strip())


def python_version(tree: Tree, python: Python, versions: Sequence[str]) -> Version:
    """Return the version of Python: from .python-version, runtime.txt, the manifests, then the files of mise and asdf; the default is the newest."""
    pins = [(f, line) for f in (".python-version", "runtime.txt") if (line := first_line(tree.text(f)))]
    pins += python.wants
    pins += tool_versions(tree, "python")
    if not pins:
        return Version("python", "", newest("*", versions), "default")
    source, text = pins[0]
    specifier = re.sub(r"^(python|cpython)[-@]?", "", text.strip()).strip()
    specifier = specifier if re.match(r"[<>=!~^*]", specifier) else ".".join(specifier.split(".")[:2])
    # Known versions have two parts, and each image has the latest third one.
    latest = {f"{version}.99": version for version in versions}
    specifier = re.sub(r"(===?\s*\d+\.\d+)(\.\d+)", r"\1", re.sub(r"~=\s*(\d+)\.(\d+)(\s*(,|$))", r">=\1.\2,<4\3", specifier))
    resolved = newest(specifier.replace("~=", "~").replace("===", "="), tuple(latest))
    return Version("python", text, latest.get(resolved, ""), source)


# Programs of packages that run as modules; images have no scripts of packages, because these name the interpreter of the builder.
_MODULES = {
    **{
        name: name
        for name in (
            "gunicorn",
            "uvicorn",
            "hypercorn",
            "daphne",
            "streamlit",
            "celery",
            "flask",
            "fastapi",
            "granian",
            "litestar",
        )
    },
    **{
        name: name
        for name in (
            "chainlit",
            "sanic",
            "robyn",
            "rq",
            "dramatiq",
            "huey",
            "alembic",
            "solara",
            "panel",
            "bokeh",
            "mesop",
        )
    },
    "waitress-serve": "waitress",
    "django-admin": "django",
    "shiny": "shiny",
    "reflex": "reflex",
    "nicegui": "nicegui",
    "marimo": "marimo",
    "gradio": "gradio",
    "jupyter": "jupyter",
    "voila": "voila",
    "mcp": "mcp",
    "prefect": "prefect",
    "dagster": "dagster",
    "pytest": "pytest",
}
_PREFIXES = (("poetry", "run"), ("uv", "run"), ("pipenv", "run"), ("pdm", "run"), ("rye", "run"), ("hatch", "run"))


def start_line(line: str, python: Python) -> str:
    """Return a start line with programs of packages run as modules, and without a package manager in front of them."""
    commands = simple_commands(line)
    if not commands:
        return line
    return " ".join(f"{_as_module(command.text, command.command, python)} {command.after}".strip() for command in commands)


def runs_python(line: str, python: Python) -> bool:
    """Return whether the last command of a start line runs the interpreter of Python, and not a wrapper or a program of another language."""
    commands = simple_commands(start_line(line, python))
    return bool(commands) and commands[-1].words[:1] in (["python3"], ["python"])


def _as_module(text: str, command: str, python: Python) -> str:
    before = text[: len(text) - len(command)]
    first, _, arguments = command.partition(" ")
    for program, verb in _PREFIXES:
        if (first, arguments.split(" ")[0]) == (program, verb):
            return before + _as_module(arguments[len(verb) :].strip(), arguments[len(verb) :].strip(), python)
    scripts = dict(python.scripts)
    if first in _MODULES:
        return f"{before}python3 -m {_MODULES[first]} {arguments}".rstrip()
    if first == "python" or re.fullmatch(r"python3\.\d+", first):
        return f"{before}python3 {arguments}".rstrip()
    if first in scripts and ":" in scripts[first]:
        module, _, function = scripts[first].partition(":")
        call = f"import sys; from {module} import {function.split('.')[0]}; sys.exit({function}())"
        return f'{before}python3 -c "{call}" {arguments}'.rstrip()
    return text


class _PythonLanguage:
    name = "python"
    versions: tuple[str, ...] = ("3.11", "3.12", "3.13")
    manifests = frozenset({"requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "manage.py"})
    version_command: tuple[str, ...] = ("python3", "--version")
    version_parts = 2
    programs = frozenset({"python3", "python"})
    paths: tuple[str, ...] = ()

    def problem(self, tree: Tree) -> str:
        python = python_of(tree)
        return python.problem if python else ""

    def summary(self, tree: Tree) -> str:
        python = python_of(tree)
        return (
            f"{', '.join(python.files) or 'manage.py'} list {', '.join(sorted(python.packages)[:8]) or 'nothing'}"
            if python
            else ""
        )

    def version(self, tree: Tree, versions: Sequence[str]) -> Version:
        return python_version(tree, python_of(tree) or Python(), versions)

    def package_manager(self, tree: Tree) -> tuple[PackageManager | None, tuple[str, ...]]:
        return package_manager(tree, python_of(tree) or Python())

    def install(self, detection: Detected) -> tuple[str, ...]:
        return python_packages.install(detection)

    def build(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        return ()

    def start(self, tree: Tree, command: str) -> str:
        return start_line(command, python_of(tree) or Python())

    def env(self) -> Mapping[str, str]:
        return {"PYTHONUNBUFFERED": "1", "PYTHONPATH": f"/app/{PACKAGES}"}

    def layers(self) -> tuple[Layer, ...]:
        return (
            Layer("dependencies", (PACKAGES,), (f"{PACKAGES}/bin", f"{PACKAGES}/.lock", "direct_url.json")),
            Layer("app", (".",), (PACKAGES, LIST, *LEFT_OUT)),
        )

    def packages(self, detection: Detected) -> str:
        return PACKAGES

    def cache_keys(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        return python_packages.cache_keys(tree, detection)


PYTHON: Language = _PythonLanguage()
