"""What is sent to the API server."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from landfall.kube.client import Kube, Object, as_yaml
from landfall.kube.errors import ForbiddenError
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
    return [one["metadata"]["namespace"] async for one in kube.every("Migration")]


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
