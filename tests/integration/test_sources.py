"""Which commit a Deployment means: what is known, what a followed branch is at, and what somebody asks for now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self, cast

from landfall.api.deployment import Deployment, Resolved
from landfall.controllers.context import Context
from landfall.controllers.deployment.resolve_source import resolved
from landfall.controllers.providers import Providers
from landfall.controllers.reports import Reports
from landfall.kube.client import Kube
from tests.support.github import GitHub

_FOLLOW = 60


class Looking:
    """The operator's looks at one Deployment, whose status keeps what they found."""

    def __init__(self, github: GitHub, *, follow: bool) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.known: Resolved | None = None
        source = {"github": {"repository": "acme/shop", "branch": "main"}}
        self._spec = {"source": source, "rollout": {"follow": follow}}
        self.providers = Providers.opened(github.url, "")
        self._runner = asyncio.Runner()
        nothing = cast("Any", SimpleNamespace())
        self._hands = Context(cast("Kube", nothing), Reports(), "image", "", lambda: self.now, nothing, self.providers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self.providers.close())
        self._runner.close()

    def looks(self, request: str = "") -> tuple[str, str]:
        """The commit and the reason of a problem."""

        async def look() -> tuple[Resolved | None, tuple[str, str] | None]:
            status = {"resolved": self.known} if self.known else None
            raw = {"metadata": {"name": "shop", "namespace": "store"}, "spec": self._spec, "status": status}
            return await resolved(self._hands, "store", Deployment.model_validate(raw), _FOLLOW, request)

        resolved_source, problem = self._runner.run(look())
        self.known = resolved_source
        return resolved_source.commit if resolved_source else "", problem[0] if problem else ""


def test_the_newest_commit_is_looked_up_for_whoever_asks_for_it() -> None:
    with GitHub() as github:
        first = github.push("acme/shop", {"a": "1"}, "first")
        for follow in (False, True):
            with Looking(github, follow=follow) as looking:
                assert looking.looks() == (first, "")
        second = github.push("acme/shop", {"a": "2"}, "second")
        for follow in (False, True):
            with Looking(github, follow=follow) as looking:
                looking.known = None
                looking.looks()
                third = github.push("acme/shop", {"a": f"3{follow}"}, "third")
                assert looking.looks() == (second, ""), "what is known holds, for a while or for good"
                assert looking.looks("1") == (third, ""), "and is not what somebody means who asks for the newest"
                requests_before = len(github.asked)
                assert looking.looks("1") == (third, "")
                assert len(github.asked) == requests_before, "once for each request"
            second = third


def test_a_request_waits_for_a_host_that_is_away() -> None:
    with GitHub() as github, Looking(github, follow=False) as looking:
        first = github.push("acme/shop", {"a": "1"}, "first")
        looking.looks()
        second = github.push("acme/shop", {"a": "2"}, "second")
        github.down = True
        assert looking.looks("1") == (first, "SourceUnreachable")
        github.down = False
        assert looking.looks("1") == (first, "SourceUnreachable"), "not at every look"
        looking.now += timedelta(seconds=_FOLLOW)
        assert looking.looks("1") == (second, "")


def test_of_a_commit_s_answer_no_more_is_kept_than_is_read() -> None:
    with GitHub() as github, Looking(github, follow=True) as looking:
        github.push("acme/shop", {"a": "1" * 1_000_000}, "first")
        looking.looks()
        cached = looking.providers.github._known  # noqa: SLF001  what it holds
        assert len(cached) == 1
        assert len(str(cached)) < 1000
