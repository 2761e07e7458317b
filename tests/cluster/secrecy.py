"""What Secrets hold is in them alone: not in objects, events, arguments, environments, logs or the journal."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.cluster.install import NAMESPACE
from tests.cluster.machine import STATE
from tests.cluster.objects import Objects

Object = dict[str, Any]
_KINDS = (
    "migrations,runs,connections,webhooks,tableplans,appdeployments,releases,jobs,pods,configmaps,events,deployments,replicasets,"
    "services,ingresses,serviceaccounts"
)
# Keys of Secrets whose values anybody may know.
_OPEN = re.compile(
    r"(.*[_-])?(user|username|host|port|database|ref|id|endpoint|region|organization|team|project)|(next_public|vite)_.*|ca\.crt|tls\.crt",
    re.IGNORECASE,
)
_LEAST = 8  # what is shorter is found anywhere
_LOGS = Path("/var/log/pods")


class Secrecy:
    """What it has learned of Secrets, and where that has come up."""

    def __init__(self, objects: Objects, logs: Callable[[str], list[Path]] | None = None, ours: Sequence[Path] = ()) -> None:
        """`logs`: files with what the pods of a namespace printed, those of a kubelet if None. `ours`: other files that we write."""
        self._objects = objects
        self._logs = logs or _logs
        self._ours = ours
        self._known: dict[str, tuple[str, Collection[bytes]]] = {}

    def learn(self, value: str, origin: str) -> None:
        """Something that nobody may tell."""
        if len(value) >= _LEAST:
            self._known[value] = origin, _written(value)

    def told(self, namespaces: Sequence[str]) -> list[str]:
        """Where something of a Secret of these namespaces is to be read in them."""
        for namespace in namespaces:
            for raw in self._objects.listed("secrets", namespace):
                for key, value in _held(raw):
                    self.learn(value, f"Secret {namespace}/{raw['metadata']['name']}, {key}")
        return [leak for namespace in namespaces for leak in self._in(namespace)]

    def told_by_us(self) -> list[str]:
        """Where something that was ever learned is to be read in the logs of the operator and the gateway, or in the journal."""
        files = [
            *self._ours,
            *self._logs(NAMESPACE),
            *(STATE / "kubelet" / "pods").glob("*/volumes/kubernetes.io~empty-dir/journal/*"),
        ]
        return [f"{origin} is in {file}" for file in files if file.is_file() for origin in self._found(file.read_bytes())]

    def _in(self, namespace: str) -> Iterator[str]:
        for raw in self._objects.listed(_KINDS, namespace):
            kind, name = raw.get("kind", ""), raw["metadata"]["name"]
            for origin in self._found(json.dumps(raw, ensure_ascii=False).encode()):
                yield f"{origin} is in {kind} {namespace}/{name}"
        for file in self._logs(namespace):
            for origin in self._found(file.read_bytes()):
                yield f"{origin} is in {file}"

    def _found(self, text: bytes) -> list[str]:
        return [origin for origin, ways in self._known.values() if any(form in text for form in ways)]


def _held(raw: Object) -> Iterator[tuple[str, str]]:
    """Keys and values that are nobody's business. Helm's own are left out, and what was captured for Releases: a part of that is from a spec, and the rest is in Secrets of its own."""
    if raw.get("type", "").startswith("helm.sh/") or raw["metadata"].get("ownerReferences"):
        return
    for key, value in (raw.get("data") or {}).items():
        if not _OPEN.fullmatch(key):
            yield key, base64.b64decode(value).decode(errors="replace")


def _written(value: str) -> set[bytes]:
    """As it is, as an address has it, as JSON has it, and packed."""
    escaped = {json.dumps(value, ensure_ascii=ascii_alone)[1:-1].encode() for ascii_alone in (True, False)}
    return {value.encode(), quote(value, safe="").encode(), base64.b64encode(value.encode()), *escaped}


def _logs(namespace: str) -> list[Path]:
    return [file for folder in _LOGS.glob(f"{namespace}_*") for file in folder.glob("*/*.log")]
