"""GitHub's webhook: a push makes the operator check the Deployments that follow the branch now, and not at the next interval.

A delivery only triggers a lookup: the commit is read from GitHub. So deliveries that are repeated, late or forged by someone with the
secret do no harm. Contract: signatures and push events as GitHub documents them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from landfall.intake.answers import body as body_of

_LARGEST = 25 * 1024 * 1024  # GitHub's limit
_SIGNATURE, _EVENT, _DELIVERY = "X-Hub-Signature-256", "X-GitHub-Event", "X-GitHub-Delivery"
_HEADS = "refs/heads/"
Pushed = Callable[[str, str], Awaitable[int]]


class GitHubWebhook:
    """Receives deliveries. `pushed` is called with repository and branch, and returns the number of Deployments that follow them."""

    def __init__(self, secret: str, pushed: Pushed) -> None:
        self._secret = secret.encode()
        self._pushed = pushed

    def routes(self) -> list[Route]:
        """The route."""
        return [Route("/v1/github", self._delivered, methods=["POST"])]

    async def _delivered(self, request: Request) -> Response:
        if not self._secret:
            return _response(404, "the webhook is not configured. Set builds.webhookSecretRef of the chart")
        if int(request.headers.get("Content-Length", "0")) > _LARGEST:
            return _response(413, "the delivery is larger than any of GitHub")
        body = await body_of(request, _LARGEST)
        if not signed(self._secret, body, request.headers.get(_SIGNATURE, "")):
            return _response(401, f"the signature in {_SIGNATURE} does not match the body and the configured secret")
        return await self._handle(request.headers.get(_EVENT, ""), request.headers.get(_DELIVERY, ""), body)

    async def _handle(self, event: str, delivery: str, body: bytes) -> Response:
        """Handle a verified delivery."""
        if event != "push":
            message = (
                "the webhook is configured" if event == "ping" else f"event {event or '(none)'} is ignored: only push is handled"
            )
            return _response(200 if event == "ping" else 202, message, delivery)
        try:
            push = json.loads(body)
            repository, ref, deleted = str(push["repository"]["full_name"]), str(push["ref"]), bool(push.get("deleted"))
        except (ValueError, KeyError, TypeError):
            return _response(400, "invalid push event")
        if deleted or not ref.startswith(_HEADS):
            return _response(202, "no Deployment follows what was pushed", delivery)
        count = await self._pushed(repository, ref.removeprefix(_HEADS))
        return _response(202, f"{count} Deployments follow {repository} at {ref.removeprefix(_HEADS)}", delivery)


def signed(secret: bytes, body: bytes, signature: str) -> bool:
    """Whether a signature matches a body, compared in constant time."""
    expected = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
    return hmac.compare_digest(expected.encode(), signature.encode())


def _response(status: int, message: str, delivery: str = "") -> Response:
    return JSONResponse({"message": message, **({"delivery": delivery} if delivery else {})}, status_code=status)
