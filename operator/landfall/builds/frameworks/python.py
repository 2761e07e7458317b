"""Frameworks of Python."""

from __future__ import annotations

import re

from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree, first
from landfall.builds.frameworks.base import Commands, Framework
from landfall.builds.languages.python import PYTHON, Application, applications, python_of
from landfall.builds.languages.python_packages import PACKAGES


def _packaged(tree: Tree, package: str) -> bool:
    python = python_of(tree)
    return python is not None and package in python.packages


def _among(found: list[Application], note: str) -> tuple[str, ...]:
    others = [a.target for a in found[1:5]]
    return (f"{note}; others: {', '.join(others)}",) if others else ()


def _added(tree: Tree, server: str) -> tuple[str, ...]:
    """The server, if the app does not depend on one."""
    return () if _packaged(tree, server) else (server,)


def _added_note(added: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{server} is not among the dependencies and is added" for server in added)


def _fastapi(tree: Tree) -> Match | None:
    if not _packaged(tree, "fastapi"):
        return None
    found = applications(tree, "fastapi", "FastAPI")
    if not found:
        return Match(
            "python-fastapi",
            ("it depends on fastapi",),
            notes=("no FastAPI() found at the top level of a module: set startCommand",),
        )
    app = found[0]
    words = [
        f"uvicorn {app.target}",
        *(["--factory"] if app.factory else []),
        *(["--app-dir src"] if app.file.startswith("src/") else []),
    ]
    start = " ".join([*words, "--host 0.0.0.0 --port $PORT"])
    evidence, added = ("it depends on fastapi", f"{app.file} makes {app.name}"), _added(tree, "uvicorn")
    return Match(
        "python-fastapi", evidence, start=start, notes=(*_among(found, f"{app.target} is used"), *_added_note(added)), adds=added
    )


def _flask(tree: Tree) -> Match | None:
    if not _packaged(tree, "flask"):
        return None
    found = applications(tree, "flask", "Flask")
    if not found:
        return Match(
            "flask", ("it depends on flask",), notes=("no Flask() found at the top level of a module: set startCommand",)
        )
    app = found[0]
    path = " --pythonpath src" if app.file.startswith("src/") else ""
    start = f"gunicorn --bind 0.0.0.0:$PORT{path} '{app.target}{'()' if app.factory else ''}'"
    evidence, added = ("it depends on flask", f"{app.file} makes {app.name}"), _added(tree, "gunicorn")
    return Match("flask", evidence, start=start, notes=(*_among(found, f"{app.target} is used"), *_added_note(added)), adds=added)


def _django(tree: Tree) -> Match | None:
    managed = first(tree, "manage.py", "src/manage.py")
    if not managed or not (_packaged(tree, "django") or "django" in tree.text(managed)):
        return None
    settings_module = re.search(r"""DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)""", tree.text(managed))
    evidence = (f"{managed} exists", *((f"its settings are {settings_module.group(1)}",) if settings_module else ()))
    root = managed.rpartition("manage.py")[0]
    settings = settings_module.group(1).replace(".", "/") if settings_module else ""
    text = tree.text(f"{root}{settings}.py") + tree.text(f"{root}{settings}/__init__.py") + tree.text(f"{root}{settings}/base.py")
    named = re.search(r"""WSGI_APPLICATION\s*=\s*["']([\w.]+)\.(\w+)["']""", text)
    folder = settings_module.group(1).split(".")[0] if settings_module else ""
    target = f"{named.group(1)}:{named.group(2)}" if named else f"{folder}.wsgi:application" if folder else ""
    if not target:
        return Match("django", evidence, notes=("no WSGI application found: set startCommand",))
    path, added = " --pythonpath src" if root else "", _added(tree, "gunicorn")
    return Match("django", evidence, start=f"gunicorn --bind 0.0.0.0:$PORT{path} {target}", notes=_added_note(added), adds=added)


def _django_build(tree: Tree, _match: Match, _commands: Commands) -> Commands:
    managed = first(tree, "manage.py", "src/manage.py")
    if not managed or "STATIC_ROOT" not in _settings(tree):
        return ()
    return (f"PYTHONPATH={PACKAGES} python3 {managed} collectstatic --noinput",)


def _settings(tree: Tree) -> str:
    return "".join(
        tree.text(p) for p in sorted(tree.paths) if p.rpartition("/")[2] in {"settings.py", "base.py", "production.py"}
    )


_STATIC = frozenset({"static"})
ROWS = (
    Framework("python-fastapi", PYTHON, _fastapi, _STATIC),
    Framework("django", PYTHON, _django, _STATIC, build=_django_build),
    Framework("flask", PYTHON, _flask, _STATIC),
)
