"""`/v1/uploads`: archives for `source: zip`, streamed to the registry. The request contains the expected digest, which is verified."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Protocol, cast

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from landfall.gateway.dependencies import CallerDep
from landfall.gateway.errors import ProblemError
from landfall.gateway.requests import SHA256

LARGEST = 512 * 1024 * 1024
_KINDS = frozenset({"application/zip", "application/octet-stream", "application/x-zip-compressed"})
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
}
_RIGHT = {"verb": "create", "group": "landfall.dev", "resource": "migrations"}
Object = dict[str, Any]
ROUTER = APIRouter(prefix="/v1/uploads", tags=["migrations"])


class Uploader(Protocol):
    """Forwards archives."""

    async def upload(self, namespace: str, digest: str, size: int, body: AsyncIterator[bytes]) -> None:
        """Forward an archive to the registry. Raises ProblemError."""


class Artifact(BaseModel):
    """A stored archive."""

    artifact: str = Field(description="Value for `artifact` of a migration.")
    size: int = Field(description="Size in bytes.")


class ArtifactAnswer(BaseModel):
    """A stored archive."""

    data: Artifact


@ROUTER.post("", status_code=201, openapi_extra=_BODY)
async def upload(
    caller: CallerDep, request: Request, sha256: Annotated[str, Query(pattern=SHA256, description="Expected SHA-256 digest.")]
) -> ArtifactAnswer:
    """Upload an archive. The same archive is stored only once."""
    caller.may_write()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _KINDS:
        raise ProblemError(415, "unsupported_media_type", "send an archive as application/zip")
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise ProblemError(400, "invalid_request", "the header Content-Length is missing", field="content-length")
    if int(length) > LARGEST:
        raise ProblemError(413, "too_large", f"the archive is larger than {LARGEST} bytes")
    attributes = {**_RIGHT, "namespace": caller.key.namespace}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    review = await caller.kube.create("SelfSubjectAccessReview", body)
    if not review.get("status", {}).get("allowed"):
        raise ProblemError(403, "forbidden", "this key's service account lacks the permission in the namespace")
    uploader = cast("Uploader", request.app.state.uploader)
    await uploader.upload(caller.key.namespace, f"sha256:{sha256}", int(length), request.stream())
    caller.audit("upload", "", f"sha256:{sha256}")
    return ArtifactAnswer(data=Artifact(artifact=f"sha256:{sha256}", size=int(length)))
