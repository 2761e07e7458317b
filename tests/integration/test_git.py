"""Repositories on hosts other than GitHub, against git's own server: branches, one commit, what is private, and what is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from landfall.builds.errors import HostileSourceError
from landfall.builds.fetch import place
from landfall.providers.errors import ProviderError
from landfall.providers.git import Remote, head, packed
from tests.support.git import GitHost

_FILES = {"package.json": "{}", "src/index.js": "// one", "run.sh": "#!/bin/sh"}


def asked(remote: Remote, branch: str = "") -> tuple[str, str]:
    """Ask a host of this machine."""
    return head(remote, branch, {"127.0.0.1"})


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
        head(Remote(git.address("shop")))
    assert told.value.reason == "SourceRefused"
    assert "builds.privateHosts" in told.value.message
    git.sends_to = "http://127.0.0.1:9"
    with pytest.raises(ProviderError) as told:
        asked(Remote(git.address("shop")))
    assert told.value.reason == "SourceMissing"
    assert "to the new URL" in told.value.message
