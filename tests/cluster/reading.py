"""Reading objects over one connection a thread: a test that waits asks some three times a second, and a kubectl for each would take a third of a processor."""

from __future__ import annotations

import json
import ssl
import threading
import time
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

Object = dict[str, Any]
_PATIENCE_SECONDS = 60


class Reader:
    """An API server, by the one context of a kubeconfig whose certificates are files. Kinds are written as kubectl takes them."""

    def __init__(self, kubeconfig: Path) -> None:
        told = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = told["clusters"][0]["cluster"], told["users"][0]["user"]
        self._address = urlsplit(cluster["server"]).netloc
        self._tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._tls.load_cert_chain(user["client-certificate"], user["client-key"])
        self._mine = threading.local()
        self._paths: dict[str, tuple[str, str]] = {}

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """An object, empty where there is none."""
        base, plural = self._path(kind)
        return self._asked(f"{base}/namespaces/{namespace}/{plural}/{name}")

    def listed(self, kinds: str, namespace: str) -> list[Object]:
        """All objects of a namespace that are of one of these kinds."""
        found = []
        for kind in kinds.split(","):
            base, plural = self._path(kind)
            found += self._asked(f"{base}/namespaces/{namespace}/{plural}")["items"]
        return found

    def _path(self, kind: str) -> tuple[str, str]:
        if kind not in self._paths:
            self._discover()
        return self._paths[kind]

    def _discover(self) -> None:
        groups = [group["preferredVersion"]["groupVersion"] for group in self._asked("/apis")["groups"]]
        for version in ["v1", *sorted(groups, key=lambda told: told.startswith("landfall.dev"))]:
            base = f"/api/{version}" if version == "v1" else f"/apis/{version}"
            for one in self._asked(base)["resources"]:
                if "/" in one["name"]:
                    continue
                group = version.partition("/")[0] if "/" in version else ""
                for name in (one["name"], one["singularName"]):
                    self._paths.setdefault(name, (base, one["name"]))
                    self._paths.setdefault(f"{name}.{group}", (base, one["name"]))

    def _asked(self, path: str) -> Object:
        """The document, empty where there is none. A connection that breaks off is made anew: nothing but reads goes over it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._answer(path)
            except (OSError, HTTPException):
                self._mine.connection = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _answer(self, path: str) -> Object:
        connection = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = HTTPSConnection(self._address, timeout=30, context=self._tls)
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        told = dict(json.loads(answer.read()))
        if answer.status >= 500 or answer.status == 429:
            raise ConnectionError(told)
        if answer.status not in {200, 404}:
            message = f"GET {path}: {answer.status} {told.get('message', '')}"
            raise RuntimeError(message)
        return told if answer.status == 200 else {}
