"""The build plan of an app: every command, the layers, and the files that determine the dependency layer. Pure.

Commands in the spec replace the detected ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from landfall.builds.cache_keys import follows, installs_lock_file_only
from landfall.builds.detect.result import Detected, Match, PackageManager
from landfall.builds.detect.tree import Tree
from landfall.builds.frameworks.base import Framework
from landfall.builds.frameworks.registry import framework_of
from landfall.builds.languages.base import LEFT_OUT, Layer


@dataclass(frozen=True, slots=True)
class BuildOverrides:
    """Settings of the build in the spec. Empty: as detected."""

    framework: str = ""
    install: str = ""
    build: str = ""
    start: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """The build plan. `start` is empty for a static site in `output`; `keys` are the files that determine the dependencies.

    `packages` is the folder of packages, if the build commands need it and a later build can reuse it. `paths` are folders of the app with
    programs, which its container has on its PATH.
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
    paths: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def make_plan(tree: Tree, detection: Detected, overrides: BuildOverrides) -> BuildPlan:
    """Return the plan for a detected framework."""
    row = framework_of(detection.framework)
    language = row.language
    start = language.start(tree, overrides.start or detection.match.start)
    output = overrides.output or detection.match.output
    site = not start
    fallback = (detection.match.fallback or row.fallback) if site else ""
    build = (overrides.build,) if overrides.build else row.build(tree, detection.match, language.build(tree, detection))
    return BuildPlan(
        framework=detection.framework,
        runtime=language.name,
        version=detection.runtime.resolved,
        version_source=f"{detection.runtime.source}"
        + (f" ({detection.runtime.requested})" if detection.runtime.requested else ""),
        package_manager=_manager_text(detection.package_manager),
        install=(overrides.install,) if overrides.install else language.install(detection),
        build=build,
        start=start,
        output=output if site else "",
        fallback=fallback,
        env=_env(row, detection.match, fallback, site=site),
        layers=_layers(row, detection.match, output, site=site),
        keys=follows(tree, detection, overrides.install),
        packages=language.packages(detection) if build else "",
        paths=() if site else language.paths,
        evidence=detection.match.evidence,
        notes=(
            *detection.notes,
            *(() if start or output else ("the start command is unknown: set startCommand",)),
            *(
                ()
                if installs_lock_file_only(overrides.install)
                else ("installCommand may do more than install packages, so every build executes it",)
            ),
        ),
    )


def _manager_text(manager: PackageManager | None) -> str:
    if manager is None:
        return ""
    return f"{manager.name}{' ' + manager.version if manager.version else ''} ({manager.source})"


def _env(row: Framework, match: Match, fallback: str, *, site: bool) -> dict[str, str]:
    if site:
        return {"FALLBACK": fallback} if fallback else {}
    return {**row.env, **row.language.env(), **match.env}


def _layers(row: Framework, match: Match, output: str, *, site: bool) -> tuple[Layer, ...]:
    if site:
        folder = output or "."
        return (Layer("site", (folder,), LEFT_OUT, () if folder == "." else (folder,)),)
    return row.layers(match) or row.language.layers()
