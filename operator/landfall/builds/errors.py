"""What can go wrong with a build: each names the thing and the way out."""

from __future__ import annotations

from landfall.errors import LandfallError


class BuildError(LandfallError):
    """A build that did not come to its end. `advice` says what to do, `log` is the end of what was printed."""

    reason = "BuildFailed"

    def __init__(self, message: str, *, advice: str = "", log: str = "") -> None:
        super().__init__(message, advice=advice)
        self.log = log


class HostileSourceError(BuildError):
    """The tree points out of itself."""

    reason = "SourceRefused"


class UndetectedError(BuildError):
    """Nobody can say what it is; `reason` is detection's own word for why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NoStartError(BuildError):
    """It is known what it is, and not how it is started."""

    reason = "NoStartCommand"


class DiskFullError(BuildError):
    """What is built does not fit."""

    reason = "BuildDiskFull"
