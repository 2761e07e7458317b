"""A namespace of an API server in memory, as far as the gateway asks of one, with server-side apply; a journal; and keys as the command makes them."""

from __future__ import annotations

import base64
import copy
import functools
import json
from datetime import UTC, datetime
from typing import Any, cast

import yaml
from typer.testing import CliRunner

from landfall.cli.main import app as cli
from landfall.gateway.app import application
from landfall.gateway.auth import Callers
from landfall.gateway.journal_client import Of
from landfall.gateway.routes.uploads import Uploader
from landfall.gateway.writes import MANAGER
from landfall.kube.client import Kube
from landfall.kube.errors import AlreadyExistsError, KubeError
from landfall.kube.server_side_apply import merged
from tests.support.asgi import Client

Object = dict[str, Any]


class Namespace:
    """What the namespace `shop` has, and what was written to it; `refuses` is raised by the next write."""

    def __init__(self, manager: str = MANAGER) -> None:
        self.manager = manager
        self.user = ""
        self.allowed = True
        self.secrets: dict[str, Object] = {}
        self.objects: dict[tuple[str, str], Object] = {}
        self.ours: dict[tuple[str, str], Object] = {}
        self.written: list[tuple[str, Object]] = []
        self.refuses: KubeError | None = None

    def put(self, kind: str, name: str, spec: Object, status: Object | None = None, **metadata: Any) -> Object:
        """What somebody else has said of an object."""
        told = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z", **metadata}
        self.objects[kind, name] = {"metadata": told, "spec": spec, **({"status": status} if status is not None else {})}
        return self.objects[kind, name]

    def as_user(self, user: str) -> Namespace:
        """In whose name it is asked."""
        self.user = user
        return self

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object."""
        if (kind, namespace) == ("Secret", "landfall-system"):
            return self.secrets.get(name)
        assert namespace == "shop"
        return self._seen(kind, name) if (kind, name) in self.objects else None

    async def listed(self, kind: str, namespace: str, labels: str = "", fields: str = "") -> list[Object]:
        """Objects."""
        if (kind, namespace) == ("Secret", "landfall-system"):
            return [one for one in self.secrets.values() if labels in one["metadata"]["labels"]]
        assert namespace == "shop"
        found = [self._seen(*which) for which in self.objects if which[0] == kind]
        if fields:
            path, _, wanted = fields.partition("=")
            found = [one for one in found if functools.reduce(lambda value, name: value[name], path.split("."), one) == wanted]
        chosen = dict(part.split("=", 1) for part in labels.split(",") if part)
        return [one for one in found if chosen.items() <= one["metadata"].get("labels", {}).items()]

    async def create(self, kind: str, body: Object) -> Object:
        """Make one; or say whether this account may do something."""
        if kind == "SelfSubjectAccessReview":
            return {"status": {"allowed": self.allowed}}
        name = body["metadata"]["name"]
        if (kind, name) in self.objects:
            raise AlreadyExistsError(409, name)
        self.written.append((kind, body))
        self.objects[kind, name] = copy.deepcopy(body)
        return body

    async def apply(self, kind: str, body: Object, manager: str, *, force: bool = False) -> Object:
        """Server-side apply: what this manager said before and says no more, goes."""
        assert manager == self.manager
        if self.refuses and not force:
            raise self.refuses
        name = body["metadata"]["name"]
        self.written.append((kind, body))
        if (kind, name) not in self.objects:
            self.put(kind, name, {})
        self.ours[kind, name] = copy.deepcopy(body)
        return self._seen(kind, name)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """End one."""
        if (kind, namespace) == ("Secret", "landfall-system"):
            assert self.secrets.pop(name)["metadata"]["uid"] == uid
            return
        assert (namespace, uid) == ("shop", self.objects[kind, name]["metadata"]["uid"])
        del self.objects[kind, name]

    def _seen(self, kind: str, name: str) -> Object:
        found = copy.deepcopy(self.objects[kind, name])
        mine = self.ours.get((kind, name))
        if mine is None:
            return found
        found["metadata"] = merged(found["metadata"], mine["metadata"])
        theirs, said = found["spec"].get("decisions", []), mine.get("spec", {}).get("decisions", [])
        found["spec"] = merged(found["spec"], mine.get("spec", {}))
        if said:
            words = {one["column"]: one for one in [*theirs, *said]}
            found["spec"]["decisions"] = list(words.values())
        fields = {f"f:{part}": _fields(mine[part]) for part in ("metadata", "spec") if part in mine}
        found["metadata"]["managedFields"] = [
            {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
            {"manager": self.manager, "operation": "Apply", "fieldsV1": fields},
        ]
        return found


def _fields(value: object) -> Object:
    """The API server's record of what was said; lists are said whole, but for decisions, which are known by their columns."""
    if isinstance(value, dict):
        return {f"f:{name}": _fields(inner) for name, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict) and "column" in value[0]:
        return {f"k:{json.dumps({'column': one['column']})}": {".": {}, **_fields(one)} for one in value}
    return {}


class Told:
    """A journal: lines and numbers by kind and name."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, str], list[Object]] = {}
        self.numbers: list[Object] = []
        self.asked: list[dict[str, str]] = []

    async def lines(self, of: Of, **chosen: str) -> list[Object]:
        """Those behind a position."""
        self.asked.append(chosen)
        return [one for one in self.of.get((of.kind, of.name), []) if one["position"] > int(chosen.get("after", "0"))]

    async def samples(self, of: Of) -> list[Object]:
        """All."""
        assert of.kind == "Migration"
        return self.numbers


def line(position: int, message: str, phase: str = "copying", level: str = "info") -> Object:
    """A line of the journal."""
    return {
        "position": position,
        "at": f"2026-01-01T00:00:{position:02}+00:00",
        "level": level,
        "phase": phase,
        "message": message,
    }


def key(secrets: dict[str, Object], *options: str) -> str:
    """A key that the command made, with its Secret in place."""
    done = CliRunner().invoke(cli, ["keys", "create", "-n", "shop", "--name", "ci", *options])
    assert done.exit_code == 0, done.output
    held = next(yaml.safe_load_all(done.stdout))
    data = {name: base64.b64encode(text.encode()).decode() for name, text in held["stringData"].items()}
    metadata = {**held["metadata"], "uid": held["metadata"]["name"], "creationTimestamp": "2026-01-01T00:00:00Z"}
    secrets[held["metadata"]["name"]] = {**held, "metadata": metadata, "data": data}
    return next(word for word in done.stderr.split() if word.startswith("lf_"))


def client(namespace: Namespace, journal: Told, role: str = "editor", uploader: Uploader | None = None) -> Client:
    """Somebody with a key."""
    callers = Callers(cast("Kube", namespace), "landfall-system", lambda: datetime.now(UTC))  # noqa: TID251  keys expire by the clock
    made = Client(application(callers, journal, uploader))
    made.headers["Authorization"] = f"Bearer {key(namespace.secrets, '--role', role)}"
    return made
