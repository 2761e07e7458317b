"""How an app is built and started: every command, what becomes a layer, and what the dependency layer depends on. Pure.

What a person says goes before what was detected, command by command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from landfall.builds.detect.found import Detected, PackageManager
from landfall.builds.detect.node import node_of
from landfall.builds.detect.tree import Tree, first

# The versions that the project's builder and run images have.
KNOWN: Mapping[str, tuple[str, ...]] = {
    "node": ("20.19.5", "22.20.0", "24.9.0"),
    "python": ("3.11", "3.12", "3.13"),
    "go": ("1.24", "1.25"),
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person says of the build. Empty: as detected."""

    framework: str = ""
    install: str = ""
    build: str = ""
    start: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """Files of the app that go into the image together: paths, and paths among them that do not. What is in `rooted` lies at the root."""

    name: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    rooted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """All of it. `start` is empty for a site of files, which `output` holds; `keys` are the files that the dependencies follow from."""

    framework: str
    runtime: str
    version: str
    version_source: str
    package_manager: str
    install: tuple[str, ...]
    build: tuple[str, ...]
    start: str
    output: str
    fallback: str
    env: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    keys: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


_INSTALLS = {
    "npm": ("npm install --no-audit --no-fund", "npm install --no-audit --no-fund"),
    "pnpm": ("pnpm install --frozen-lockfile --prefer-offline", "pnpm install"),
    "yarn": ("yarn install --frozen-lockfile", "yarn install"),
    "bun": ("bun install --frozen-lockfile", "bun install"),
}
_BERRY = ("yarn install --immutable", "yarn install")
# A folder of packages instead of an environment, where the package manager can: it names no interpreter and no place.
_PACKAGES = ".packages"
_INTO = f"uv pip install --target {_PACKAGES}"
_EXPORT = "uv export --quiet {how} --no-dev --no-emit-project --output-file .requirements.txt"
_PYTHON_INSTALLS = {
    "uv": (
        f"{_EXPORT.format(how='--locked')} && {_INTO} -r .requirements.txt",
        f"{_EXPORT.format(how='')} && {_INTO} -r .requirements.txt",
    ),
    "pip": (f"{_INTO} -r requirements.txt", f"{_INTO} ."),
    "poetry": ("POETRY_VIRTUALENVS_IN_PROJECT=true poetry install --no-interaction --only main --no-root",) * 2,
    "pdm": ("pdm install --check --prod --no-editable",) * 2,
    "pipenv": ("PIPENV_VENV_IN_PROJECT=1 pipenv install --deploy --ignore-pipfile", "PIPENV_VENV_IN_PROJECT=1 pipenv install"),
}
_RUN_ENV = {
    "nextjs": {"HOSTNAME": "0.0.0.0", "NODE_ENV": "production"},  # noqa: S104  a pod's own name would be taken otherwise
    "astro": {"HOST": "0.0.0.0", "NODE_ENV": "production"},  # noqa: S104  the pod's network is its own
    "nuxt": {"HOST": "0.0.0.0", "NODE_ENV": "production"},  # noqa: S104  the same
    "sveltekit": {"HOST": "0.0.0.0", "NODE_ENV": "production"},  # noqa: S104  the same
}
_MANIFESTS = (
    "package.json",
    ".npmrc",
    ".yarnrc.yml",
    "pnpm-workspace.yaml",
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "go.mod",
    "go.sum",
)
_LEFT_OUT = (".git", ".github", ".env", ".env.*", "node_modules/.cache", "**/__pycache__")


def planned(tree: Tree, found: Detected, wishes: Wishes) -> BuildPlan:
    """The plan of what was detected."""
    runtime = found.runtime.name
    start = wishes.start or _started(found)
    output = wishes.output or found.match.output
    site = not start
    fallback = "/index.html" if site and found.framework == "react-vite" else ""
    scripts_build = _build(tree, found)
    return BuildPlan(
        framework=found.framework,
        runtime=runtime,
        version=found.runtime.resolved,
        version_source=f"{found.runtime.source}" + (f" ({found.runtime.requested})" if found.runtime.requested else ""),
        package_manager=_named(found.package_manager),
        install=(wishes.install,) if wishes.install else _install(found),
        build=(wishes.build,) if wishes.build else scripts_build,
        start=start,
        output=output if site else "",
        fallback=fallback,
        env=({"FALLBACK": fallback} if fallback else {}) if site else _env(found),
        layers=_layers(found, output, site=site),
        keys=tuple(k for k in (*_MANIFESTS, found.package_manager.lockfile if found.package_manager else "") if k in tree.paths),
        evidence=found.match.evidence,
        notes=(*found.notes, *(() if start or output else ("how to start it is not known: set startCommand",))),
    )


def _named(manager: PackageManager | None) -> str:
    if manager is None:
        return ""
    return f"{manager.name}{' ' + manager.version if manager.version else ''} ({manager.source})"


def _bare(found: Detected) -> bool:
    """Whether Python's packages are a folder, and no environment."""
    return found.package_manager is None or found.package_manager.name in {"pip", "uv"}


def _compiled(found: Detected) -> str:
    """Bytecode that holds no times: the same for the same packages."""
    folder, python = (_PACKAGES, "python3") if _bare(found) else (".venv", ".venv/bin/python")
    return f"{python} -m compileall -q --invalidation-mode unchecked-hash {folder}"


def _started(found: Detected) -> str:
    if found.runtime.name != "python" or not found.match.start:
        return found.match.start
    return f"{'python3' if _bare(found) else '.venv/bin/python'} -m {found.match.start}"


def _env(found: Detected) -> dict[str, str]:
    if found.runtime.name == "python":
        return {"PYTHONUNBUFFERED": "1", **({"PYTHONPATH": f"/app/{_PACKAGES}"} if _bare(found) else {})}
    return dict(_RUN_ENV.get(found.framework, {"NODE_ENV": "production"} if found.runtime.name == "node" else {}))


def _install(found: Detected) -> tuple[str, ...]:
    manager = found.package_manager
    if found.runtime.name == "go":
        return ("go mod download",)
    if manager is None:
        return ()
    if found.runtime.name == "python":
        locked, loose = _PYTHON_INSTALLS[manager.name]
        more = " ".join(found.match.adds)
        into = _INTO if _bare(found) else "uv pip install --python .venv"
        return (locked if manager.lockfile else loose, *((f"{into} {more}",) if more else ()), _compiled(found))
    locked, loose = _BERRY if manager.name == "yarn" and manager.version[:1] not in {"", "1"} else _INSTALLS[manager.name]
    return (locked if manager.lockfile else loose,)


def _build(tree: Tree, found: Detected) -> tuple[str, ...]:
    if found.runtime.name == "go":
        return (f'CGO_ENABLED=0 go build -ldflags="-w -s" -o out ./{found.match.output or "."}'.replace("./.", "."),)
    if found.framework == "django":
        program = f"PYTHONPATH={_PACKAGES} python3" if _bare(found) else ".venv/bin/python"
        managed = first(tree, "manage.py", "src/manage.py")
        return (f"{program} {managed} collectstatic --noinput",) if managed and "STATIC_ROOT" in _settings(tree) else ()
    if found.runtime.name != "node" or found.package_manager is None:
        return ()
    node = node_of(tree)
    scripted = node is not None and "build" in node.scripts
    if not scripted and found.framework != "nextjs":
        return ()
    run = f"{found.package_manager.name} run build" if scripted else "npx next build"
    if found.framework == "nextjs" and found.match.start == "node server.js":
        return (f"NEXT_TELEMETRY_DISABLED=1 NEXT_PRIVATE_STANDALONE=true {run}",)
    return (run,)


def _settings(tree: Tree) -> str:
    return "".join(
        tree.text(p) for p in sorted(tree.paths) if p.rpartition("/")[2] in {"settings.py", "base.py", "production.py"}
    )


def _layers(found: Detected, output: str, *, site: bool) -> tuple[Layer, ...]:
    """Dependencies apart from the app, for they change less often."""
    if site:
        folder = output or "."
        return (Layer("site", (folder,), _LEFT_OUT, () if folder == "." else (folder,)),)
    if found.runtime.name == "go":
        return (Layer("app", ("out",)),)
    if found.framework == "nextjs" and found.match.start == "node server.js":
        inside, modules = ".next/standalone", ".next/standalone/node_modules"
        return (
            Layer("dependencies", (modules,), rooted=(inside,)),
            Layer("app", (inside, ".next/static", "public"), (modules,), (inside,)),
        )
    if found.runtime.name == "python":
        folder = _PACKAGES if _bare(found) else ".venv"
        return (
            Layer("dependencies", (folder,), (f"{_PACKAGES}/bin", f"{_PACKAGES}/.lock", "direct_url.json")),
            Layer("app", (".",), (folder, ".requirements.txt", *_LEFT_OUT)),
        )
    return (
        Layer("dependencies", ("node_modules",), ("node_modules/.cache",)),
        Layer("app", (".",), ("node_modules", *_LEFT_OUT)),
    )
