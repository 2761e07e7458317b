"""Whose token opens the journal: the gateway's, judged by the API server, and believed for a moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from landfall.intake.token_review import Gateway, TokenReviews
from landfall.kube.errors import KubeError

_ACCOUNT = "system:serviceaccount:landfall-system:landfall-gateway"


class Judge:
    """An API server that knows tokens by who they are of."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def create(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """A review."""
        assert kind == "TokenReview"
        self.asked += 1
        if self.away:
            raise KubeError(0, "away")
        user = {"good": _ACCOUNT, "other": "system:serviceaccount:shop:default"}.get(body["spec"]["token"])
        return {"status": {"authenticated": user is not None, "audiences": body["spec"]["audiences"], "user": {"username": user}}}


@pytest.fixture
def judge() -> Judge:
    return Judge()


def _status(gateway: Gateway, token: str) -> int:
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    request = Request({"type": "http", "method": "GET", "path": "/v1/lines", "headers": headers})
    answer = asyncio.run(gateway.refused(request))
    return answer.status_code if answer else 200


def test_the_gateway_s_own_token_alone_opens_and_is_believed_for_ten_seconds(judge: Judge) -> None:
    now = [0.0]
    gateway = Gateway(TokenReviews(judge), "landfall-system/landfall-gateway", lambda: now[0])
    assert [_status(gateway, token) for token in ("", "other", "none", "good")] == [401, 401, 401, 200]
    reviews_before = judge.asked
    assert [_status(gateway, "good") for _ in range(3)] == [200] * 3
    assert judge.asked == reviews_before
    assert [_status(gateway, token) for token in ("", "other", "goo")] == [401] * 3, "nobody else is believed with it"
    judge.away, now[0] = True, 10.0
    assert _status(gateway, "good") == 503


def test_without_a_gateway_nobody_comes_in(judge: Judge) -> None:
    assert _status(Gateway(TokenReviews(judge), ""), "good") == 401
