"""Results of detection: a framework with its evidence, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a runtime: the requested range, its source, and the resolved available version.

    `near`: the requested version is not available, and a similar one is used.
    """

    name: str
    requested: str
    resolved: str
    source: str
    near: bool = False


@dataclass(frozen=True, slots=True)
class PackageManager:
    """The package manager: its name, the requested version if any, where that was read, and the lock file."""

    name: str
    version: str
    source: str
    lockfile: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A possible framework of a tree.

    `start` is the start command if the tree determines it; `output` is the output folder of a static site; `adds` are packages that are
    needed to serve it and that its manifests do not list. `builds` are commands of the build in addition to those of its language, `env`
    are variables of the app. `fallback` is the path that a site serves for a missing file. `refusal` says why it cannot be built, and what
    to do; empty if it can.
    """

    framework: str
    evidence: tuple[str, ...]
    start: str = ""
    output: str = ""
    notes: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    fallback: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Detected:
    """The detected framework."""

    match: Match
    runtime: Version
    package_manager: PackageManager | None
    notes: tuple[str, ...] = ()

    @property
    def framework(self) -> str:
        """Its name."""
        return self.match.framework


@dataclass(frozen=True, slots=True)
class Undetected:
    """No framework, or more than one. `reason` is stable; the message says what was checked and what to do."""

    reason: str
    message: str
    candidates: tuple[Match, ...] = field(default=())
