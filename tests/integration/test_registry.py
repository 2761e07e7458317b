"""Images into a registry that asks for a token, and sources from a GitHub that limits, refuses and redirects."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from landfall.builds.errors import BuildError
from landfall.builds.fetch import Archive, SourceError, SourceUnreachableError, fetched, tarball
from landfall.builds.image.layers import Packed
from landfall.builds.image.push import Pushed, Target, known_dependencies, pushed
from landfall.builds.image.registry import Reference, Registry, RegistryError, RegistryUnreachableError, credentials
from landfall.builds.languages.base import Layer
from landfall.builds.plan import BuildPlan
from landfall.lib import outgoing
from landfall.providers.errors import ProviderError
from landfall.providers.github import Commit
from landfall.providers.github import GitHub as Client
from tests.support.github import GitHub
from tests.support.registry import Registry as Server
from tests.support.servers import free_port

_PLAN = BuildPlan(
    framework="node-express",
    runtime="node",
    version="22",
    version_source="",
    package_manager="",
    install=(),
    build=(),
    start="node registry.js",
    output="",
    fallback="",
    layers=(Layer("dependencies", ("node_modules",)), Layer("app", (".",), ("node_modules",))),
)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A built folder."""
    (tmp_path / "app" / "node_modules" / "express").mkdir(parents=True)
    (tmp_path / "app" / "node_modules" / "express" / "index.js").write_text("module.exports = 1;\n" * 1000)
    (tmp_path / "app" / "registry.js").write_text("require('express');\n")
    return tmp_path / "app"


def push(
    registry: Server, app: Path, scratch: Path, key: str = "k", identity: tuple[str, str] | None = ("mover", "s3cret")
) -> Pushed:
    """Push as a builder does."""

    async def work() -> Pushed:
        async with outgoing.client() as client:
            client_registry = Registry(client, registry.host, insecure=True, identity=identity)
            target = Target(client_registry, "store/shop", client_registry, Reference(registry.host, "base/node", "22"))
            dependencies: Packed | None = await known_dependencies(client_registry, "store/shop", key)
            return await pushed(app, _PLAN, target, scratch, dependencies, key, "commit-1", {})

    return asyncio.run(work())


def test_an_image_is_pushed_once_and_its_packages_are_remembered(registry: Server, app: Path, tmp_path: Path) -> None:
    first = push(registry, app, tmp_path)
    store = registry.store
    manifest = json.loads(store.manifests[("store/shop", first.digest)])
    assert manifest["layers"][0]["size"] == 13
    assert any("mount=" in r for r in store.requests), "what lies below is mounted, not sent"
    assert store.manifests[("store/shop", "commit-1")] == store.manifests[("store/shop", first.digest)]
    shutil.rmtree(app / "node_modules")
    (app / "registry.js").write_text("require('express')();\n")
    second = push(registry, app, tmp_path)
    again = json.loads(store.manifests[("store/shop", second.digest)])
    assert again["layers"][1] == manifest["layers"][1], "the packages are those of the first build"
    assert second.sent < first.sent
    assert push(registry, app, tmp_path).sent == 0


@pytest.mark.parametrize("identity", [None, ("mover", "wrong")])
def test_a_registry_that_refuses(registry: Server, app: Path, tmp_path: Path, identity: tuple[str, str] | None) -> None:
    with pytest.raises(RegistryError) as refused:
        push(registry, app, tmp_path, identity=identity)
    assert "builds.secret" in refused.value.advice
    assert not refused.value.retry.by_itself


def test_a_registry_that_is_full_breaks_off_or_is_away(registry: Server, app: Path, tmp_path: Path) -> None:
    registry.store.full = True
    with pytest.raises(RegistryError, match="no space left"):
        push(registry, app, tmp_path)
    registry.store.full, registry.store.breaks = False, 9
    with pytest.raises(RegistryUnreachableError):
        push(registry, app, tmp_path)
    registry.store.breaks = 0
    assert ("store/shop", "commit-1") not in registry.store.manifests, "a manifest comes last"
    push(registry, app, tmp_path)
    registry.host = f"127.0.0.1:{free_port()}"
    with pytest.raises(RegistryUnreachableError):
        push(registry, app, tmp_path)


def test_a_link_out_of_the_app_is_not_packed(registry: Server, app: Path, tmp_path: Path) -> None:
    (app / "stolen").symlink_to("/etc/passwd")
    with pytest.raises(BuildError, match="leaves the app"):
        push(registry, app, tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("node:22", ("docker.io", "library/node", "22")),
        ("org/shop", ("docker.io", "org/shop", "latest")),
        ("localhost/run:1", ("localhost", "run", "1")),
        ("ghcr.io/a/b@sha256:1", ("ghcr.io", "a/b", "sha256:1")),
        ("10.0.0.1:5000/a/b:test@sha256:2", ("10.0.0.1:5000", "a/b", "sha256:2")),
    ],
)
def test_names_of_images(text: str, expected: tuple[str, str, str]) -> None:
    reference = Reference.parse(text)
    assert (reference.host, reference.repository, reference.version) == expected


def test_credentials_however_they_are_written() -> None:
    config = {
        "auths": {"https://r.example.com/v1/": {"auth": "bW92ZXI6czNjcmV0"}, "g.example.com": {"username": "u", "password": "p"}}
    }
    assert credentials(config, "r.example.com") == ("mover", "s3cret")
    assert credentials(config, "g.example.com") == ("u", "p")
    assert credentials(config, "example.com") is None


# -- sources ----------------------------------------------------------------------------------------------------------

_FILES = {"package.json": "{}", "apps/web/index.html": "<h1>hi</h1>", "apps/web/.env": "A=1"}


def ask(github: GitHub, repository: str, ref: str = "", token: str = "") -> Commit:
    """Ask once."""

    async def work() -> Commit:
        async with outgoing.client() as client:
            return await Client(github.url, client).commit(repository, ref, token)

    return asyncio.run(work())


def test_a_branch_is_a_commit() -> None:
    with GitHub() as github:
        sha = github.push("org/shop", _FILES, "feat: first\n\nwith more to it")
        assert ask(github, "org/shop") == Commit(sha, "feat: first", "main")
        assert ask(github, "org/shop", sha[:7]).sha == sha
        for repository, ref, token, reason in (
            ("org/none", "", "", "SourceMissing"),
            ("org/shop", "gone", "", "SourceMissing"),
            ("org/shop", "", "ghp_old", "SourceRefused"),
        ):
            with pytest.raises(ProviderError) as refused:
                ask(github, repository, ref, token)
            assert refused.value.reason == reason
        github.limited = 1
        with pytest.raises(ProviderError) as refused:
            ask(github, "org/shop")
        assert refused.value.reason == "RateLimited"
        assert 0 < refused.value.after_seconds <= 3
        github.down = True
        with pytest.raises(ProviderError) as refused:
            ask(github, "org/shop")
        assert (refused.value.reason, refused.value.retry.by_itself) == ("SourceUnreachable", True)


def test_a_tarball_follows_the_redirect_without_its_token(tmp_path: Path) -> None:
    with GitHub() as github:
        sha = github.push("org/vault", _FILES, "x", private=True)
        into = tmp_path / "app"
        into.mkdir()
        asyncio.run(fetched(tarball(github.url, "org/vault", sha, github.token), tmp_path, into, "apps/web"))
        assert sorted(p.name for p in into.iterdir()) == [".env", "index.html"]
        assert [token for path, token in github.asked if path.startswith("/codeload")] == [""]
        other = tmp_path / "other"
        other.mkdir()
        for archive, path, error in (
            (tarball(github.url, "org/vault", sha, ""), ".", SourceError),
            (tarball(github.url, "org/vault", "f" * 40, github.token), ".", SourceError),
            (Archive(f"{github.codeload}/org/vault/{sha}", sha256="0" * 64), ".", SourceError),
            (Archive("http://127.0.0.1:9/x"), ".", SourceUnreachableError),
        ):
            with pytest.raises(error):
                asyncio.run(fetched(archive, tmp_path, other, path))
        for path in ("apps/none", "../.."):
            shutil.rmtree(other)
            other.mkdir()
            with pytest.raises(SourceError, match="no folder"):
                asyncio.run(fetched(Archive(f"{github.codeload}/org/vault/{sha}"), tmp_path, other, path))
