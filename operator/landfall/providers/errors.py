"""What a service outside can answer instead of what was asked for."""

from __future__ import annotations

from landfall.errors import LandfallError


class ProviderError(LandfallError):
    """It could not be asked, or it failed. `after_seconds` says when asking again makes sense, where the reason is retried by itself."""

    def __init__(self, reason: str, message: str, *, after_seconds: float = 30) -> None:
        super().__init__(message)
        self.reason = reason
        self.after_seconds = after_seconds
