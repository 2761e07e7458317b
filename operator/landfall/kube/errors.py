"""Errors of the Kubernetes API. Every error that has no class of its own is `KubeError` and can be retried."""

from __future__ import annotations


class KubeError(Exception):
    """The request failed or got no response; it is unknown whether a write was applied."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status
        self.message = message


class NotFoundError(KubeError):
    """The object does not exist."""


class ConflictError(KubeError):
    """The object has changed since it was read, or a precondition failed."""


class AlreadyExistsError(KubeError):
    """An object of that name exists."""


class InvalidError(KubeError):
    """The API server rejected the object's content."""


class ForbiddenError(KubeError):
    """The client's identity lacks the permission."""


def error_of(status: int, reason: str, message: str) -> KubeError:
    """The error class for a response."""
    if status == 409 and reason == "AlreadyExists":
        return AlreadyExistsError(status, message)
    kinds = {400: InvalidError, 403: ForbiddenError, 404: NotFoundError, 409: ConflictError, 422: InvalidError}
    return kinds.get(status, KubeError)(status, message)
