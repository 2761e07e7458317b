"""What a service outside can answer instead of what was asked for."""

from __future__ import annotations


class ProviderError(Exception):
    """It could not be asked, or it failed; `after_seconds` says when asking again makes sense."""

    def __init__(self, reason: str, message: str, *, after_seconds: float = 30, stands: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.after_seconds = after_seconds
        self.stands = stands
        """Whether it stays so until a person changes something."""
