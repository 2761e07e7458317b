"""What the API server can answer instead of what was asked for. Anything else is `KubeError` and worth another try."""

from __future__ import annotations


class KubeError(Exception):
    """The server could not be asked, or it failed; whether a write was applied is not known."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status
        self.message = message


class NotFoundError(KubeError):
    """There is no such object."""


class ConflictError(KubeError):
    """The object has changed since it was read, or the precondition does not hold."""


class AlreadyExistsError(KubeError):
    """An object of that name is there already."""


class InvalidError(KubeError):
    """The server refuses what the object says."""


class ForbiddenError(KubeError):
    """The operator's identity may not do this."""


def error_of(status: int, reason: str, message: str) -> KubeError:
    """The error that an answer means."""
    if status == 409 and reason == "AlreadyExists":
        return AlreadyExistsError(status, message)
    kinds = {400: InvalidError, 403: ForbiddenError, 404: NotFoundError, 409: ConflictError, 422: InvalidError}
    return kinds.get(status, KubeError)(status, message)
