"""How an app is built and started: every command, what becomes a layer, and what the dependency layer depends on. Pure.

What a person says goes before what was detected, command by command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from landfall.builds.cache_keys import follows, plain
from landfall.builds.detect.result import Detected, PackageManager
from landfall.builds.detect.tree import Tree, first
from landfall.builds.languages.node import node_of
from landfall.builds.languages.node_packages import install, program

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
    """All of it. `start` is empty for a site of files, which `output` holds; `keys` are the files that the dependencies follow from.

    `packages` is the folder of packages, where the build's commands need it and it can be kept from one build to the next.
    """

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
    packages: str = ""
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


# A folder of packages instead of an environment: it names no interpreter and no place.
_PACKAGES = ".packages"
_INTO = f"uv pip install --target {_PACKAGES}"
_LIST = ".requirements.txt"
_COMPILED = f"uv pip compile --quiet pyproject.toml --output-file {_LIST}"
_PIPENV = "uv tool run --quiet --from pipenv==2025.0.4 pipenv"
_LISTED = f"{_PIPENV} requirements --hash > {_LIST} && sed -i /^-i/d {_LIST}"
# How a lock file, and else a manifest, becomes a list of packages; none of it leaves a lock file where there was none.
_LISTS = {
    "uv": (f"uv export --quiet --locked --no-dev --no-emit-project --output-file {_LIST}", _COMPILED),
    "poetry": (
        f"uv tool run --quiet --from poetry==2.2.1 --with poetry-plugin-export==1.9.0 poetry export --quiet --only main --output {_LIST}",
        _COMPILED,
    ),
    "pdm": (_COMPILED, _COMPILED),
    "pipenv": (_LISTED, f"{_PIPENV} lock --quiet && {_LISTED} && rm Pipfile.lock"),
}
_RUN_ENV = {
    "nextjs": {"HOSTNAME": "0.0.0.0", "NODE_ENV": "production"},  # noqa: S104  a pod's own name would be taken otherwise
    "astro": {"HOST": "0.0.0.0", "NODE_ENV": "production"},  # noqa: S104  the pod's network is its own
    "nuxt": {"HOST": "0.0.0.0", "NODE_ENV": "production"},  # noqa: S104  the same
    "sveltekit": {"HOST": "0.0.0.0", "NODE_ENV": "production"},  # noqa: S104  the same
}
_LEFT_OUT = (".git", ".github", ".env", ".env.*", "node_modules/.cache", "**/__pycache__", ".yarn")


def planned(tree: Tree, found: Detected, wishes: Wishes) -> BuildPlan:
    """The plan of what was detected."""
    runtime = found.runtime.name
    start = wishes.start or _started(found)
    output = wishes.output or found.match.output
    site = not start
    fallback = "/index.html" if site and found.framework == "react-vite" else ""
    build = (wishes.build,) if wishes.build else _build(tree, found)
    return BuildPlan(
        framework=found.framework,
        runtime=runtime,
        version=found.runtime.resolved,
        version_source=f"{found.runtime.source}" + (f" ({found.runtime.requested})" if found.runtime.requested else ""),
        package_manager=_named(found.package_manager),
        install=(wishes.install,) if wishes.install else _install(found),
        build=build,
        start=start,
        output=output if site else "",
        fallback=fallback,
        env=({"FALLBACK": fallback} if fallback else {}) if site else _env(found),
        layers=_layers(found, output, site=site),
        keys=follows(tree, found, wishes.install),
        packages=_packages(found) if build else "",
        evidence=found.match.evidence,
        notes=(
            *found.notes,
            *(() if start or output else ("how to start it is not known: set startCommand",)),
            *(() if plain(wishes.install) else ("installCommand may do more than install packages, so every build runs it",)),
        ),
    )


def _packages(found: Detected) -> str:
    """Where packages are."""
    if found.runtime.name == "node" and found.package_manager:
        return "node_modules"
    return _PACKAGES if found.runtime.name == "python" else ""


def _named(manager: PackageManager | None) -> str:
    if manager is None:
        return ""
    return f"{manager.name}{' ' + manager.version if manager.version else ''} ({manager.source})"


def _started(found: Detected) -> str:
    return f"python3 -m {found.match.start}" if found.runtime.name == "python" and found.match.start else found.match.start


def _env(found: Detected) -> dict[str, str]:
    if found.runtime.name == "python":
        return {"PYTHONUNBUFFERED": "1", "PYTHONPATH": f"/app/{_PACKAGES}"}
    return dict(_RUN_ENV.get(found.framework, {"NODE_ENV": "production"} if found.runtime.name == "node" else {}))


def _install(found: Detected) -> tuple[str, ...]:
    manager = found.package_manager
    if found.runtime.name == "go":
        return ("go mod download",)
    if manager is None:
        return ()
    if found.runtime.name == "node":
        return (install(manager),)
    lists = _LISTS.get(manager.name)
    if lists:
        listed = f"{lists[0] if manager.lockfile else lists[1]} && {_INTO} -r {_LIST}"
    else:
        listed = f"{_INTO} {'-r requirements.txt' if manager.lockfile else '.'}"
    more = " ".join(found.match.adds)
    # Bytecode that holds no times: the same for the same packages.
    compiled = f"python3 -m compileall -q --invalidation-mode unchecked-hash {_PACKAGES}"
    return (listed, *((f"{_INTO} {more}",) if more else ()), compiled)


def _build(tree: Tree, found: Detected) -> tuple[str, ...]:
    if found.runtime.name == "go":
        return (f'CGO_ENABLED=0 go build -ldflags="-w -s" -o out ./{found.match.output or "."}'.replace("./.", "."),)
    if found.framework == "django":
        managed = first(tree, "manage.py", "src/manage.py")
        return (
            (f"PYTHONPATH={_PACKAGES} python3 {managed} collectstatic --noinput",)
            if managed and "STATIC_ROOT" in _settings(tree)
            else ()
        )
    if found.runtime.name != "node" or found.package_manager is None:
        return ()
    node = node_of(tree)
    scripted = node is not None and "build" in node.scripts
    if not scripted and found.framework != "nextjs":
        return ()
    run = f"{program(found.package_manager)} run build" if scripted else "npx next build"
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
        return (
            Layer("dependencies", (_PACKAGES,), (f"{_PACKAGES}/bin", f"{_PACKAGES}/.lock", "direct_url.json")),
            Layer("app", (".",), (_PACKAGES, _LIST, *_LEFT_OUT)),
        )
    return (
        Layer("dependencies", ("node_modules",), ("node_modules/.cache",)),
        Layer("app", (".",), ("node_modules", *_LEFT_OUT)),
    )
