"""Error responses: one envelope with stable codes, without traces and secrets."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from landfall.kube.errors import ConflictError, ForbiddenError, InvalidError, KubeError, NotFoundError


class ErrorDetail(BaseModel):
    """What failed."""

    code: str = Field(description="Machine-readable error code.")
    message: str = Field(description="What failed, and what to do.")
    field: str | None = Field(default=None, description="Path of the invalid field in the request.")


class Envelope(BaseModel):
    """Every error response."""

    error: ErrorDetail


_MEANS = {
    400: "The request is invalid: `invalid_request`, with the field's path.",
    401: "No valid key.",
    403: "The key, or its service account, lacks the permission.",
    404: "Not found in the key's namespace.",
    409: "Not possible in the current state; the code says why.",
    413: "The body is too large.",
    415: "The type of the body is not supported.",
    422: "The API server rejected the object.",
    429: "Too many requests; `Retry-After` says for how long.",
    503: "A required service is unavailable; `Retry-After` says when to retry.",
}
REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": Envelope, "description": text} for status, text in _MEANS.items()}


class ProblemError(Exception):
    """An error response. `code` is a stable word; `field` is the path of the invalid field of a request."""

    def __init__(self, status: int, code: str, message: str, *, field: str = "", retry_seconds: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_seconds = retry_seconds

    def body(self) -> dict[str, dict[str, str]]:
        """The envelope as JSON."""
        fields = {"code": self.code, "message": self.message, **({"field": self.field} if self.field else {})}
        return {"error": fields}


def answered(error: ProblemError) -> JSONResponse:
    """The HTTP response of an error."""
    headers = {"Retry-After": str(error.retry_seconds)} if error.retry_seconds else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.body(), status_code=error.status, headers=headers)


def problem_of(error: KubeError) -> ProblemError:
    """The response for an error of the API server. Its message is returned only for a conflict and an invalid object, because other messages may name objects that the caller must not see."""
    if isinstance(error, ConflictError):
        return ProblemError(409, "invalid_state", f"another field manager owns this field: {error.message}. Change it there.")
    if isinstance(error, ForbiddenError):
        return ProblemError(403, "forbidden", "this key's service account lacks the permission in the namespace")
    if isinstance(error, NotFoundError):
        return ProblemError(404, "not_found", "object not found")
    if isinstance(error, InvalidError):
        return ProblemError(422, "invalid_request", f"the API server rejected the object: {error.message}")
    return ProblemError(503, "unavailable", "the API server is not available. Try again", retry_seconds=5)
