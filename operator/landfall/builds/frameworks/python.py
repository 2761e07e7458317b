"""Frameworks of Python, and any other app of Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from landfall.builds.detect.procfile import processes
from landfall.builds.detect.result import Match
from landfall.builds.detect.shell import simple_commands
from landfall.builds.detect.tree import Tree
from landfall.builds.frameworks.base import Commands, Framework
from landfall.builds.languages.python import PYTHON, python_of, runs_python, start_line
from landfall.builds.languages.python import Python as Manifests
from landfall.builds.languages.python_apps import Application, applications
from landfall.builds.languages.python_packages import PACKAGES

_SERVERS = ("gunicorn", "uvicorn", "hypercorn", "daphne", "waitress", "streamlit", "chainlit", "celery")
# Options that a server needs to be reached, unless its line has one of the given marks.
_ADDRESS: dict[str, tuple[str, str]] = {
    "uvicorn": (r"--port|--uds|--fd", "--host 0.0.0.0 --port $PORT"),
    "hypercorn": (r"-b\b|--bind", "--bind 0.0.0.0:$PORT"),
    "flask": (r"--port|-p\b", "--host 0.0.0.0 --port $PORT"),
    "fastapi": (r"--port", "--host 0.0.0.0 --port $PORT"),
    "daphne": (r"-p\b|--port", "-b 0.0.0.0 -p $PORT"),
    "waitress": (r"--port|--listen", "--listen=0.0.0.0:$PORT"),
    "streamlit": (r"--server\.port", "--server.port $PORT --server.address 0.0.0.0 --server.headless true"),
    "chainlit": (r"--port", "--host 0.0.0.0 --port $PORT --headless"),
}
_ENTRIES = tuple(
    f"{folder}{name}.py"
    for folder in ("", "src/", "app/")
    for name in ("main", "app", "server", "bot", "run", "wsgi", "asgi", "index")
)
_STATIC = frozenset({"static"})
_BELOW = frozenset({"static", "python", "node", "site"})  # package.json beside them builds styles or scripts of their pages


def _packaged(tree: Tree, *packages: str) -> str:
    """The first of these packages that the app depends on; empty if there is none."""
    python = python_of(tree)
    return next((package for package in packages if python and package in python.packages), "")


def _among(applications: list[Application]) -> tuple[str, ...]:
    targets = [a.target for a in applications[1:5]]
    return (f"{applications[0].target} is used; others: {', '.join(targets)}",) if targets else ()


def _added(tree: Tree, server: str) -> tuple[str, ...]:
    """The server, if the app does not depend on one."""
    return () if _packaged(tree, server) else (server,)


def _with_server(tree: Tree, match: Match, server: str) -> Match:
    """The match, with its server among the packages."""
    added = _added(tree, server)
    notes = tuple(f"{name} is not among the dependencies and is added" for name in added)
    return replace(match, adds=added, notes=(*match.notes, *notes))


def _from_procfile(tree: Tree, match: Match) -> Match:
    """The match, started with the `web` line of the Procfile if there is one, or otherwise with its own line."""
    line = processes(tree).get("web", "")
    if not line:
        return match
    python = python_of(tree) or Manifests()
    start = _addressed(start_line(line, python))
    module = re.search(r"python3 -m (\w+)", start)
    server = module.group(1) if module and module.group(1) in _SERVERS else ""
    if not runs_python(line, python) or re.search(r"(^|&&|;)\s*(\./)?[\w./-]+\.sh\b|docker|heroku-php|vendor/bin", line):
        return replace(match, notes=(*match.notes, f"the web line of the Procfile is not used: {line}"))
    from_line = replace(
        match, start=start, adds=(), notes=(*match.notes[:0], "the start command is the web line of the Procfile")
    )
    return _with_server(tree, from_line, server) if server else from_line


def _addressed(line: str) -> str:
    """A start line whose server listens on the port of the app, if it names no other."""
    commands = simple_commands(line)
    module = re.search(r"python3 -m (\w+)", commands[-1].text) if commands else None
    marks, options = _ADDRESS.get(module.group(1), ("", "")) if module else ("", "")
    return line if not options or re.search(marks, commands[-1].text) else f"{line} {options}"


def _asgi(app: Application) -> str:
    factory, folder = " --factory" if app.factory else "", f" --app-dir {app.base}" if app.base else ""
    return f"uvicorn {app.target}{factory}{folder} --host 0.0.0.0 --port $PORT"


def _wsgi(app: Application) -> str:
    folder = f" --pythonpath {app.base}" if app.base else ""
    return f"gunicorn --bind 0.0.0.0:$PORT{folder} '{app.target}{'()' if app.factory else ''}'"


def _object(tree: Tree, name: str, package: str, kind: str, *, asgi: bool) -> Match | None:
    """The match of a framework whose app is an object of one class."""
    if not _packaged(tree, package):
        return None
    apps = applications(tree, package, kind)
    depends = f"it depends on {package}"
    if not apps:
        missing = f"no {kind}() found at the top level of a module, and no factory function without required arguments"
        return _from_procfile(tree, Match(name, (depends,), notes=(f"{missing}: set startCommand",)))
    evidence = (depends, f"{apps[0].file} makes {apps[0].name}")
    match = Match(name, evidence, start=_asgi(apps[0]) if asgi else _wsgi(apps[0]), notes=_among(apps))
    return _from_procfile(tree, _with_server(tree, match, "uvicorn" if asgi else "gunicorn"))


def _fastapi(tree: Tree) -> Match | None:
    return _object(tree, "python-fastapi", "fastapi", "FastAPI", asgi=True)


def _flask(tree: Tree) -> Match | None:
    return _object(tree, "flask", "flask", "Flask", asgi=False)


# -- Django ----------------------------------------------------------------------------------------------------------------------


def _managed(tree: Tree) -> str:
    """The manage.py nearest to the root; empty if there is none."""
    files = [p for p in tree.paths if p.rpartition("/")[2] == "manage.py" and p.count("/") <= 2]
    django = [p for p in files if "DJANGO_SETTINGS_MODULE" in tree.text(p) or "django" in tree.text(p)]
    return min(django, key=lambda p: (p.count("/"), p != "src/manage.py", p), default="")


def _django(tree: Tree) -> Match | None:
    managed = _managed(tree)
    if not managed or not (_packaged(tree, "django") or python_of(tree)):
        return None
    root = managed.rpartition("manage.py")[0]
    settings, default = _settings_module(tree, root, managed)
    evidence = (f"{managed} exists", *((f"its settings are {settings}",) if settings else ()))
    text = "".join(tree.text(p) for p in _settings_files(root, settings))
    setting = re.search(r"""WSGI_APPLICATION\s*=\s*["']([\w.]+)\.(\w+)["']""", text)
    folder = settings.split(".")[0]
    target = f"{setting.group(1)}:{setting.group(2)}" if setting else f"{folder}.wsgi:application" if folder else ""
    env = {"DJANGO_SETTINGS_MODULE": settings} if settings != default else {}
    if not target:
        return _from_procfile(tree, Match("django", evidence, notes=("no WSGI application found: set startCommand",)))
    path = f" --pythonpath {root.rstrip('/')}" if root else ""
    match = Match("django", evidence, start=f"gunicorn --bind 0.0.0.0:$PORT{path} {target}", env=env)
    return _from_procfile(tree, _with_server(tree, match, "gunicorn"))


def _settings_module(tree: Tree, root: str, managed: str) -> tuple[str, str]:
    """The settings for production, and those that manage.py and wsgi.py use by default; empty if there are none."""
    pattern = r"""DJANGO_SETTINGS_MODULE["'],?\s*(?:\]\s*=\s*)?["']([\w.]+)"""
    match = re.search(pattern, tree.text(managed))
    default = match.group(1) if match else ""
    served = re.search(pattern, tree.text(f"{root}{default.split('.')[0]}/wsgi.py"))
    default = served.group(1) if served else default
    package, _, last = default.rpartition(".")
    if last in {"local", "dev", "development", "develop", "base", "test", "settings"} and package:
        folder = f"{root}{package.replace('.', '/')}"
        names = (name for name in ("production", "prod") if f"{folder}/{name}.py" in tree.paths)
        production = next(names, "")
        if production and last != "settings":
            return f"{package}.{production}", default
    return default, default


def _settings_files(root: str, settings: str) -> tuple[str, ...]:
    path = settings.replace(".", "/")
    above = path.rpartition("/")[0]
    names = (
        f"{path}.py",
        f"{path}/__init__.py",
        f"{path}/base.py",
        f"{above}/base.py",
        f"{above}/common.py",
        f"{above}/__init__.py",
    )
    return tuple(dict.fromkeys(f"{root}{name}" for name in names))


def _django_build(tree: Tree, match: Match, _commands: Commands) -> Commands:
    managed = _managed(tree)
    if not managed or "STATIC_ROOT" not in _settings(tree):
        return ()
    variables = " ".join([*(f"{k}={v}" for k, v in match.env.items()), f"PYTHONPATH={PACKAGES}"])
    return (f"{variables} python3 {managed} collectstatic --noinput",)


def _settings(tree: Tree) -> str:
    names = {"settings.py", "base.py", "production.py", "prod.py", "common.py"}
    return "".join(tree.text(p) for p in sorted(tree.paths) if p.rpartition("/")[2] in names)


# -- any other app ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    """A package whose apps start in their own way: the classes or functions that make the app object, and its start line."""

    package: str
    makes: tuple[str, ...]
    line: Callable[[Application], str]
    server: str = ""


def _file(text: str) -> Callable[[Application], str]:
    return lambda app: text.replace("FILE", app.file)


_KINDS = (
    _Kind("streamlit", (), _file("streamlit run FILE --server.port $PORT --server.address 0.0.0.0 --server.headless true")),
    _Kind("chainlit", (), _file("chainlit run FILE --host 0.0.0.0 --port $PORT --headless")),
    _Kind("gradio", (), _file("GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python3 FILE")),
    _Kind("python-fasthtml", ("fast_app", "FastHTML"), _asgi, "uvicorn"),
    _Kind("starlette", ("Starlette",), _asgi, "uvicorn"),
    _Kind("litestar", ("Litestar",), _asgi, "uvicorn"),
    _Kind("quart", ("Quart",), _asgi, "uvicorn"),
    _Kind("blacksheep", ("Application",), _asgi, "uvicorn"),
    _Kind("falcon", ("App",), _wsgi, "gunicorn"),
    _Kind("bottle", ("Bottle", "default_app"), _wsgi, "gunicorn"),
    _Kind("pyramid", ("make_wsgi_app",), _wsgi, "gunicorn"),
    _Kind("connexion", ("FlaskApp", "AsyncApp"), _asgi, "uvicorn"),
)
_MODULE = {"python-fasthtml": "fasthtml"}
_STAYS = re.compile(
    r"run_app\(|serve_forever|\.run\(|run_polling|while True|start_polling|\.launch\(|asyncio\.run\(|schedule\.|uvicorn\.run|app\.listen|serve\("
)


def _python(tree: Tree) -> Match | None:
    python = python_of(tree)
    if python is None:
        return None
    listed = processes(tree)
    if runs_python(listed.get("web", ""), python):
        from_procfile = _from_procfile(tree, Match("python", ("the Procfile names a web process",)))
        return from_procfile if from_procfile.start else None
    kind = next((kind for kind in _KINDS if kind.package in python.packages), None)
    if kind and (match := _by_kind(tree, kind)):
        return match
    if len(listed) == 1 and not {"web", "release"} & set(listed) and runs_python(next(iter(listed.values())), python):
        name, line = next(iter(listed.items()))
        note = f"the start command is the {name} line of the Procfile: it answers no HTTP requests unless it listens on PORT"
        return Match("python", (f"the Procfile names the process {name}",), start=line, notes=(note,))
    return _by_file(tree, python)


def _by_kind(tree: Tree, kind: _Kind) -> Match | None:
    module = _MODULE.get(kind.package, kind.package)
    evidence = f"it depends on {kind.package}"
    if not kind.makes:
        names = (p for p in _entries(tree) if re.search(rf"\b(import|from)\s+{module}\b", tree.text(p)))
        file = next(names, "")
        return Match("python", (evidence, f"{file} imports it"), start=kind.line(Application(file, "", ""))) if file else None
    apps = [*applications(tree, module, *kind.makes), *_unpacked(tree, module, kind.makes)]
    if not apps:
        return None
    match = Match("python", (evidence, f"{apps[0].file} makes {apps[0].name}"), start=kind.line(apps[0]), notes=_among(apps))
    return _with_server(tree, match, kind.server)


def _unpacked(tree: Tree, module: str, makes: tuple[str, ...]) -> list[Application]:
    """Objects of assignments such as `app, rt = fast_app()`."""
    pattern = re.compile(rf"^(\w+)\s*,[\w\s,*]*=\s*(?:\w+\.)?(?:{'|'.join(makes)})\(", re.MULTILINE)
    files = (p for p in _entries(tree) if module in tree.text(p))
    return [Application(file, "", match.group(1)) for file in files if (match := pattern.search(tree.text(file)))]


def _entries(tree: Tree) -> list[str]:
    """Files that may start an app: with a usual name first, then the others at the root."""
    root_files = sorted(
        p for p in tree.paths if p.endswith(".py") and "/" not in p and p not in {"setup.py", "conftest.py", "manage.py"}
    )
    return list(dict.fromkeys([*(p for p in _ENTRIES if p in tree.paths), *root_files]))


def _by_file(tree: Tree, python: Manifests) -> Match | None:
    usual = [p for p in _ENTRIES if p in tree.paths]
    starts = [p for p in usual if re.search(r"__name__\s*==\s*[\"']__main__", tree.text(p)) or _STAYS.search(tree.text(p))]
    if starts:
        note = "it is started as a script, and has to listen on 0.0.0.0 and the port in PORT"
        return Match("python", (f"{starts[0]} is a script that starts",), start=f"python3 {starts[0]}", notes=(note,))
    packages = [
        p for p in sorted(tree.paths) if p.endswith("/__main__.py") and p.count("/") <= 2 and not p.startswith(("test", "."))
    ]
    serves = python.packages & {
        "uvicorn",
        "gunicorn",
        "tornado",
        "hypercorn",
        "sanic",
        "waitress",
        "cheroot",
        "aiogram",
    }
    if len(packages) == 1 and serves:
        module = packages[0].removesuffix("/__main__.py").removeprefix("src/").replace("/", ".")
        return Match(
            "python",
            (f"{packages[0]} exists",),
            start=f"{'PYTHONPATH=src:$PYTHONPATH ' if packages[0].startswith('src/') else ''}python3 -m {module}",
        )
    if len(python.scripts) == 1 and serves:
        name = python.scripts[0][0]
        return Match("python", (f"pyproject.toml names the program {name}",), start=name)
    return None


ROWS = (
    Framework("python-fastapi", PYTHON, _fastapi, _BELOW),
    Framework("django", PYTHON, _django, _BELOW, build=_django_build),
    Framework("flask", PYTHON, _flask, _BELOW),
    Framework("python", PYTHON, _python, _STATIC),
)
