"""Answers that are given again: to whom, for how long, and that they are what would be answered anew."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landfall.gateway.app import application
from landfall.gateway.auth import Callers
from landfall.gateway.rate_limit import Rate, Rates
from landfall.gateway.views import migration as moves
from landfall.gateway.watch_cache import WATCHED, WatchCache
from landfall.kube.client import Kube
from tests.support.asgi import Client
from tests.support.gateway import EVERYTHING, FakeJournal, Namespace, key
from tests.support.migrations import NOW
from tests.support.moves import SPEC

Object = dict[str, Any]
_ENDED = {"phase": "Completed", "conditions": [{"type": "Ready", "status": "True", "reason": "Completed", "message": "m"}]}
_WORKS = {"phase": "Running", "startTime": "2026-01-01T00:00:00Z"}


class Reviewing(Namespace):
    """An API server that says who may do what; `clock` is everybody's."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = NOW
        self.ticks = 0.0

    async def create(self, kind: str, body: Object) -> Object:
        """A review."""
        assert (kind, body["spec"]["resourceAttributes"]["namespace"]) == ("LocalSubjectAccessReview", "shop")
        return {"status": {"allowed": self.allowed}}


class Watched:
    """A gateway that watches, with a key; `made` counts the answers that were made, and not given again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rate: Rate = EVERYTHING) -> None:
        self.cluster = Reviewing()
        self.cache = WatchCache(cast("Any", self.cluster), lambda: self.cluster.ticks)
        self.cache._current.update((kind, "") for kind in WATCHED)  # noqa: SLF001  as after the first watch
        self.made = 0
        for view in (moves.item, moves.detail):
            monkeypatch.setattr(moves, view.__name__, self._counted(view))
        rates = Rates(rate, rate)
        callers = Callers(
            cast("Kube", self.cluster),
            "landfall-system",
            lambda: self.cluster.clock,
            rates,
            lambda: self.cluster.ticks,
            self.cache,
        )
        self.door = Client(application(callers, FakeJournal()))
        self.door.headers["Authorization"] = f"Bearer {key(self.cluster.secrets, '--role', 'viewer')}"

    def _counted(self, view: Any) -> Any:
        def counting(*arguments: Any) -> Any:
            self.made += 1
            return view(*arguments)

        return counting

    def stands(self, name: str, version: int, status: Object) -> None:
        """The watch tells of a Migration."""
        raw = self.cluster.put("Migration", name, SPEC, status, resourceVersion=str(version))
        self.cache.store("Migration", raw)

    def ask(self, path: str = "/v1/migrations") -> tuple[Any, int]:
        """The answer, and how much of it was made for it."""
        before = self.made
        answer = self.door.get(path)
        assert answer.status == 200, answer.body
        return answer.json(), self.made - before


def test_a_list_is_made_once_until_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    watched.stands("a", 1, _ENDED)
    first = watched.ask()
    assert (watched.ask(), watched.ask()) == ((first[0], 0), (first[0], 0))
    assert watched.ask("/v1/migrations?limit=1")[1] > 0, "another question"
    watched.stands("b", 2, _WORKS)
    actual_page, views_made = watched.ask()
    assert (len(actual_page["data"]), views_made > 0) == (2, True)
    watched.cache.dropped("Migration", watched.cluster.objects["Migration", "a"])
    assert [item["id"] for item in watched.ask()[0]["data"]] == ["mig_b"]


def test_one_that_has_ended_is_given_again_and_one_that_works_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    watched.stands("a", 1, _ENDED)
    watched.stands("b", 2, _WORKS)
    watched.ask("/v1/migrations/mig_a")
    watched.stands("b", 3, _WORKS)
    assert watched.ask("/v1/migrations/mig_a")[1] == 0, "another one's change is none of its own"
    watched.ask("/v1/migrations/mig_b")
    assert watched.ask("/v1/migrations/mig_b")[1] > 0, "it tells for how long it has worked"
    watched.stands("a", 4, {**_ENDED, "phase": "RolledBack"})
    assert watched.ask("/v1/migrations/mig_a")[0]["status"] == "rolled_back"
    watched.cache.dropped("Migration", watched.cluster.objects["Migration", "a"])
    del watched.cluster.objects["Migration", "a"]
    assert watched.door.get("/v1/migrations/mig_a").status == 404


def test_it_is_given_to_those_alone_who_may_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    watched.stands("a", 1, _ENDED)
    watched.ask()
    assert watched.door.get("/v1/migrations", headers={"Authorization": "Bearer lf_x_y"}).status == 401
    watched.cluster.allowed = False
    watched.cluster.ticks += 10
    answer = watched.door.get("/v1/migrations")
    assert (answer.status, answer.json()["error"]["code"]) == (403, "forbidden")
    watched.cluster.allowed = True
    watched.cluster.ticks += 10
    watched.cluster.secrets.clear()
    watched.cluster.ticks += 10
    assert watched.door.get("/v1/migrations").status == 401, "its key was revoked"


def test_a_request_counts_once_against_its_key_s_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, Rate(1, 3))
    watched.stands("a", 1, _ENDED)
    assert [watched.door.get("/v1/migrations").status for _ in range(4)] == [200, 200, 200, 429]
    watched.cluster.ticks += 3
    assert [watched.door.get("/v1/migrations/mig_none").status for _ in range(4)] == [404, 404, 404, 429]


def test_while_nothing_is_watched_nothing_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    watched.stands("a", 1, _ENDED)
    watched.ask()
    watched.cache._current.discard(("Migration", ""))  # noqa: SLF001  as when a watch breaks off
    assert watched.ask()[1] > 0


_QUESTIONS = ("/v1/migrations", "/v1/migrations?status=completed", "/v1/migrations/mig_a", "/v1/migrations/mig_b")


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, _ENDED, _WORKS])), max_size=8))
def test_whatever_changes_it_is_what_would_be_answered_anew(changes: list[tuple[str, Object | None]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched(patch)
        for version, (name, status) in enumerate(changes, 1):
            if status is not None:
                watched.stands(name, version, status)
            elif ("Migration", name) in watched.cluster.objects:
                watched.cache.dropped("Migration", watched.cluster.objects.pop(("Migration", name)))
            for question in _QUESTIONS:
                cached = [watched.door.get(question).body for _ in range(2)]
                fresh = watched.door.get(question, headers={"Host": f"gateway-{version}"}).body  # nobody has asked there yet
                assert cached == [fresh] * 2
