"""Repositories on hosts other than GitHub, against git's own server: branches, one commit, what is private, and what is not there."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import pytest

from landfall.builds.errors import HostileSourceError
from landfall.builds.fetch import place
from landfall.lib import outgoing
from landfall.providers import git as git_provider
from landfall.providers.errors import ProviderError
from landfall.providers.git import Remote, head, packed
from landfall.providers.outside import public_address
from tests.support.git import GitHost

_FILES = {"package.json": "{}", "src/index.js": "// one", "run.sh": "#!/bin/sh"}


def asked(remote: Remote, branch: str = "", inside: Collection[str] = ("127.0.0.1",)) -> tuple[str, str]:
    """Ask a host of this machine."""

    async def asking() -> tuple[str, str]:
        async with outgoing.client(address_of=partial(public_address, inside=inside)) as client:
            return await head(client, remote, branch)

    return asyncio.run(asking())


@pytest.fixture
def git(tmp_path: Path) -> Iterator[GitHost]:
    """The host."""
    (tmp_path / "host").mkdir()
    with GitHost(tmp_path / "host") as made:
        yield made


def taken(remote: Remote, commit: str, folder: Path) -> dict[str, str]:
    """The files of a commit."""
    (folder / "scratch").mkdir()
    (folder / "app").mkdir()
    packed(remote, commit, folder / "scratch" / "archive")
    place(folder / "scratch" / "archive", folder / "app")
    assert [p.name for p in (folder / "scratch").iterdir()] == []
    return {p.relative_to(folder / "app").as_posix(): p.read_text() for p in (folder / "app").rglob("*") if p.is_file()}


def test_a_branch_is_a_commit_and_a_commit_is_its_files(git: GitHost, tmp_path: Path) -> None:
    first = git.push("shop", _FILES, "feat: first\n\nand more")
    second = git.push("shop", {"src/index.js": "// two"}, "feat: second", branch="next")
    remote = Remote(git.address("shop"))
    assert asked(remote) == (first, "main")
    assert asked(remote, "next") == (second, "next")
    third = git.push("shop", {"src/index.js": "// three"}, "feat: third", branch="next")
    assert asked(remote, "next") == (third, "next")
    assert taken(remote, second, tmp_path) == {**_FILES, "src/index.js": "// two"}, "a commit that no branch is at any more"
    (tmp_path / "again").mkdir()
    assert packed(remote, first, tmp_path / "again" / "a").message == "feat: first"


def test_what_is_private_opens_with_its_token(git: GitHost, tmp_path: Path) -> None:
    sha = git.push("vault", _FILES, "feat: secrets")
    git.private.add("vault")
    opened = Remote(git.address("vault"), token="glpat-reads", username="deploy")  # noqa: S106  of a server of ours
    assert asked(opened) == (sha, "main")
    assert taken(opened, sha, tmp_path) == _FILES
    for remote, words in ((Remote(git.address("vault")), "give a token"), (Remote(git.address("vault"), "wrong"), "renew")):
        with pytest.raises(ProviderError) as refused:
            asked(remote)
        assert refused.value.reason == "SourceRefused"
        assert words in refused.value.message
        assert not refused.value.retry.by_itself


@pytest.mark.parametrize(
    ("what", "reason", "words"),
    [
        ("repository", "SourceMissing", "no repository at /nowhere.git"),
        ("branch", "SourceMissing", "no branch 'gone'"),
        ("commit", "SourceMissing", "has no commit"),
        ("host", "SourceUnreachable", "retried"),
        ("down", "SourceUnreachable", "retried"),
    ],
)
def test_what_is_not_there(git: GitHost, tmp_path: Path, what: str, reason: str, words: str) -> None:
    git.push("shop-403", _FILES, "feat: first")
    shop = Remote(git.address("shop-403"))
    git.down = what == "down"
    asking: dict[str, Callable[[], object]] = {
        "repository": lambda: asked(Remote(git.address("nowhere"))),
        "branch": lambda: asked(shop, "gone"),
        "commit": lambda: packed(shop, "0" * 40, tmp_path / "archive"),
        "host": lambda: asked(Remote("http://127.0.0.1:1/shop.git")),
        "down": lambda: asked(shop),
    }
    with pytest.raises(ProviderError) as told:
        asking[what]()
    assert told.value.reason == reason
    assert words in told.value.message
    assert told.value.retry.by_itself == (reason != "SourceMissing")


def test_a_commit_that_was_pushed_over_is_told_as_such(git: GitHost, tmp_path: Path) -> None:
    first = git.push("shop", _FILES, "feat: first")
    git.push("shop", {"src/index.js": "// two"}, "feat: instead", over=True)
    git.old = True
    with pytest.raises(ProviderError) as told:
        packed(Remote(git.address("shop")), first, tmp_path / "archive")
    assert told.value.reason == "SourceMissing"
    assert "serves only commits of its branches" in told.value.message


def test_a_link_out_of_the_tree_is_refused_as_in_any_archive(git: GitHost, tmp_path: Path) -> None:
    sha = git.push("hostile", _FILES, "feat: links", links={"inside": "src/index.js", "outside": "../../etc/passwd"})
    with pytest.raises(HostileSourceError, match="outside"):
        taken(Remote(git.address("hostile")), sha, tmp_path)


def test_what_only_we_can_reach_is_not_asked_on_somebody_else_s_word(git: GitHost) -> None:
    git.push("shop", _FILES, "feat: first")
    with pytest.raises(ProviderError) as told:
        asked(Remote(git.address("shop")), inside=())
    assert told.value.reason == "SourceRefused"
    assert "builds.privateHosts" in told.value.message
    git.sends_to = "http://127.0.0.1:9"
    with pytest.raises(ProviderError) as told:
        asked(Remote(git.address("shop")))
    assert told.value.reason == "SourceMissing"
    assert "to the new URL" in told.value.message


def test_a_name_that_moves_inside_after_the_check_gets_no_request(git: GitHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was checked is the one that is connected to, whatever the name resolves to later."""
    port, real, resolved = int(git.address("shop").split(":")[2].split("/")[0]), socket.getaddrinfo, []

    def moving(host: str, *more: object, **named: object) -> object:
        if host == "moves.example.com":
            resolved.append(host)
            return real("192.0.2.1" if len(resolved) == 1 else "127.0.0.1", *more, **named)  # type: ignore[arg-type]
        return real(host, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("socket.getaddrinfo", moving)
    monkeypatch.setattr("landfall.providers.outside.is_public", lambda address: address == "192.0.2.1")
    monkeypatch.setattr(git_provider, "_LIMITS", outgoing.Timeouts(total=2))
    git.requests.clear()
    with pytest.raises(ProviderError) as told:
        asked(Remote(f"http://moves.example.com:{port}/shop.git", "s3cr3t"), inside=())
    assert told.value.reason == "SourceUnreachable"
    assert git.requests == []
    assert resolved == ["moves.example.com"]


class _Slow(http.server.BaseHTTPRequestHandler):
    """Sends a few octets at a time, and never ends."""

    pause, block = 0.3, b"x"

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(self.block)
                self.wfile.flush()
                time.sleep(self.pause)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(("pause", "block", "words"), [(0.3, b"x", "TimeoutError"), (0.0, b"x" * 65536, "larger than 1 MiB")])
def test_a_host_that_answers_without_end_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, pause: float, block: bytes, words: str
) -> None:
    monkeypatch.setattr(git_provider, "_LIMITS", outgoing.Timeouts(total=1 if pause else 30))
    monkeypatch.setattr(git_provider, "_MOST_REFS", 1 << 20)
    handler = type("Handler", (_Slow,), {"pause": pause, "block": block})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ProviderError, match=words) as told:
            asked(Remote(f"http://127.0.0.1:{server.server_port}/shop.git"))
        server.shutdown()
    assert told.value.reason == "SourceUnreachable"
