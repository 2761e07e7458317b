"""GitHub's webhook: whose word it is, and what is done on it."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from landfall.controllers.deployment.reconcile import follows
from landfall.intake.answers import application
from landfall.intake.github_webhook import GitHubWebhook, signed
from tests.support.asgi import Client

_SECRET = "It's a Secret to Everybody"  # noqa: S105  of GitHub's documentation
_PUSH = {"ref": "refs/heads/main", "repository": {"full_name": "org/shop"}, "deleted": False}


def deliver(body: bytes, event: str, signature: str, secret: str = _SECRET) -> tuple[int, str, list[tuple[str, str]]]:
    """Status, message, and what was looked at."""
    looked_up: list[tuple[str, str]] = []

    async def pushed(repository: str, branch: str) -> int:
        looked_up.append((repository, branch))
        return 3

    headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": "d1", "X-Hub-Signature-256": signature}
    answer = Client(application(*GitHubWebhook(secret, pushed).routes())).ask("POST", "/v1/github", body, headers)
    return answer.status, str(answer.json()["message"]), looked_up


def test_the_signature_is_that_of_the_documentation() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signed(_SECRET.encode(), b"Hello, World!", signature)
    assert not signed(_SECRET.encode(), b"Hello, World?", signature)
    assert not signed(_SECRET.encode(), b"Hello, World!", "")


@pytest.mark.parametrize(
    ("event", "body", "right", "secret", "status", "looked"),
    [
        ("push", _PUSH, True, _SECRET, 202, [("org/shop", "main")]),
        ("push", {**_PUSH, "ref": "refs/heads/feature/x"}, True, _SECRET, 202, [("org/shop", "feature/x")]),
        ("push", {**_PUSH, "deleted": True}, True, _SECRET, 202, []),
        ("push", {**_PUSH, "ref": "refs/tags/v1"}, True, _SECRET, 202, []),
        ("push", {"zen": "x"}, True, _SECRET, 400, []),
        ("ping", {"zen": "x"}, True, _SECRET, 200, []),
        ("issues", {}, True, _SECRET, 202, []),
        ("push", _PUSH, False, _SECRET, 401, []),
        ("push", _PUSH, True, "", 404, []),
    ],
)
def test_a_delivery(event: str, body: dict[str, Any], right: bool, secret: str, status: int, looked: list[Any]) -> None:  # noqa: FBT001  a row
    data = json.dumps(body).encode()
    signature = f"sha256={hmac.new(_SECRET.encode(), data, hashlib.sha256).hexdigest()}" if right else "sha256=0"
    code, message, lookups = deliver(data, event, signature, secret)
    assert (code, lookups) == (status, looked), message


@pytest.mark.parametrize(
    ("github", "rollout", "expected"),
    [
        ({"repository": "org/shop", "branch": "main"}, {}, True),
        ({"repository": "Org/Shop"}, {}, True),
        ({"repository": "org/shop", "branch": "next"}, {}, False),
        ({"repository": "org/other", "branch": "main"}, {}, False),
        ({"repository": "org/shop", "commit": "abcdef1"}, {}, False),
        ({"repository": "org/shop", "branch": "main"}, {"follow": False}, False),
    ],
)
def test_who_follows(github: dict[str, Any], rollout: dict[str, Any], expected: bool) -> None:  # noqa: FBT001  a row
    assert follows({"spec": {"source": {"github": github}, "rollout": rollout}}, "org/shop", "main") is expected
