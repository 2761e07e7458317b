"""Errors of a build: each message names the object and what to do."""

from __future__ import annotations

from landfall.errors import LandfallError


class BuildError(LandfallError):
    """A build failed. `advice` says what to do, `log` is the end of the output."""

    reason = "BuildFailed"

    def __init__(self, message: str, *, advice: str = "", log: str = "") -> None:
        super().__init__(message, advice=advice)
        self.log = log


class HostileSourceError(BuildError):
    """The source tree has a link that leaves it."""

    reason = "SourceRefused"


class UndetectedError(BuildError):
    """No unique framework was detected; `reason` is the reason of the detection."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NoStartError(BuildError):
    """The framework is known, but not the start command."""

    reason = "NoStartCommand"


class StartMissingError(BuildError):
    """What the start command runs, or the page of a site, is not among the files of the image."""

    reason = "StartMissing"


class BuildDiskFullError(BuildError):
    """The disk is full."""

    reason = "BuildDiskFull"
