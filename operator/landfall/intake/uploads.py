"""Uploaded archives: from the gateway to the registry, whose credentials stay in the app's namespace. Nothing is stored in between."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from landfall.builds.errors import BuildError
from landfall.builds.image.registry import Reference, Registry, credentials
from landfall.controllers.deployment.build_jobs import BuildSettings
from landfall.intake.answers import refused
from landfall.intake.token_review import Gateway
from landfall.kube.client import Kube
from landfall.kube.errors import KubeError
from landfall.lib import outgoing
from landfall.lib.text import advised

LARGEST = 512 * 1024 * 1024
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Uploads:
    """Accepts one archive at a time from each caller."""

    def __init__(self, kube: Kube, gateway: Gateway, builds: BuildSettings) -> None:
        self._kube = kube
        self._gateway = gateway
        self._builds = builds

    def routes(self) -> list[Route]:
        """The route."""
        return [Route("/v1/uploads", self._upload, methods=["POST"])]

    async def _upload(self, request: Request) -> Response:
        namespace, digest = request.query_params.get("namespace", ""), request.query_params.get("digest", "")
        size = int(request.headers["Content-Length"]) if "Content-Length" in request.headers else None
        wrong = await self._gateway.refused(request) or self._wrong(namespace, digest, size)
        if wrong:
            return wrong
        hashed_body = _Hashed(request)
        try:
            await self._put(namespace, digest, hashed_body, size or 0)
        except BuildError as error:
            if hashed_body.over and hashed_body.digest != digest:
                return refused(409, f"the digest of the archive is {hashed_body.digest}, expected {digest}")
            return refused(503, advised(error.message, error.advice))
        except KubeError:
            return refused(503, "the registry's credentials cannot be read now")
        return JSONResponse({"artifact": digest, "size": size}, status_code=201)

    def _wrong(self, namespace: str, digest: str, size: int | None) -> Response | None:
        if not self._builds.registry:
            return refused(409, "builds are disabled in this cluster: builds.registry of the chart is not set")
        if not _NAMESPACE.fullmatch(namespace) or not _DIGEST.fullmatch(digest):
            return refused(400, "the parameters namespace and digest are required")
        if size is None:
            return refused(411, "the header Content-Length is missing")
        return refused(413, f"the archive is larger than {LARGEST} bytes") if size > LARGEST else None

    async def _put(self, namespace: str, digest: str, hashed_body: _Hashed, size: int) -> None:
        reference = Reference.parse(f"{self._builds.registry}/{namespace}/uploads")
        identity = await self._identity(namespace, reference.host)
        async with outgoing.client() as client:
            registry = Registry(client, reference.host, insecure=self._builds.insecure, identity=identity)
            if not await registry.put_blob(reference.repository, digest, hashed_body.pieces(), size):
                async for _ in hashed_body.pieces():  # the registry has it already; read the body to its end
                    pass

    async def _identity(self, namespace: str, host: str) -> tuple[str, str] | None:
        if not self._builds.secret:
            return None
        secret = await self._kube.get("Secret", namespace, self._builds.secret)
        text = (secret or {}).get("data", {}).get(".dockerconfigjson", "")
        return credentials(json.loads(base64.b64decode(text)), host) if text else None


class _Hashed:
    """A streamed body and its digest."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._found = hashlib.sha256()
        self.over = False

    @property
    def digest(self) -> str:
        """The digest of what was read so far."""
        return f"sha256:{self._found.hexdigest()}"

    async def pieces(self) -> AsyncIterator[bytes]:
        """The parts of the body as they arrive."""
        async for piece in self._request.stream():
            self._found.update(piece)
            yield piece
        self.over = True
