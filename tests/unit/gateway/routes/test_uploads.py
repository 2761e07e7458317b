"""Archives over HTTP: what is sent on, what is refused before anything is, and the migration that names one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from landfall.gateway.errors import ProblemError
from landfall.gateway.routes import uploads
from tests.support.asgi import Answer, Client
from tests.support.gateway import FakeJournal, Namespace, client

Object = dict[str, Any]
_ARCHIVE = b"PK\x05\x06" + bytes(18)
_SHA256 = hashlib.sha256(_ARCHIVE).hexdigest()


class Registry:
    """Where it goes; `refuses` is raised instead."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, int, bytes]] = []
        self.refuses: ProblemError | None = None

    async def upload(self, namespace: str, digest: str, size: int, body: AsyncIterator[bytes]) -> None:
        """Keep it."""
        if self.refuses:
            raise self.refuses
        self.taken.append((namespace, digest, size, b"".join([piece async for piece in body])))


@pytest.fixture
def registry() -> Registry:
    """An empty one."""
    return Registry()


@pytest.fixture
def door(cluster: Namespace, registry: Registry) -> Client:
    """An editor's client."""
    return client(cluster, FakeJournal(), "editor", registry)


def _sent(door: Client, query: str = f"?sha256={_SHA256}", **headers: str) -> Answer:
    all_headers = {"content-type": "application/zip", "content-length": str(len(_ARCHIVE)), **headers}
    return door.ask("POST", f"/v1/uploads{query}", _ARCHIVE, all_headers)


def test_an_archive_is_sent_on_and_named_by_a_migration(door: Client, registry: Registry, cluster: Namespace) -> None:
    answer = _sent(door)
    assert answer.status == 201, answer.body
    uploaded = answer.json()["data"]
    assert uploaded == {"artifact": f"sha256:{_SHA256}", "size": len(_ARCHIVE)}
    assert registry.taken == [("shop", f"sha256:{_SHA256}", len(_ARCHIVE), _ARCHIVE)]
    created = door.post("/v1/migrations", {"source": "zip", "artifact": uploaded["artifact"]}).json()["data"]
    spec = cluster.ours["Migration", created["id"].removeprefix("mig_")]["spec"]
    assert spec["app"]["template"]["source"] == {"zip": {"artifact": uploaded["artifact"]}}


@pytest.mark.parametrize(
    ("query", "headers", "status", "field", "words"),
    [
        ("", {}, 400, "sha256", "required"),
        ("?sha256=abc", {}, 400, "sha256", "64 lower-case hexadecimal digits"),
        (f"?sha256={_SHA256}", {"content-type": "application/json"}, 415, None, "application/zip"),
        (f"?sha256={_SHA256}", {"content-length": "many"}, 400, "content-length", "Content-Length"),
        (f"?sha256={_SHA256}", {"content-length": str(uploads.LARGEST + 1)}, 413, None, "is larger than"),
        (f"?sha256={_SHA256}", {"authorization": "Bearer none"}, 401, None, "no valid API key"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    door: Client, registry: Registry, query: str, headers: dict[str, str], status: int, field: str | None, words: str
) -> None:
    door.headers = {k: v for k, v in door.headers.items() if "authorization" not in headers or k != "Authorization"}
    answer = _sent(door, query, **headers)
    problem = answer.json()["error"]
    assert (answer.status, problem.get("field"), words.lower() in problem["message"].lower()) == (status, field, True), problem
    assert registry.taken == []


def test_who_may_make_no_migration_uploads_nothing(door: Client, registry: Registry, cluster: Namespace) -> None:
    assert _sent(client(cluster, FakeJournal(), "viewer", registry)).status == 403
    cluster.allowed = False
    assert _sent(door).status == 403
    assert registry.taken == []


def test_what_the_registry_says_is_told(door: Client, registry: Registry) -> None:
    registry.refuses = ProblemError(409, "invalid_state", "what came is sha256:1, and not sha256:2")
    assert _sent(door).json()["error"]["message"] == "what came is sha256:1, and not sha256:2"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source": "zip"}, "url"),
        ({"source": "zip", "url": "https://x/y.zip"}, "sha256"),
        ({"source": "zip", "sha256": "0" * 64}, "url"),
        ({"source": "zip", "artifact": "0" * 64}, "artifact"),
        ({"source": "zip", "url": "https://x/y.zip", "artifact": f"sha256:{'0' * 64}"}, "url"),
    ],
)
def test_an_archive_is_named_in_one_way(door: Client, body: Object, field: str) -> None:
    answer = door.post("/v1/migrations", body)
    assert (answer.status, answer.json()["error"]["field"]) == (400, field)
