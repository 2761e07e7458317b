"""How an app is built and started: every command, what becomes a layer, and what the dependency layer depends on. Pure.

What a person says goes before what was detected, command by command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from landfall.builds.cache_keys import follows, plain
from landfall.builds.detect.result import Detected, Match, PackageManager
from landfall.builds.detect.tree import Tree
from landfall.builds.frameworks.base import Framework
from landfall.builds.frameworks.registry import framework_of
from landfall.builds.languages.base import LEFT_OUT, Layer


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person says of the build. Empty: as detected."""

    framework: str = ""
    install: str = ""
    build: str = ""
    start: str = ""
    output: str = ""


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


def planned(tree: Tree, found: Detected, wishes: Wishes) -> BuildPlan:
    """The plan of what was detected."""
    row = framework_of(found.framework)
    language = row.language
    start = wishes.start or language.start(found.match.start)
    output = wishes.output or found.match.output
    site = not start
    fallback = row.fallback if site else ""
    build = (wishes.build,) if wishes.build else row.build(tree, found.match, language.build(tree, found))
    return BuildPlan(
        framework=found.framework,
        runtime=language.name,
        version=found.runtime.resolved,
        version_source=f"{found.runtime.source}" + (f" ({found.runtime.requested})" if found.runtime.requested else ""),
        package_manager=_named(found.package_manager),
        install=(wishes.install,) if wishes.install else language.install(found),
        build=build,
        start=start,
        output=output if site else "",
        fallback=fallback,
        env=_env(row, fallback, site=site),
        layers=_layers(row, found.match, output, site=site),
        keys=follows(tree, found, wishes.install),
        packages=language.packages(found) if build else "",
        evidence=found.match.evidence,
        notes=(
            *found.notes,
            *(() if start or output else ("how to start it is not known: set startCommand",)),
            *(() if plain(wishes.install) else ("installCommand may do more than install packages, so every build runs it",)),
        ),
    )


def _named(manager: PackageManager | None) -> str:
    if manager is None:
        return ""
    return f"{manager.name}{' ' + manager.version if manager.version else ''} ({manager.source})"


def _env(row: Framework, fallback: str, *, site: bool) -> dict[str, str]:
    if site:
        return {"FALLBACK": fallback} if fallback else {}
    return {**row.env, **row.language.env()}


def _layers(row: Framework, match: Match, output: str, *, site: bool) -> tuple[Layer, ...]:
    if site:
        folder = output or "."
        return (Layer("site", (folder,), LEFT_OUT, () if folder == "." else (folder,)),)
    return row.layers(match) or row.language.layers()
