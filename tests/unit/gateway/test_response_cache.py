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
        for one in (moves.item, moves.detail):
            monkeypatch.setattr(moves, one.__name__, self._counted(one))
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

    def _counted(self, one: Any) -> Any:
        def counting(*arguments: Any) -> Any:
            self.made += 1
            return one(*arguments)

        return counting

    def stands(self, name: str, version: int, status: Object) -> None:
        """The watch tells of a Migration."""
        raw = self.cluster.put("Migration", name, SPEC, status, resourceVersion=str(version))
        self.cache.store("Migration", raw)

    def asked(self, path: str = "/v1/migrations") -> tuple[Any, int]:
        """The answer, and how much of it was made for it."""
        before = self.made
        answer = self.door.get(path)
        assert answer.status == 200, answer.body
        return answer.json(), self.made - before


def test_a_list_is_made_once_until_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Watched(monkeypatch)
    here.stands("a", 1, _ENDED)
    first = here.asked()
    assert (here.asked(), here.asked()) == ((first[0], 0), (first[0], 0))
    assert here.asked("/v1/migrations?limit=1")[1] > 0, "another question"
    here.stands("b", 2, _WORKS)
    told, made = here.asked()
    assert (len(told["data"]), made > 0) == (2, True)
    here.cache.dropped("Migration", here.cluster.objects["Migration", "a"])
    assert [one["id"] for one in here.asked()[0]["data"]] == ["mig_b"]


def test_one_that_has_ended_is_given_again_and_one_that_works_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Watched(monkeypatch)
    here.stands("a", 1, _ENDED)
    here.stands("b", 2, _WORKS)
    here.asked("/v1/migrations/mig_a")
    here.stands("b", 3, _WORKS)
    assert here.asked("/v1/migrations/mig_a")[1] == 0, "another one's change is none of its own"
    here.asked("/v1/migrations/mig_b")
    assert here.asked("/v1/migrations/mig_b")[1] > 0, "it tells for how long it has worked"
    here.stands("a", 4, {**_ENDED, "phase": "RolledBack"})
    assert here.asked("/v1/migrations/mig_a")[0]["status"] == "rolled_back"
    here.cache.dropped("Migration", here.cluster.objects["Migration", "a"])
    del here.cluster.objects["Migration", "a"]
    assert here.door.get("/v1/migrations/mig_a").status == 404


def test_it_is_given_to_those_alone_who_may_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Watched(monkeypatch)
    here.stands("a", 1, _ENDED)
    here.asked()
    assert here.door.get("/v1/migrations", headers={"Authorization": "Bearer lf_x_y"}).status == 401
    here.cluster.allowed = False
    here.cluster.ticks += 10
    told = here.door.get("/v1/migrations")
    assert (told.status, told.json()["error"]["code"]) == (403, "forbidden")
    here.cluster.allowed = True
    here.cluster.ticks += 10
    here.cluster.secrets.clear()
    here.cluster.ticks += 10
    assert here.door.get("/v1/migrations").status == 401, "its key was revoked"


def test_a_request_counts_once_against_its_key_s_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Watched(monkeypatch, Rate(1, 3))
    here.stands("a", 1, _ENDED)
    assert [here.door.get("/v1/migrations").status for _ in range(4)] == [200, 200, 200, 429]
    here.cluster.ticks += 3
    assert [here.door.get("/v1/migrations/mig_none").status for _ in range(4)] == [404, 404, 404, 429]


def test_while_nothing_is_watched_nothing_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Watched(monkeypatch)
    here.stands("a", 1, _ENDED)
    here.asked()
    here.cache._current.discard(("Migration", ""))  # noqa: SLF001  as when a watch breaks off
    assert here.asked()[1] > 0


_QUESTIONS = ("/v1/migrations", "/v1/migrations?status=completed", "/v1/migrations/mig_a", "/v1/migrations/mig_b")


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, _ENDED, _WORKS])), max_size=8))
def test_whatever_changes_it_is_what_would_be_answered_anew(changes: list[tuple[str, Object | None]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        here = Watched(patch)
        for version, (name, status) in enumerate(changes, 1):
            if status is not None:
                here.stands(name, version, status)
            elif ("Migration", name) in here.cluster.objects:
                here.cache.dropped("Migration", here.cluster.objects.pop(("Migration", name)))
            for question in _QUESTIONS:
                known = [here.door.get(question).body for _ in range(2)]
                fresh = here.door.get(question, headers={"Host": f"gateway-{version}"}).body  # nobody has asked there yet
                assert known == [fresh] * 2
