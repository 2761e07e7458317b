"""What the gateway watches: what is there, what happens, whose eyes it is for, and what becomes of it when a watch breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.api.apikey import Key
from landfall.gateway.auth import Caller
from landfall.gateway.pagination import Ordering
from landfall.gateway.watch_cache import WATCHED, WatchCache
from landfall.kube.client import Kube
from landfall.kube.errors import ForbiddenError, KubeError
from tests.support.gateway import Namespace

Object = dict[str, Any]
_KEY = Key("k", "d", "shop", "ci", "viewer")


def _object(name: str, version: int, uid: str = "", namespace: str = "shop") -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "uid": uid or name, "resourceVersion": str(version)}, "spec": {}}


def _named(raw: Object) -> tuple[str, str]:
    return raw["metadata"]["name"], raw["metadata"]["uid"]


class Server:
    """Migrations, and a script of what happens to them; every other kind is empty and quiet."""

    def __init__(
        self, *script: tuple[str, Object] | KubeError, objects: tuple[Object, ...] = (), scopes: tuple[str, ...] = ("",)
    ) -> None:
        self.objects = objects
        self.script = list(script)
        self.scopes = scopes
        self.snapshots = 0
        self.watched: list[str] = []
        self.reviews: list[Object] = []
        self.allowed = True
        self.over = asyncio.Event()
        self.watching: asyncio.Task[None] | None = None

    async def snapshot(self, kind: str, scope: str, reduce: Callable[[Object], Object]) -> tuple[list[Object], str]:
        """All of a kind."""
        self.snapshots += kind == "Migration"
        selected = [reduce(raw) for raw in self.objects if not scope or raw["metadata"]["namespace"] == scope]
        return (selected, "10") if kind == "Migration" else ([], "10")

    async def changes(self, kind: str, version: str, scope: str) -> AsyncIterator[tuple[str, Object]]:
        """What the script says next, until it breaks off; at its end nothing happens any more."""
        if kind == "Migration" and scope == self.scopes[-1]:
            self.watched.append(version)
            while self.script:
                entry = self.script.pop(0)
                if isinstance(entry, KubeError):
                    raise entry
                yield entry
            self.over.set()
        await asyncio.Event().wait()

    async def create(self, kind: str, body: Object) -> Object:
        """A review."""
        assert kind == "LocalSubjectAccessReview"
        self.reviews.append(body["spec"])
        return {"status": {"allowed": self.allowed}}


async def _watched(server: Server, ticks: Any = lambda: 0.0) -> WatchCache:
    """As it stands at the script's end; it goes on watching until the test is over."""
    cache = WatchCache(server, ticks)
    server.watching = asyncio.create_task(cache.run())
    async with asyncio.timeout(60):
        await server.over.wait()
    return cache


def test_what_happens_is_seen() -> None:
    async def check() -> None:
        script = [
            ("ADDED", _object("b", 11)),
            ("MODIFIED", _object("a", 12)),
            ("BOOKMARK", _object("", 13)),
            ("DELETED", _object("b", 14)),
        ]
        server = Server(*script, objects=(_object("a", 5), _object("a", 6, namespace="elsewhere")))
        cache = await _watched(server)
        assert cache.get("Migration", "shop", "b") is None
        assert [raw["metadata"]["resourceVersion"] for raw in cache.listed("Migration", "shop")] == ["12"]
        assert cache.get("Migration", "none", "a") is None
        assert server.watched == ["10"]

    asyncio.run(check())


def test_the_record_of_who_says_what_is_not_kept() -> None:
    async def check() -> None:
        listed, watched, answered = (_object(name, 11) for name in "abc")
        for raw in (listed, watched, answered):
            raw["metadata"]["managedFields"] = [{"manager": "kubectl"}]
        cache = await _watched(Server(("ADDED", watched), objects=(listed,)))
        cache.store("Migration", answered)
        objects = cache.listed("Migration", "shop")
        assert [item["metadata"]["name"] for item in objects] == ["a", "b", "c"]
        assert not [item for item in objects if "managedFields" in item["metadata"]]
        assert "managedFields" in answered["metadata"], "whoever was answered goes on with all of it"

    asyncio.run(check())


def test_what_is_gone_leaves_nothing_and_is_never_taken_for_what_comes_after() -> None:
    async def check() -> None:
        cache = await _watched(Server(objects=(_object("a", 5),)))
        stamps = [cache.count("Migration", "shop")]
        for version in range(20, 40, 2):
            raw = _object("b", version)
            cache.store("Migration", raw)
            stamps.append(cache.count("Migration", "shop"))
            cache.dropped("Migration", raw)
            stamps.append(cache.count("Migration", "shop"))
        assert len(set(stamps)) == len(stamps)
        cache.dropped("Migration", _object("a", 5))
        assert cache.count("Migration", "shop") not in stamps
        for number in range(50):
            raw = _object("a", 50, namespace=f"preview-{number}")
            cache.store("Migration", raw)
            cache.dropped("Migration", raw)
        assert (cache._objects["Migration"], cache._counts) == ({}, {})  # noqa: SLF001  what it holds

    asyncio.run(check())


def test_a_watch_that_breaks_off_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landfall.gateway.watch_cache._PAUSE_SECONDS", 0.0)

    async def check() -> None:
        server = Server(
            ("ADDED", _object("b", 11)), KubeError(410, "too old"), ("ADDED", _object("c", 12)), objects=(_object("a", 5),)
        )
        cache = await _watched(server)
        assert {raw["metadata"]["name"] for raw in cache.listed("Migration", "shop")} == {"a", "c"}, "what went meanwhile is gone"
        assert server.snapshots == 2

    asyncio.run(check())


def test_a_fault_of_the_watch_lets_the_api_server_be_asked() -> None:
    async def check() -> None:
        cache = WatchCache(Server(("ADDED", {"metadata": {}}), objects=(_object("a", 5),)))
        with pytest.raises(ExceptionGroup):
            await cache.run()
        assert not await cache.knows(_KEY, "get", "Migration")

    asyncio.run(check())


def test_nobody_is_told_more_than_their_own_rights_allow() -> None:
    async def check() -> None:
        now = [0.0]
        server = Server()
        cache = await _watched(server, lambda: now[0])
        assert [await cache.knows(_KEY, "list", "Migration") for _ in range(3)] == [True] * 3
        assert len(server.reviews) == 1
        assert server.reviews[0]["user"] == "system:serviceaccount:shop:ci"
        assert server.reviews[0]["resourceAttributes"] == {
            "namespace": "shop",
            "verb": "list",
            "group": "landfall.dev",
            "resource": "migrations",
        }
        server.allowed = False
        assert await cache.knows(_KEY, "list", "Migration"), "believed for ten seconds"
        now[0] = 10.0
        with pytest.raises(ForbiddenError):
            await cache.knows(_KEY, "list", "Migration")
        assert not await cache.knows(_KEY, "get", "TablePlan"), "what is not watched is asked for"

    asyncio.run(check())


def test_what_is_not_known_here_is_asked_for_and_who_changes_it_asks_anyway() -> None:
    async def check() -> None:
        namespace = Namespace()
        namespace.put("Migration", "new", {}, resourceVersion="12")
        namespace.put("Migration", "a", {}, resourceVersion="20")
        caller = Caller(_KEY, cast("Kube", namespace), await _watched(Server(objects=(_object("a", 5),))))
        answers = [
            await caller.get("Migration", "a"),
            await caller.get("Migration", "a", fresh=True),
            await caller.get("Migration", "new"),
        ]
        assert [raw["metadata"]["resourceVersion"] if raw else "" for raw in answers] == ["5", "20", "12"]
        assert len(await caller.listed("Migration")) == 1
        assert len(await caller.listed("Migration", fresh=True)) == 2
        blind = Caller(_KEY, cast("Kube", namespace), WatchCache(Server()))
        assert len(await blind.listed("Migration")) == 2, "before the first watch everything is asked for"

    asyncio.run(check())


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9)), max_size=12))
def test_whatever_comes_first_the_newest_version_stays(answers: list[tuple[str, int]]) -> None:
    cache = WatchCache(cast("Any", None))
    for name, version in answers:
        cache.store("Migration", _object(name, version))
    versions = {raw["metadata"]["name"]: int(raw["metadata"]["resourceVersion"]) for raw in cache.listed("Migration", "shop")}
    assert versions == {name: max(v for n, v in answers if n == name) for name, _ in answers}
    cache.store("ConfigMap", _object("a", 1))
    assert set(WATCHED) == {"Connection", "Deployment", "Migration", "Release", "Webhook"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["shop", "other"]), st.booleans()), max_size=12))
def test_what_is_asked_for_is_in_order_after_every_change(changes: list[tuple[str, str, bool]]) -> None:
    cache = WatchCache(cast("Any", None))
    odd = Ordering("odd", lambda raw: int(raw["metadata"]["resourceVersion"]) % 2 == 1, _named)
    every = Ordering("all", lambda _: True, _named)
    for version, (name, namespace, stays) in enumerate(changes):
        raw = _object(name, version, namespace=namespace)
        (cache.store if stays else cache.dropped)("Migration", raw)
        for ordering in (odd, every):
            ordered = cache.ordered("Migration", "shop", ordering)
            assert ordered == sorted((item for item in cache.listed("Migration", "shop") if ordering.takes(item)), key=_named)
            assert cache.ordered("Migration", "shop", ordering) is ordered, "nobody orders twice what has not changed"


def test_another_one_of_its_name_is_not_dropped_with_it() -> None:
    cache = WatchCache(cast("Any", None))
    cache.store("Migration", _object("a", 5, "second"))
    cache.dropped("Migration", _object("a", 4, "first"))
    assert cache.get("Migration", "shop", "a") is not None
    cache.dropped("Migration", _object("a", 6, "second"))
    assert cache.get("Migration", "shop", "a") is None


def test_of_some_namespaces_those_alone_are_told_from_here() -> None:
    async def check() -> None:
        server = Server(
            ("ADDED", _object("c", 12, namespace="docks")),
            objects=(_object("a", 5), _object("b", 6, namespace="docks"), _object("x", 7, namespace="elsewhere")),
            scopes=("shop", "docks"),
        )
        cache = await _watched(server)
        names = {
            (namespace, raw["metadata"]["name"])
            for namespace in ("shop", "docks", "elsewhere")
            for raw in cache.listed("Migration", namespace)
        }
        assert names == {("shop", "a"), ("docks", "b"), ("docks", "c")}
        assert await cache.knows(_KEY, "list", "Migration")
        assert not await cache.knows(replace(_KEY, namespace="elsewhere"), "list", "Migration"), "the API server is asked"

    asyncio.run(check())
