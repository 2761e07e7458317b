"""A client for image registries: the part of the OCI distribution specification 1.1 that is needed to push an image based on another one.

Blobs of the base image are mounted if registry and permissions allow it, and copied otherwise. The digest that the registry returns is
checked after a push.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

from landfall.builds.errors import BuildError
from landfall.builds.image.layout import MACHINE, MANIFEST
from landfall.lib import outgoing

_TYPES = (
    MANIFEST,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_LIMITS = outgoing.Timeouts(total=1200, read=120, write=120)
_HUB = ("docker.io", "registry-1.docker.io")
Document = dict[str, Any]


class RegistryError(BuildError):
    """The registry rejects the request until the user changes something."""

    reason = "RegistryRefused"


class RegistryUnreachableError(BuildError):
    """The registry does not answer, or failed. Retryable."""

    reason = "RegistryUnreachable"


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of an image: registry, repository, and tag or digest."""

    host: str
    repository: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse the name of an image; the default registry is Docker Hub."""
        name, _, digest = text.partition("@")
        head, slash, path = name.partition("/")
        if not slash or not ("." in head or ":" in head or head == "localhost"):
            head, path = _HUB[0], name if slash else f"library/{name}"
        repository, _, tag = path.partition(":")
        return cls(head, repository, digest or tag or "latest")


def configured(folder: Path) -> Document:
    """Read the Docker configuration of a mounted Secret of type kubernetes.io/dockerconfigjson; empty if there is none."""
    file = folder / ".dockerconfigjson"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def credentials(config: Mapping[str, Any], host: str) -> tuple[str, str] | None:
    """Return user name and password for a registry from a Docker configuration, in any of its spellings."""
    for key, entry in config.get("auths", {}).items():
        if re.sub(r"^https?://|/.*$", "", key) == host:
            if "auth" in entry:
                name, _, word = base64.b64decode(entry["auth"]).decode().partition(":")
                return name, word
            return str(entry.get("username", "")), str(entry.get("password", ""))
    return None


class Registry:
    """One registry, with one identity."""

    def __init__(self, client: outgoing.Client, host: str, *, insecure: bool, identity: tuple[str, str] | None) -> None:
        self.host = host
        self._client = client
        self._base = f"{'http' if insecure else 'https'}://{_HUB[1] if host == _HUB[0] else host}/v2/"
        self._identity = identity
        self._tokens: dict[str, str] = {}

    # -- reading ------------------------------------------------------------------------------------------------------

    async def manifest(self, repository: str, reference: str) -> tuple[Document, str] | None:
        """Return a manifest and its digest; None if it does not exist. From an index, the manifest for Linux on this architecture is chosen."""
        async with self._request(
            "GET", f"{repository}/manifests/{reference}", repository, headers={"Accept": ", ".join(_TYPES)}
        ) as answer:
            if answer.status_code == 404:
                return None
            await self._good(answer, 200)
            document = json.loads(await outgoing.body(answer))
            digest = answer.headers.get("Docker-Content-Digest", reference)
        if "manifests" in document:
            selected = next(
                (m for m in document["manifests"] if m.get("platform", {}).get("architecture") == MACHINE),
                document["manifests"][0],
            )
            return await self.manifest(repository, selected["digest"])
        return document, digest

    async def blob(self, repository: str, digest: str) -> bytes:
        """Read a small blob, such as a configuration."""
        async with self._request("GET", f"{repository}/blobs/{digest}", repository) as answer:
            await self._good(answer, 200)
            return await outgoing.body(answer)

    async def download(self, repository: str, digest: str, file: Path) -> bool:
        """Download a blob to a file and verify its digest. Return False if it does not exist."""
        actual = hashlib.sha256()
        async with self._request("GET", f"{repository}/blobs/{digest}", repository) as answer:
            if answer.status_code == 404:
                return False
            await self._good(answer, 200)
            with file.open("wb") as out:
                async for piece in outgoing.chunks(answer):
                    actual.update(piece)
                    out.write(piece)
        if digest != f"sha256:{actual.hexdigest()}":
            message = f"the registry {self.host} sent data that does not match {digest}"
            raise RegistryUnreachableError(message, advice="It is retried.")
        return True

    async def has(self, repository: str, digest: str) -> bool:
        """Return whether a blob exists."""
        async with self._request("HEAD", f"{repository}/blobs/{digest}", repository) as answer:
            return answer.status_code == 200

    # -- writing ------------------------------------------------------------------------------------------------------

    async def mounted(self, repository: str, digest: str, origin: str) -> bool:
        """Mount a blob of another repository. Return whether the registry did."""
        query = urlencode({"mount": digest, "from": origin})
        async with self._request("POST", f"{repository}/blobs/uploads/?{query}", repository, more=(origin,)) as answer:
            await self._good(answer, 201, 202)
            return answer.status_code == 201  # 202 opens an upload, which expires

    async def put_blob(self, repository: str, digest: str, data: bytes | Path | AsyncIterator[bytes], size: int) -> int:
        """Upload a blob unless it exists. Return the number of bytes sent."""
        if await self.has(repository, digest):
            return 0
        async with self._request("POST", f"{repository}/blobs/uploads/", repository) as answer:
            await self._good(answer, 202)
            location = urljoin(str(answer.url), answer.headers["Location"])
        target = f"{location}{'&' if '?' in location else '?'}{urlencode({'digest': digest})}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with contextlib.ExitStack() as opened:
            body = outgoing.file_chunks(opened.enter_context(data.open("rb"))) if isinstance(data, Path) else data
            async with self._request("PUT", target, repository, headers=headers, content=body, again=False) as answer:
                await self._good(answer, 201)
        return size

    async def put_manifest(self, repository: str, reference: str, data: bytes) -> str:
        """Upload a manifest. Return the digest that the registry reports."""
        headers = {"Content-Type": MANIFEST}
        async with self._request(
            "PUT", f"{repository}/manifests/{reference}", repository, headers=headers, content=data
        ) as answer:
            await self._good(answer, 201)
            return str(answer.headers.get("Docker-Content-Digest", ""))

    async def copied(self, origin: Registry, origin_repository: str, repository: str, layer: Document) -> int:
        """Mount a layer of another image, or copy it. Return the number of bytes sent."""
        digest, size = str(layer["digest"]), int(layer["size"])
        if await self.has(repository, digest):
            return 0
        if origin.host == self.host and await self.mounted(repository, digest, origin_repository):
            return 0
        async with origin._request("GET", f"{origin_repository}/blobs/{digest}", origin_repository) as answer:
            await origin._good(answer, 200)
            return await self.put_blob(repository, digest, outgoing.chunks(answer), size)

    # -- transport ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        repository: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: outgoing.Body | None = None,
        more: tuple[str, ...] = (),
        again: bool = True,
    ) -> AsyncIterator[outgoing.Response]:
        """Send a request; if the registry requires a token, get one first."""
        url, answered = path if "://" in path else f"{self._base}{path}", False
        try:
            async with contextlib.AsyncExitStack() as calls:
                answer = await calls.enter_async_context(self._send(method, url, repository, headers, content))
                if answer.status_code == 401 and again and repository not in self._tokens:
                    challenge = answer.headers.get("WWW-Authenticate", "")
                    await calls.aclose()
                    await self._authenticate(challenge, repository, more)
                    answer = await calls.enter_async_context(self._send(method, url, repository, headers, content))
                answered = True
                yield answer
        except outgoing.OutgoingError as error:
            problem = "broke off" if answered else "cannot be reached"
            message = f"the registry {self.host} {problem}: {error.kind}"
            raise RegistryUnreachableError(message, advice="It is retried.") from error

    def _send(
        self, method: str, url: str, repository: str, headers: Mapping[str, str] | None, content: outgoing.Body | None
    ) -> contextlib.AbstractAsyncContextManager[outgoing.Response]:
        all_headers = {**(headers or {}), **self._opened(repository)}
        return outgoing.send(self._client, method, url, _LIMITS, headers=all_headers, content=content, redirects=True)

    def _opened(self, repository: str) -> dict[str, str]:
        authorization = self._tokens.get(repository)
        return {"Authorization": authorization} if authorization else {}

    async def _authenticate(self, challenge: str, repository: str, more: tuple[str, ...]) -> None:
        """Authenticate as the challenge requires: with user name and password, or with a token."""
        kind, _, parameters = challenge.partition(" ")
        if kind.lower() == "basic" and self._identity:
            self._tokens[repository] = outgoing.basic_auth(*self._identity)
            return
        fields = dict(_CHALLENGE.findall(parameters))
        if kind.lower() != "bearer" or "realm" not in fields:
            return
        scopes = [("scope", f"repository:{repository}:pull,push"), *(("scope", f"repository:{name}:pull") for name in more)]
        query = [*([("service", fields["service"])] if "service" in fields else []), *scopes]
        opened = {"Authorization": outgoing.basic_auth(*self._identity)} if self._identity else {}
        realm = f"{fields['realm']}?{urlencode(query)}"
        async with outgoing.send(self._client, "GET", realm, _LIMITS, headers=opened, redirects=True) as answer:
            if answer.status_code == 200:
                answered = json.loads(await outgoing.body(answer))
                self._tokens[repository] = f"Bearer {answered.get('token') or answered.get('access_token')}"

    async def _good(self, answer: outgoing.Response, *statuses: int) -> None:
        if answer.status_code in statuses:
            return
        body = outgoing.text(await outgoing.body(answer))[:300]
        message = f"the registry {self.host} answered {answer.status_code} to {answer.request.method} {answer.url.path}: {body}"
        if answer.status_code in {401, 403}:
            raise RegistryError(message, advice="Set user name and password with push permission (the chart's builds.secret).")
        if answer.status_code == 507 or "no space left" in body.lower() or "quota" in body.lower():
            raise RegistryError(message, advice="The registry is full: remove images, or add storage.")
        if answer.status_code in {400, 404, 405, 413}:
            raise RegistryError(message, advice="Read the log of the registry.")
        raise RegistryUnreachableError(message, advice="It is retried.")
