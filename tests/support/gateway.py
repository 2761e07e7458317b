"""A namespace of an API server in memory, as far as the gateway asks of one, with server-side apply; a journal; and keys as the command makes them."""

from __future__ import annotations

import asyncio
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
from landfall.gateway.journal_client import LogOwner
from landfall.gateway.rate_limit import Rate, Rates
from landfall.gateway.routes.uploads import Uploader
from landfall.kube.client import Kube
from landfall.kube.errors import AlreadyExistsError, ConflictError, KubeError
from landfall.kube.server_side_apply import MANAGER, merged
from tests.support.asgi import Client

Object = dict[str, Any]
EVERYTHING = Rate(1e9, 1_000_000_000)


class Namespace:
    """What the namespace `shop` has, and what was written to it; `refuses` is raised by the next write."""

    def __init__(self) -> None:
        self.user = ""
        self.allowed = True
        self.secrets: dict[str, Object] = {}
        self.objects: dict[tuple[str, str], Object] = {}
        self.ours: dict[tuple[str, str], Object] = {}
        self.former: dict[tuple[str, str], dict[str, Object]] = {}  # what doors of earlier versions have said, by manager
        self.version = 0
        self.written: list[tuple[str, Object]] = []
        self.refuses: KubeError | None = None

    def put(self, kind: str, name: str, spec: Object, status: Object | None = None, **metadata: Any) -> Object:
        """What somebody else has said of an object."""
        all_metadata = {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **metadata,
        }
        self.objects[kind, name] = {"metadata": all_metadata, "spec": spec, **({"status": status} if status is not None else {})}
        if "resourceVersion" not in metadata:
            self._touched(kind, name)
        return self.objects[kind, name]

    def as_user(self, user: str) -> Namespace:
        """In whose name it is asked."""
        self.user = user
        return self

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object."""
        await asyncio.sleep(0)  # others are asked meanwhile
        if (kind, namespace) == ("Secret", "landfall-system"):
            return self.secrets.get(name)
        assert namespace == "shop"
        return self._merged_object(kind, name) if (kind, name) in self.objects else None

    async def listed(self, kind: str, namespace: str, labels: str = "", fields: str = "") -> list[Object]:
        """Objects."""
        if (kind, namespace) == ("Secret", "landfall-system"):
            return [raw for raw in self.secrets.values() if labels in raw["metadata"]["labels"]]
        assert namespace == "shop"
        objects = [self._merged_object(*place) for place in self.objects if place[0] == kind]
        if fields:
            path, _, field_value = fields.partition("=")
            objects = [
                raw for raw in objects if functools.reduce(lambda value, name: value[name], path.split("."), raw) == field_value
            ]
        selector = dict(part.split("=", 1) for part in labels.split(",") if part)
        return [raw for raw in objects if selector.items() <= raw["metadata"].get("labels", {}).items()]

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
        assert manager == MANAGER
        await asyncio.sleep(0)
        if self.refuses and not force:
            raise self.refuses
        name = body["metadata"]["name"]
        self._current(kind, name, body["metadata"].pop("resourceVersion", None))
        for other, words in self.former.get((kind, name), {}).items():
            if not force and (fields := _differing(words, body)):
                raise ConflictError(409, f'Apply failed with 1 conflict: conflict with "{other}": {fields[0]}')
        self.written.append((kind, body))
        if (kind, name) not in self.objects:
            self.put(kind, name, {})
        self.ours[kind, name] = copy.deepcopy(body)
        self._touched(kind, name)
        return self._merged_object(kind, name)

    async def patch(self, kind: str, namespace: str, name: str, operations: list[Object]) -> Object:
        """A JSON patch of the record of who says what: one manager takes over what others have said."""
        assert namespace == "shop"
        values = {operation["path"]: operation["value"] for operation in operations}
        assert values.keys() == {"/metadata/managedFields", "/metadata/resourceVersion"}
        self._current(kind, name, values["/metadata/resourceVersion"])
        managers = {entry["manager"] for entry in values["/metadata/managedFields"]}
        for manager, words in list(self.former[kind, name].items()):
            if manager not in managers:
                assert MANAGER in managers
                self.ours[kind, name] = merged(words, self.ours.get((kind, name), {}))
                del self.former[kind, name][manager]
        self._touched(kind, name)
        return self._merged_object(kind, name)

    def _current(self, kind: str, name: str, version: str | None) -> None:
        """As the API server refuses a write to another version than the one that was read."""
        current = self.objects.get((kind, name))
        if version is not None and current and current["metadata"]["resourceVersion"] != version:
            raise ConflictError(
                409, "the object has been modified; please apply your changes to the latest version and try again"
            )

    def _touched(self, kind: str, name: str) -> None:
        self.version += 1
        self.objects[kind, name]["metadata"]["resourceVersion"] = str(self.version)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """End one."""
        if (kind, namespace) == ("Secret", "landfall-system"):
            assert self.secrets.pop(name)["metadata"]["uid"] == uid
            return
        assert (namespace, uid) == ("shop", self.objects[kind, name]["metadata"]["uid"])
        del self.objects[kind, name]

    def _merged_object(self, kind: str, name: str) -> Object:
        result = copy.deepcopy(self.objects[kind, name])
        own = self.ours.get((kind, name))
        saying = {**self.former.get((kind, name), {}), **({MANAGER: own} if own is not None else {})}
        entries = [{"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {}}}] if saying else []
        for manager, words in saying.items():
            result["metadata"] = merged(result["metadata"], words.get("metadata", {}))
            existing, added = result["spec"].get("decisions", []), words.get("spec", {}).get("decisions", [])
            result["spec"] = merged(result["spec"], words.get("spec", {}))
            if added:
                result["spec"]["decisions"] = list({decision["column"]: decision for decision in [*existing, *added]}.values())
            fields = {f"f:{part}": _fields(words[part]) for part in ("metadata", "spec") if part in words}
            entries.append({"manager": manager, "operation": "Apply", "fieldsV1": fields})
        if entries:
            result["metadata"]["managedFields"] = entries
        return result


def _differing(left: Object, other: Object, path: str = "") -> list[str]:
    """The fields that both say, and say otherwise."""
    paths: list[str] = []
    for name in left.keys() & other.keys() - {"name", "namespace"}:
        if isinstance(left[name], dict) and isinstance(other[name], dict):
            paths += _differing(left[name], other[name], f"{path}.{name}")
        elif left[name] != other[name]:
            paths.append(f"{path}.{name}")
    return paths


def _fields(value: object) -> Object:
    """The API server's record of what was said; lists are said whole, but for decisions, which are known by their columns."""
    if isinstance(value, dict):
        return {f"f:{name}": _fields(inner) for name, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict) and "column" in value[0]:
        return {f"k:{json.dumps({'column': item['column']})}": {".": {}, **_fields(item)} for item in value}
    return {}


class FakeJournal:
    """A journal: lines and numbers by kind and name."""

    def __init__(self) -> None:
        self.by_owner: dict[tuple[str, str], list[Object]] = {}
        self.numbers: list[Object] = []
        self.asked: list[dict[str, str]] = []

    async def lines(self, owner: LogOwner, **query: str) -> list[Object]:
        """Those behind a position."""
        self.asked.append(query)
        return [
            line for line in self.by_owner.get((owner.kind, owner.name), []) if line["position"] > int(query.get("after", "0"))
        ]

    async def samples(self, owner: LogOwner) -> list[Object]:
        """All."""
        assert owner.kind == "Migration"
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
    result = CliRunner().invoke(cli, ["keys", "create", "-n", "shop", "--name", "ci", *options])
    assert result.exit_code == 0, result.output
    secret = next(yaml.safe_load_all(result.stdout))
    data = {name: base64.b64encode(text.encode()).decode() for name, text in secret["stringData"].items()}
    metadata = {**secret["metadata"], "uid": secret["metadata"]["name"], "creationTimestamp": "2026-01-01T00:00:00Z"}
    secrets[secret["metadata"]["name"]] = {**secret, "metadata": metadata, "data": data}
    return next(word for word in result.stderr.split() if word.startswith("lf_"))


def client(namespace: Namespace, journal: FakeJournal, role: str = "editor", uploader: Uploader | None = None) -> Client:
    """Somebody with a key, whose requests no limit of rate refuses: tests ask faster than people."""
    rates = Rates(key=EVERYTHING)
    callers = Callers(cast("Kube", namespace), "landfall-system", lambda: datetime.now(UTC), rates)  # noqa: TID251  keys expire by the clock
    test_client = Client(application(callers, journal, uploader))
    test_client.headers["Authorization"] = f"Bearer {key(namespace.secrets, '--role', role)}"
    return test_client
