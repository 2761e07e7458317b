"""The fake GitHub that several test processes share: what one of them does is what GitHub has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.github import GitHub
from tests.support.shared_github import JoinedGitHub, SharedGitHub

_FILES = {"server.js": "one\r\ntwo\n", "notes/ä.md": "\u2028"}


@pytest.fixture
def github() -> Iterator[GitHub]:
    """The one that listens."""
    with GitHub() as fake:
        yield fake


@pytest.fixture
def joined(github: GitHub) -> Iterator[JoinedGitHub]:
    """The same, from another process."""
    with SharedGitHub(github) as shared:
        yield JoinedGitHub(shared.address)


def test_a_push_is_the_one_that_github_has(github: GitHub, joined: JoinedGitHub) -> None:
    first = joined.push("example-org/a", _FILES, "feat: first", private=True)
    second = joined.push("example-org/a", {}, "feat: second")
    assert github.repositories["example-org/a"].commits == {first: ("feat: first", _FILES), second: ("feat: second", {})}
    assert github.repositories["example-org/a"].private
    assert github.repositories["example-org/a"].branches == {"main": second}
    joined.reset("example-org/a", first)
    assert github.repositories["example-org/a"].branches == {"main": first}
    assert joined.repositories == {"example-org/a"}


def test_its_settings_and_statuses_are_those_of_github(github: GitHub, joined: JoinedGitHub) -> None:
    assert (joined.token, joined.writes) == (github.token, False)
    joined.writes = True
    assert github.writes
    assert joined.writes
    github.statuses.append(("abc", "success", "landfall/a/b"))
    assert joined.statuses == github.statuses


def test_a_call_that_fails_fails_here(joined: JoinedGitHub, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConnectionError):
        joined.reset("example-org/none", "abc")
    assert "KeyError" in capfd.readouterr().err
