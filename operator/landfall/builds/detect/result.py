"""What detection answers: a framework with its evidence, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Version:
    """A runtime's version: what was asked for and where, and what that means among those that there are."""

    name: str
    requested: str
    resolved: str
    source: str


@dataclass(frozen=True, slots=True)
class PackageManager:
    """Who installs what the app needs: its name, a version where one is asked for, where that was read, and its lock file."""

    name: str
    version: str
    source: str
    lockfile: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A framework that a tree may be of. `start` is how it is started, where that follows from the tree; `output` where a site ends up.

    `adds` are packages that it needs to be served and does not name.
    """

    framework: str
    evidence: tuple[str, ...]
    start: str = ""
    output: str = ""
    notes: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Detected:
    """The one framework that fits."""

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
    """None, or more than one. `reason` is a stable word, the message says what was looked at and what to do."""

    reason: str
    message: str
    candidates: tuple[Match, ...] = field(default=())
