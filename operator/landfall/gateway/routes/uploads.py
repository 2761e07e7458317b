"""`/v1/uploads`: an archive for `source: zip`, sent through to the registry. What it must be is told beforehand, so that nothing else is taken for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Protocol, cast

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from landfall.gateway.dependencies import Asking
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
    """Sends on."""

    async def upload(self, namespace: str, digest: str, size: int, body: AsyncIterator[bytes]) -> None:
        """An archive into the registry. Raises ProblemError."""


class Artifact(BaseModel):
    """An archive that is there now."""

    artifact: str = Field(description="Value for `artifact` of a migration.")
    size: int = Field(description="Size in bytes.")


class ArtifactAnswer(BaseModel):
    """An archive that is there now."""

    data: Artifact


@ROUTER.post("", status_code=201, openapi_extra=_BODY)
async def upload(
    who: Asking, request: Request, sha256: Annotated[str, Query(pattern=SHA256, description="Expected SHA-256 digest.")]
) -> ArtifactAnswer:
    """Upload an archive. The same archive is stored only once."""
    who.may_write()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _KINDS:
        raise ProblemError(415, "unsupported_media_type", "an archive is sent as application/zip")
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise ProblemError(400, "invalid_request", "say how long it is: Content-Length", field="content-length")
    if int(length) > LARGEST:
        raise ProblemError(413, "too_large", f"an archive is no larger than {LARGEST} octets")
    attributes = {**_RIGHT, "namespace": who.key.namespace}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    review = await who.kube.create("SelfSubjectAccessReview", body)
    if not review.get("status", {}).get("allowed"):
        raise ProblemError(403, "forbidden", "this key's identity may not do that: its role in the namespace does not allow it")
    uploader = cast("Uploader", request.app.state.uploader)
    await uploader.upload(who.key.namespace, f"sha256:{sha256}", int(length), request.stream())
    who.audit("upload", "", f"sha256:{sha256}")
    return ArtifactAnswer(data=Artifact(artifact=f"sha256:{sha256}", size=int(length)))
