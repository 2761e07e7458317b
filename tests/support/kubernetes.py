"""A client of an API server for the tests: JSON over one connection."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

Object = dict[str, Any]
_PATCH = "application/strategic-merge-patch+json"


class RefusedError(RuntimeError):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status


class Client:
    """An API server, by the one context of a kubeconfig whose certificates are files. For one thread at a time."""

    def __init__(self, kubeconfig: Path) -> None:
        settings = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = settings["clusters"][0]["cluster"], settings["users"][0]["user"]
        tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        tls.load_cert_chain(user["client-certificate"], user["client-key"])
        self._connection = HTTPSConnection(urlsplit(cluster["server"]).netloc, timeout=30, context=tls)

    def get(self, path: str) -> Object:
        """The document. Raises RefusedError or OSError."""
        return self.send("GET", path)

    def send(self, method: str, path: str, body: Object | None = None, kind: str = "") -> Object:
        """The answer. `kind` is the media type of the body; a PATCH without one is a strategic merge. Raises RefusedError, OSError or HTTPException."""
        usual = _PATCH if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": kind or usual}
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self._connection.getresponse()
            document = dict(json.loads(answer.read()))
        except (OSError, HTTPException):
            self._connection.close()
            raise
        if answer.status >= 400:
            raise RefusedError(answer.status, str(document.get("message", "")))
        return document
