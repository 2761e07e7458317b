"""What is sent to the API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from landfall.kube.client import Kube, Object, as_yaml
from landfall.kube.errors import ForbiddenError, KubeError
from landfall.lib.logs import JsonLines


@pytest.mark.parametrize(
    "text", ["", "plain", 'a "word"', "\\ud83d\\ude00", "😀", "\\😀", "\x7f\x80\x9f\u2028", "\U0010ffff\n\t\0"]
)
def test_any_text_arrives_as_it_is(text: str) -> None:
    assert yaml.safe_load(as_yaml({"text": text})) == {"text": text}


@given(st.dictionaries(st.text(max_size=80), st.text() | st.integers() | st.booleans() | st.none() | st.lists(st.text())))
def test_any_object_arrives_as_it_is(body: dict[str, object]) -> None:
    assert yaml.safe_load(as_yaml(body)) == body


class _Partly(Kube):
    """A cluster in which one namespace may not be read."""

    gone = "gone"

    def __init__(self, *namespaces: str) -> None:
        super().__init__(cast("Any", None), namespaces=namespaces)

    async def _json(self, method: str, path: str, body: Any = None, content: str = "", *, accept: str = "") -> Object:
        del method, body, content, accept
        scope = path.split("/namespaces/")[1].split("/", maxsplit=1)[0] if "/namespaces/" in path else ""
        if scope == self.gone:
            raise ForbiddenError(403, f"migrations is forbidden in {scope}")
        return {"metadata": {}, "items": [{"metadata": {"name": "shop", "namespace": scope}}]}


async def _read(kube: Kube) -> list[str]:
    return [raw["metadata"]["namespace"] async for raw in kube.every("Migration")]


def test_a_named_namespace_that_is_gone_does_not_keep_the_others(caplog: pytest.LogCaptureFixture) -> None:
    kube = _Partly("a", "gone", "b")
    assert [asyncio.run(_read(kube)) for _ in range(2)] == [["a", "b"]] * 2
    (line,) = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert (line["event"], line["namespace"]) == ("namespace_skipped", "gone")
    assert line["error"] == "403: migrations is forbidden in gone"
    kube.gone = ""
    assert asyncio.run(_read(kube)) == ["a", "gone", "b"]


def test_of_all_namespaces_nothing_is_passed_over() -> None:
    kube = _Partly()
    kube.gone = ""
    with pytest.raises(ForbiddenError):
        asyncio.run(_read(kube))


class _TransportError(Exception):
    """Of a library below the client: neither an `OSError` nor a `TimeoutError`."""


class _Content:
    """A body that breaks off behind its first piece."""

    def __init__(self, first: bytes, error: BaseException) -> None:
        self._first = first
        self._error = error

    async def iter_any(self) -> AsyncIterator[bytes]:
        """Its pieces."""
        yield self._first
        raise self._error

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Its lines."""
        return self.iter_any()


class _Response:
    """The transport's answer, whose body cannot be read to its end."""

    def __init__(self, status: int, error: BaseException, first: bytes = b"") -> None:
        self.status = status
        self.content = _Content(first, error)
        self.closed = False
        self._error = error

    async def read(self) -> bytes:
        """All of it."""
        raise self._error

    def close(self) -> None:
        """The connection goes."""
        self.closed = True


class _Transport:
    """Stands for the client: it answers, or raises before it does."""

    def __init__(self, response: _Response | None, error: BaseException) -> None:
        self.configuration = SimpleNamespace(host="https://cluster")
        self.rest_client = self
        self._response = response
        self._error = error

    async def update_params_for_auth(self, *_: object) -> None:
        """No credential."""

    async def request(self, *_: object, **__: object) -> SimpleNamespace:
        """One request."""
        if self._response is None:
            raise self._error
        return SimpleNamespace(response=self._response)


async def _got(kube: Kube) -> object:
    return await kube.get("Job", "store", "shop")


async def _changed(kube: Kube) -> object:
    return [change async for change in kube.changes("Job", "1", "store")]


async def _logged(kube: Kube) -> object:
    return [line async for line in kube.log("store", "shop", "worker")]


_FIRST = b'{"type": "ADDED", "object": {}}\n'
_LOST: dict[str, tuple[Callable[[Kube], Awaitable[object]], int, str]] = {
    "no answer": (_got, 0, "GET /apis/batch/v1/namespaces/store/jobs/shop: "),
    "half an answer": (_got, 200, "GET /apis/batch/v1/namespaces/store/jobs/shop: the response was lost: "),
    "half a refusal": (_got, 500, "GET /apis/batch/v1/namespaces/store/jobs/shop: "),
    "half a watch": (_changed, 200, "the watch of Job objects was interrupted: "),
    "half a log": (_logged, 200, "the log of pod shop was interrupted: "),
}


@pytest.mark.parametrize("error", [_TransportError("peer is gone"), ConnectionResetError(), TimeoutError()], ids=repr)
@pytest.mark.parametrize("row", _LOST)
def test_whatever_the_transport_raises_is_a_kube_error(row: str, error: Exception) -> None:
    ask, status, message = _LOST[row]
    response = _Response(status, error, _FIRST) if status else None
    with pytest.raises(KubeError) as raised:
        asyncio.run(cast("Any", ask(Kube(cast("Any", _Transport(response, error))))))
    assert (raised.value.status, raised.value.message) == (0, f"{message}{type(error).__name__}")
    assert raised.value.__cause__ is error
    assert response is None or ask is _got or response.closed


def test_a_watch_that_is_no_json_broke_off() -> None:
    response = _Response(200, _TransportError(), b"<html>\n")
    with pytest.raises(KubeError, match="the watch of Job objects was interrupted"):
        asyncio.run(cast("Any", _changed(Kube(cast("Any", _Transport(response, _TransportError()))))))
    assert response.closed


def test_a_request_that_is_cancelled_is_no_error_of_the_server() -> None:
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cast("Any", _got(Kube(cast("Any", _Transport(None, asyncio.CancelledError()))))))


def test_a_body_that_is_no_json_is_no_error_of_the_server() -> None:
    with pytest.raises(TypeError):
        asyncio.run(cast("Any", _got(Kube(cast("Any", _Transport(None, TypeError("not JSON serializable")))))))
