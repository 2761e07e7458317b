"""The table of frameworks: how each shows itself in a tree, and which others it supersedes.

Every row is asked; what another row that matched supersedes is dropped. So the order of the table means nothing, and two rows that
are left are an ambiguity that a person resolves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree, first
from landfall.builds.languages.node import Node, imports, start_of
from landfall.builds.languages.python import Application, Python, applications


@dataclass(frozen=True, slots=True)
class Facts:
    """What all rows look at."""

    tree: Tree
    node: Node | None
    python: Python | None


@dataclass(frozen=True, slots=True)
class Framework:
    """A row: its name, its language, what it supersedes, and how it is recognised."""

    name: str
    language: str
    supersedes: frozenset[str]
    match: Callable[[Facts], Match | None]


# -- Node.js ----------------------------------------------------------------------------------------------------------


def _needs(facts: Facts, *packages: str) -> str:
    """The first of these that the app depends on, at run time or to build."""
    return next((p for p in packages if facts.node and p in facts.node.every), "")


def _script(facts: Facts, name: str) -> str:
    return facts.node.scripts.get(name, "") if facts.node else ""


def _depends(package: str) -> str:
    return f"package.json depends on {package}"


def _vite(facts: Facts) -> Match | None:
    config = first(facts.tree, "vite.config.ts", "vite.config.js", "vite.config.mts", "vite.config.mjs")
    build = _script(facts, "build")
    if not _needs(facts, "vite") or not build or not (config or "vite build" in build):
        return None
    told = re.search(r"--outDir[ =](\S+)", build) or re.search(r"""outDir:\s*["'`]([^"'`]+)""", facts.tree.text(config))
    evidence = (_depends("vite"), *((f"{config} is there",) if config else ()), f"the build script is {build!r}")
    notes = () if "index.html" in facts.tree.paths else ("there is no index.html at the root",)
    return Match("react-vite", evidence, output=told.group(1).removeprefix("./").rstrip("/") if told else "dist", notes=notes)


def _next(facts: Facts) -> Match | None:
    if not _needs(facts, "next"):
        return None
    config = first(facts.tree, "next.config.js", "next.config.mjs", "next.config.ts", "next.config.cjs")
    text = facts.tree.text(config)
    evidence = (_depends("next"), *((f"{config} is there",) if config else ()))
    if re.search(r"""output:\s*["'`]export""", text):
        told = re.search(r"""distDir:\s*["'`]([^"'`]+)""", text)
        return Match("nextjs", (*evidence, "it exports a static site"), output=told.group(1) if told else "out")
    start = _script(facts, "start")
    own = start if start and "next start" not in start else ""
    return Match("nextjs", evidence, start=own or "node server.js", notes=(f"its own server is kept: {own}",) if own else ())


def _express(facts: Facts) -> Match | None:
    if not facts.node or "express" not in facts.node.dependencies:
        return None  # one among devDependencies serves a developer's own machine
    file = imports(facts.tree, "express")
    start = start_of(facts.tree, facts.node)
    if not file and not _script(facts, "start"):
        return None
    evidence = (_depends("express"), *((f"{file} imports it",) if file else ("it has a start script",)))
    return Match("node-express", evidence, start=start)


def _svelte(facts: Facts) -> Match | None:
    if not _needs(facts, "@sveltejs/kit"):
        return None
    if _needs(facts, "@sveltejs/adapter-static"):
        return Match("sveltekit", (_depends("@sveltejs/kit"), "adapter-static makes a static site"), output="build")
    notes = (
        ()
        if _needs(facts, "@sveltejs/adapter-node")
        else ("it has no @sveltejs/adapter-node: adapter-auto is told to choose it",)
    )
    return Match("sveltekit", (_depends("@sveltejs/kit"),), start="node build", notes=notes)


def _nuxt(facts: Facts) -> Match | None:
    package = _needs(facts, "nuxt", "nuxt3", "nuxt-nightly", "nuxt-edge")
    if not package:
        return None
    if "generate" in _script(facts, "build"):
        return Match("nuxt", (_depends(package), "its build script generates a static site"), output=".output/public")
    return Match("nuxt", (_depends(package),), start="node .output/server/index.mjs")


def _astro(facts: Facts) -> Match | None:
    if not _needs(facts, "astro"):
        return None
    config = first(facts.tree, "astro.config.mjs", "astro.config.ts", "astro.config.js")
    served = re.search(r"""output:\s*["'`](server|hybrid)""", facts.tree.text(config)) or _needs(facts, "@astrojs/node")
    if served:
        return Match("astro", (_depends("astro"), "it renders on a server"), start="node dist/server/entry.mjs")
    return Match("astro", (_depends("astro"), "it makes a static site"), output="dist")


def _remix(facts: Facts) -> Match | None:
    package = _needs(facts, "@react-router/dev", "@remix-run/dev")
    if not package:
        return None
    config = first(facts.tree, "react-router.config.ts", "react-router.config.js", "vite.config.ts", "vite.config.js")
    if re.search(r"ssr:\s*false", facts.tree.text(config)):
        return Match("remix", (_depends(package), f"{config} says ssr: false"), output="build/client")
    serve = "react-router-serve" if package.startswith("@react-router") else "remix-serve"
    return Match("remix", (_depends(package),), start=_script(facts, "start") or f"{serve} ./build/server/index.js")


# -- Python -----------------------------------------------------------------------------------------------------------


def _packaged(facts: Facts, package: str) -> bool:
    return facts.python is not None and package in facts.python.packages


def _among(found: list[Application], said: str) -> tuple[str, ...]:
    others = [a.target for a in found[1:5]]
    return (f"{said}; others are {', '.join(others)}",) if others else ()


def _added(facts: Facts, server: str) -> tuple[str, ...]:
    """The server, where the app does not bring it."""
    return () if _packaged(facts, server) else (server,)


def _told_of(added: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{server} is not among its dependencies and is added" for server in added)


def _fastapi(facts: Facts) -> Match | None:
    if not _packaged(facts, "fastapi"):
        return None
    found = applications(facts.tree, "fastapi", "FastAPI")
    if not found:
        return Match(
            "python-fastapi",
            ("it depends on fastapi",),
            notes=("no FastAPI() was found at the top of a module: set startCommand",),
        )
    app = found[0]
    words = [
        f"uvicorn {app.target}",
        *(["--factory"] if app.factory else []),
        *(["--app-dir src"] if app.file.startswith("src/") else []),
    ]
    start = " ".join([*words, "--host 0.0.0.0 --port $PORT"])
    evidence, added = ("it depends on fastapi", f"{app.file} makes {app.name}"), _added(facts, "uvicorn")
    return Match(
        "python-fastapi", evidence, start=start, notes=(*_among(found, f"{app.target} was taken"), *_told_of(added)), adds=added
    )


def _flask(facts: Facts) -> Match | None:
    if not _packaged(facts, "flask"):
        return None
    found = applications(facts.tree, "flask", "Flask")
    if not found:
        return Match("flask", ("it depends on flask",), notes=("no Flask() was found at the top of a module: set startCommand",))
    app = found[0]
    path = " --pythonpath src" if app.file.startswith("src/") else ""
    start = f"gunicorn --bind 0.0.0.0:$PORT{path} '{app.target}{'()' if app.factory else ''}'"
    evidence, added = ("it depends on flask", f"{app.file} makes {app.name}"), _added(facts, "gunicorn")
    return Match("flask", evidence, start=start, notes=(*_among(found, f"{app.target} was taken"), *_told_of(added)), adds=added)


def _django(facts: Facts) -> Match | None:
    managed = first(facts.tree, "manage.py", "src/manage.py")
    if not managed or not (_packaged(facts, "django") or "django" in facts.tree.text(managed)):
        return None
    told = re.search(r"""DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)""", facts.tree.text(managed))
    evidence = (f"{managed} is there", *((f"its settings are {told.group(1)}",) if told else ()))
    root = managed.rpartition("manage.py")[0]
    settings = told.group(1).replace(".", "/") if told else ""
    text = (
        facts.tree.text(f"{root}{settings}.py")
        + facts.tree.text(f"{root}{settings}/__init__.py")
        + facts.tree.text(f"{root}{settings}/base.py")
    )
    named = re.search(r"""WSGI_APPLICATION\s*=\s*["']([\w.]+)\.(\w+)["']""", text)
    folder = told.group(1).split(".")[0] if told else ""
    target = f"{named.group(1)}:{named.group(2)}" if named else f"{folder}.wsgi:application" if folder else ""
    if not target:
        return Match("django", evidence, notes=("no WSGI application was found: set startCommand",))
    path, added = " --pythonpath src" if root else "", _added(facts, "gunicorn")
    return Match("django", evidence, start=f"gunicorn --bind 0.0.0.0:$PORT{path} {target}", notes=_told_of(added), adds=added)


# -- others -----------------------------------------------------------------------------------------------------------


def _go(facts: Facts) -> Match | None:
    if "go.mod" not in facts.tree.paths:
        return None
    sources = sorted(p for p in facts.tree.paths if p.endswith(".go") and not p.endswith("_test.go"))
    mains = [p for p in sources if re.search(r"^package main\b", facts.tree.text(p), re.MULTILINE)]
    folders = sorted({p.rpartition("/")[0] for p in mains}, key=lambda f: (f != "", not f.startswith("cmd/"), f.count("/"), f))
    if not folders:
        return Match("go", ("go.mod is there",), notes=("no package main was found: set buildCommand and startCommand",))
    notes = (f"./{folders[0] or '.'} was taken; others are {', '.join(folders[1:5])}",) if len(folders) > 1 else ()
    return Match("go", ("go.mod is there", f"{mains[0]} is a package main"), start="./out", output=folders[0], notes=notes)


def _static(facts: Facts) -> Match | None:
    page = first(facts.tree, "index.html", "public/index.html", "dist/index.html", "site/index.html")
    if not page:
        return None
    return Match("static", (f"{page} is there",), output=page.rpartition("/")[0] or ".")


_NODE, _PYTHON = "node", "python"
TABLE: tuple[Framework, ...] = (
    Framework("nextjs", _NODE, frozenset({"react-vite", "node-express", "static"}), _next),
    Framework("nuxt", _NODE, frozenset({"react-vite", "node-express", "static"}), _nuxt),
    Framework("sveltekit", _NODE, frozenset({"react-vite", "node-express", "static"}), _svelte),
    Framework("astro", _NODE, frozenset({"react-vite", "node-express", "static"}), _astro),
    Framework("remix", _NODE, frozenset({"react-vite", "node-express", "static"}), _remix),
    Framework("react-vite", _NODE, frozenset({"static"}), _vite),
    Framework("node-express", _NODE, frozenset({"static"}), _express),
    Framework("python-fastapi", _PYTHON, frozenset({"static"}), _fastapi),
    Framework("django", _PYTHON, frozenset({"static"}), _django),
    Framework("flask", _PYTHON, frozenset({"static"}), _flask),
    Framework("go", "go", frozenset({"static"}), _go),
    Framework("static", "static", frozenset(), _static),
)
NAMES = tuple(row.name for row in TABLE)
