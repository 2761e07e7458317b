"""A registry as the OCI distribution specification 1.1 has it, as far as pushing asks, behind the token dance of Docker's registries."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import uuid
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.support.quiet import Listening, QuietHandler

_BLOB = re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})")
_UPLOADS = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<session>[\w-]*)")
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<which>[\w.:-]+)")


@dataclass
class Store:
    """What it has, by repository; `identity` may push, others may only look."""

    identity: tuple[str, str] = ("mover", "s3cret")
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    full: bool = False
    breaks: int = 0


class Registry(Listening):
    """Listens on loopback."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.store = Store()
        self.host = f"127.0.0.1:{self.ports[0]}"


class _Handler(QuietHandler):
    service: Registry

    def handled(self) -> None:
        """Every question that is answered here."""
        store = self.service.store
        body = self.body()
        url = urlsplit(self.path)
        store.requests.append(f"{self.command} {url.path}{'?' + url.query if url.query else ''}")
        if url.path == "/token":
            self._token()
        elif self.headers.get("Authorization") != "Bearer opened":
            challenge = f'Bearer realm="http://{self.service.host}/token",service="registry",scope="repository:x:pull"'
            self.answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', {"WWW-Authenticate": challenge})
        elif store.breaks and self.command == "PUT":
            store.breaks -= 1
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._route(url.path, parse_qs(url.query), body)

    def _token(self) -> None:
        name, word = self.service.store.identity
        right = base64.b64encode(f"{name}:{word}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {right}":
            self.answer(200, json.dumps({"token": "opened"}).encode())
        else:
            self.answer(401, b"{}")

    def _route(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        if match := _UPLOADS.fullmatch(path):
            self._upload(match["name"], query, body)
        elif match := _BLOB.fullmatch(path):
            self._answer_data(self.service.store.blobs.get((match["name"], match["digest"])), match["digest"])
        elif match := _MANIFEST.fullmatch(path):
            self._manifest(match["name"], match["which"], body)
        else:
            self.answer(404, b"{}")

    def _upload(self, name: str, query: dict[str, list[str]], body: bytes) -> None:
        store = self.service.store
        if self.command == "POST":
            mount, origin = query.get("mount", [""])[0], query.get("from", [""])[0]
            if mount and (origin, mount) in store.blobs:
                store.blobs[(name, mount)] = store.blobs[(origin, mount)]
                self.answer(201, b"", {"Location": f"/v2/{name}/blobs/{mount}"})
            else:
                self.answer(202, b"", {"Location": f"/v2/{name}/blobs/uploads/{uuid.uuid4()}?_state=kept"})
            return
        digest = query["digest"][0]
        if query.get("_state") != ["kept"]:
            self.answer(400, b'{"errors": [{"message": "the location lost its query"}]}')
        elif store.full:
            self.answer(500, b'{"errors": [{"message": "no space left on device"}]}')
        elif digest != f"sha256:{hashlib.sha256(body).hexdigest()}":
            self.answer(400, b'{"errors": [{"code": "DIGEST_INVALID"}]}')
        else:
            store.blobs[(name, digest)] = body
            self.answer(201, b"", {"Docker-Content-Digest": digest})

    def _manifest(self, name: str, reference: str, body: bytes) -> None:
        store = self.service.store
        if self.command != "PUT":
            self._answer_data(store.manifests.get((name, reference)), reference)
            return
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        manifest = json.loads(body)
        missing = [
            blob["digest"] for blob in (manifest["config"], *manifest["layers"]) if (name, blob["digest"]) not in store.blobs
        ]
        if missing:
            self.answer(400, json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "detail": missing}]}).encode())
            return
        store.manifests[(name, reference)] = store.manifests[(name, digest)] = body
        self.answer(201, b"", {"Docker-Content-Digest": digest})

    def _answer_data(self, data: bytes | None, name: str) -> None:
        if data is None:
            self.answer(404, b"{}")
        else:
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}" if not name.startswith("sha256:") else name
            self.answer(
                200, data, {"Docker-Content-Digest": digest, "Content-Type": "application/vnd.oci.image.manifest.v1+json"}
            )
