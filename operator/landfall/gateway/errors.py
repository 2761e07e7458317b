"""What an HTTP caller is told instead of an answer: one envelope, stable codes, no trace and no secret."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from landfall.kube.errors import ConflictError, ForbiddenError, InvalidError, KubeError, NotFoundError


class Told(BaseModel):
    """What is wrong."""

    code: str = Field(description="Machine-readable error code.")
    message: str = Field(description="What failed, and what to do.")
    field: str | None = Field(default=None, description="Path of the invalid field in the request.")


class Envelope(BaseModel):
    """Every answer that is none."""

    error: Told


_MEANS = {
    400: "The request makes no sense: `invalid_request`, with the field's path.",
    401: "No valid key.",
    403: "The key, or the account that it is, may not do that.",
    404: "There is nothing of that name in the key's namespace.",
    409: "Not now: the code says why.",
    413: "The body is too large.",
    415: "The body is of a kind that is not taken here.",
    422: "The API server does not take it.",
    429: "Too many requests; `Retry-After` says for how long.",
    503: "What is needed cannot be asked now; `Retry-After` says when to try again.",
}
REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": Envelope, "description": told} for status, told in _MEANS.items()}


class ProblemError(Exception):
    """`code` is a stable word; `field` is the path of what is wrong in a request."""

    def __init__(self, status: int, code: str, message: str, *, field: str = "", retry_seconds: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_seconds = retry_seconds

    def body(self) -> dict[str, dict[str, str]]:
        """The envelope."""
        told = {"code": self.code, "message": self.message, **({"field": self.field} if self.field else {})}
        return {"error": told}


def answered(error: ProblemError) -> JSONResponse:
    """As it is sent."""
    headers = {"Retry-After": str(error.retry_seconds)} if error.retry_seconds else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.body(), status_code=error.status, headers=headers)


def of(error: KubeError) -> ProblemError:
    """What an API server's refusal means to whoever asked here. Its own words may name what they must not see, so only a conflict's are told."""
    if isinstance(error, ConflictError):
        return ProblemError(409, "invalid_state", f"somebody else has a say in this: {error.message}. Change it there.")
    if isinstance(error, ForbiddenError):
        return ProblemError(403, "forbidden", "this key's identity may not do that: its role in the namespace does not allow it")
    if isinstance(error, NotFoundError):
        return ProblemError(404, "not_found", "there is nothing of that name")
    if isinstance(error, InvalidError):
        return ProblemError(422, "invalid_request", f"the API server does not take it: {error.message}")
    return ProblemError(503, "unavailable", "the API server cannot be asked now; try again", retry_seconds=5)
