"""An archive from the gateway through the operator into a registry behind a login: whole, once, and not if it is another one."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from landfall.controllers.deployment.build_jobs import BuildSettings
from landfall.gateway.errors import ProblemError
from landfall.gateway.journal_client import IntakeJournalClient
from landfall.handlers.serving import served
from landfall.intake import uploads
from landfall.intake.answers import application
from landfall.intake.token_review import Gateway, TokenReviews
from landfall.intake.uploads import Uploads
from landfall.kube.client import Kube
from landfall.manifests.parts import AUDIENCE
from tests.support.registry import Registry

Object = dict[str, Any]
_ARCHIVE = bytes(range(256)) * 20_000
_DIGEST = f"sha256:{hashlib.sha256(_ARCHIVE).hexdigest()}"


class Cluster:
    """Believes the gateway's token, and has the registry's Secret in one namespace."""

    def __init__(self, host: str) -> None:
        docker_config = json.dumps({"auths": {host: {"username": "mover", "password": "s3cret"}}})
        self.secret = {"data": {".dockerconfigjson": base64.b64encode(docker_config.encode()).decode()}}

    async def create(self, kind: str, body: Object) -> Object:
        """A review of a token, which is its holder's name here."""
        assert kind == "TokenReview"
        user = {"username": f"system:serviceaccount:{body['spec']['token']}"}
        return {"status": {"authenticated": True, "audiences": [AUDIENCE], "user": user}}

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The Secret."""
        return self.secret if (kind, namespace, name) == ("Secret", "shop", "registry") else None


@pytest.fixture
def registry() -> Iterator[Registry]:
    """An empty one."""
    with Registry() as fake_registry:
        yield fake_registry


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 100_000):
        yield data[at : at + 100_000]


def _send(
    client_registry: Registry,
    tmp_path: Path,
    data: bytes = _ARCHIVE,
    *,
    namespace: str = "shop",
    sender: str = "system:gate",
    **more: Any,
) -> None:
    """Send it, from the gateway's side. Raises ProblemError."""
    settings = {"registry": f"{client_registry.host}/store", "insecure": True, "secret": "registry", **more}

    async def send_archive() -> None:
        kube = cast("Kube", Cluster(client_registry.host))
        upload_service = Uploads(kube, Gateway(TokenReviews(kube), "system/gate"), BuildSettings(**settings))
        async with served(application(*upload_service.routes()), 0) as port:
            reader = IntakeJournalClient(f"http://127.0.0.1:{port}", tmp_path / "token")
            try:
                await reader.upload(namespace, _DIGEST, len(data), _pieces(data))
            finally:
                await reader.close()

    (tmp_path / "token").write_text(sender, encoding="ascii")
    asyncio.run(send_archive())


def test_it_arrives_whole_and_is_kept_once(registry: Registry, tmp_path: Path) -> None:
    for _ in range(2):
        _send(registry, tmp_path)
    assert registry.store.blobs == {("store/shop/uploads", _DIGEST): _ARCHIVE}
    assert len([request_line for request_line in registry.store.requests if request_line.startswith("PUT")]) == 1


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        pytest.param({"data": _ARCHIVE[:-1] + b"x"}, 409, f"expected {_DIGEST}", id="another one"),
        pytest.param({"sender": "system:somebody"}, 503, "does not belong to the gateway", id="somebody else's token"),
        pytest.param({"namespace": "Shop"}, 400, "namespace and digest are required", id="no namespace"),
        pytest.param({"registry": ""}, 409, "builds.registry of the chart is not set", id="no registry"),
        pytest.param({"limit": len(_ARCHIVE) - 1}, 413, "larger than", id="too large"),
        pytest.param({"namespace": "elsewhere"}, 503, "answered 401", id="no credentials there"),
    ],
)
def test_what_is_refused_is_not_kept(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: Object, status: int, words: str
) -> None:
    monkeypatch.setattr(uploads, "LARGEST", more.get("limit", uploads.LARGEST))
    with pytest.raises(ProblemError) as refused:
        _send(registry, tmp_path, **{name: value for name, value in more.items() if name != "limit"})
    assert (refused.value.status, words in refused.value.message) == (status, True), refused.value.message
    assert registry.store.blobs == {}


def test_a_registry_that_is_full_is_told(registry: Registry, tmp_path: Path) -> None:
    registry.store.full = True
    with pytest.raises(ProblemError) as refused:
        _send(registry, tmp_path)
    assert (refused.value.status, "The registry is full" in refused.value.message) == (503, True)
