"""The gateway as somebody with a key reaches it."""

from __future__ import annotations

import json
import subprocess
import sys
from http.client import HTTPConnection
from typing import Any

from tests.cluster import images
from tests.cluster.conftest import Place
from tests.cluster.install import NAMESPACE


def key(namespace: str, role: str, *more: str) -> subprocess.CompletedProcess[str]:
    """A key of the gateway, as it is made at a terminal: its objects, and what a person is told."""
    command = [sys.executable, "-m", "landfall", "keys", "create", "-n", namespace, "--name", "ci", "--role", role, *more]
    environment = {"PYTHONPATH": str(images.ROOT / "operator")}
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=images.ROOT, env=environment)


class Door:
    """The gateway with a key."""

    def __init__(self, place: Place, namespace: str, role: str = "editor", *, release: str = "") -> None:
        """`release`: of a Landfall that works in this namespace alone; else of the one that works everywhere."""
        self.place = place
        self.namespace = namespace
        result = key(
            namespace, role, *(["--namespaced", "--release", release, "--gateway-namespace", NAMESPACE] if release else [])
        )
        place.cluster.kubectl("apply", "-f", "-", stdin=result.stdout)
        self.key = next(word for word in result.stderr.split() if word.startswith("lf_"))
        place.secrecy.learn(self.key, f"the key of {namespace}")
        self.host = place.gateway(release or "landfall")

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and document; octets go as an archive."""
        connection = HTTPConnection(self.host, timeout=90)
        kind = "application/zip" if isinstance(body, bytes) else "application/json"
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        connection.request(method, path, body if body is None or isinstance(body, bytes) else json.dumps(body), headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.close()
        return answer.status, document

    def until(self, migration: str, status: str, seconds: float = 90) -> dict[str, Any]:
        """Wait for a status of a migration; the migration."""

        def current() -> dict[str, Any]:
            answer = self.ask("GET", f"/v1/migrations/{migration}")[1]
            return dict(answer.get("data") or answer)

        self.place.wait(f"{migration} is {status}", lambda: current().get("status") == status, seconds)
        return current()

    def followed(self, path: str, last: str = "") -> list[tuple[str, str, Any]]:
        """Server-sent events to the stream's end, each with its identifier, its kind and its document."""
        connection = HTTPConnection(self.host, timeout=60)
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "text/event-stream", "Last-Event-ID": last}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        events = []
        for block in answer.read().decode().split("\n\n"):
            parts = dict(line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(":"))
            if parts:
                events.append((parts.get("id", ""), parts["event"], json.loads(parts["data"])))
        connection.close()
        return events
