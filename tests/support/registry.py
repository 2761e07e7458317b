"""A registry as the OCI distribution specification 1.1 has it, as far as pushing asks, behind the token dance of Docker's registries."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.support.quiet import QuietServer

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


class Registry:
    """Listens on loopback."""

    def __init__(self) -> None:
        self.store = Store()
        outer = self

        class Handler(_Handler):
            registry = outer

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    registry: Registry
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        """Whether a blob is there."""
        self._handled()

    do_GET = do_POST = do_PUT = do_HEAD  # noqa: N815  the server's names

    def _handled(self) -> None:
        store = self.registry.store
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        url = urlsplit(self.path)
        store.requests.append(f"{self.command} {url.path}{'?' + url.query if url.query else ''}")
        if url.path == "/token":
            self._token()
        elif self.headers.get("Authorization") != "Bearer opened":
            challenge = f'Bearer realm="http://{self.registry.host}/token",service="registry",scope="repository:x:pull"'
            self._told(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', {"WWW-Authenticate": challenge})
        elif store.breaks and self.command == "PUT":
            store.breaks -= 1
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._asked(url.path, parse_qs(url.query), body)

    def _token(self) -> None:
        name, word = self.registry.store.identity
        right = base64.b64encode(f"{name}:{word}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {right}":
            self._told(200, json.dumps({"token": "opened"}).encode())
        else:
            self._told(401, b"{}")

    def _asked(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        if found := _UPLOADS.fullmatch(path):
            self._upload(found["name"], query, body)
        elif found := _BLOB.fullmatch(path):
            self._given(self.registry.store.blobs.get((found["name"], found["digest"])), found["digest"])
        elif found := _MANIFEST.fullmatch(path):
            self._manifest(found["name"], found["which"], body)
        else:
            self._told(404, b"{}")

    def _upload(self, name: str, query: dict[str, list[str]], body: bytes) -> None:
        store = self.registry.store
        if self.command == "POST":
            mount, origin = query.get("mount", [""])[0], query.get("from", [""])[0]
            if mount and (origin, mount) in store.blobs:
                store.blobs[(name, mount)] = store.blobs[(origin, mount)]
                self._told(201, b"", {"Location": f"/v2/{name}/blobs/{mount}"})
            else:
                self._told(202, b"", {"Location": f"/v2/{name}/blobs/uploads/{uuid.uuid4()}?_state=kept"})
            return
        digest = query["digest"][0]
        if query.get("_state") != ["kept"]:
            self._told(400, b'{"errors": [{"message": "the location lost its query"}]}')
        elif store.full:
            self._told(500, b'{"errors": [{"message": "no space left on device"}]}')
        elif digest != f"sha256:{hashlib.sha256(body).hexdigest()}":
            self._told(400, b'{"errors": [{"code": "DIGEST_INVALID"}]}')
        else:
            store.blobs[(name, digest)] = body
            self._told(201, b"", {"Docker-Content-Digest": digest})

    def _manifest(self, name: str, which: str, body: bytes) -> None:
        store = self.registry.store
        if self.command != "PUT":
            self._given(store.manifests.get((name, which)), which)
            return
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        told = json.loads(body)
        missing = [one["digest"] for one in (told["config"], *told["layers"]) if (name, one["digest"]) not in store.blobs]
        if missing:
            self._told(400, json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "detail": missing}]}).encode())
            return
        store.manifests[(name, which)] = store.manifests[(name, digest)] = body
        self._told(201, b"", {"Docker-Content-Digest": digest})

    def _given(self, data: bytes | None, name: str) -> None:
        if data is None:
            self._told(404, b"{}")
        else:
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}" if not name.startswith("sha256:") else name
            self._told(200, data, {"Docker-Content-Digest": digest, "Content-Type": "application/vnd.oci.image.manifest.v1+json"})

    def _told(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
