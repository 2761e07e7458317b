"""Errors of outside services."""

from __future__ import annotations

from landfall.errors import LandfallError


class ProviderError(LandfallError):
    """The service is not reachable, or its request failed. `after_seconds`: when to retry, if the reason is retried automatically."""

    def __init__(self, reason: str, message: str, *, after_seconds: float = 30) -> None:
        super().__init__(message)
        self.reason = reason
        self.after_seconds = after_seconds


class ProviderConflictError(ProviderError):
    """The provider already has what was to be created."""

    def __init__(self, message: str) -> None:
        super().__init__("DatabaseConflict", message)
