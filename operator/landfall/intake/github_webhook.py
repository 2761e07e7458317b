"""GitHub's webhook: a push makes the Deployments that follow the branch be looked at now, and not at the next interval.

Nothing of a delivery is believed but that something may be new: which commit it is, is asked of GitHub. So a delivery that comes twice,
late, or from who knows the secret and lies does no harm. Contract: signatures and push events as GitHub documents them.
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

_LARGEST = 25 * 1024 * 1024  # what GitHub sends at most
_SIGNATURE, _EVENT, _DELIVERY = "X-Hub-Signature-256", "X-GitHub-Event", "X-GitHub-Delivery"
_HEADS = "refs/heads/"
Pushed = Callable[[str, str], Awaitable[int]]


class Webhook:
    """`pushed` is told repository and branch, and says how many Deployments follow them."""

    def __init__(self, secret: str, pushed: Pushed) -> None:
        self._secret = secret.encode()
        self._pushed = pushed

    def routes(self) -> list[Route]:
        """Its path."""
        return [Route("/v1/github", self._delivered, methods=["POST"])]

    async def _delivered(self, request: Request) -> Response:
        if not self._secret:
            return _told(404, "no webhook is set up here: give the chart builds.webhookSecretRef")
        if int(request.headers.get("Content-Length", "0")) > _LARGEST:
            return _told(413, "GitHub sends nothing as large")
        body = await body_of(request, _LARGEST)
        if not signed(self._secret, body, request.headers.get(_SIGNATURE, "")):
            return _told(401, f"the signature in {_SIGNATURE} is not of this body and the secret that is set up here")
        return await self._heard(request.headers.get(_EVENT, ""), request.headers.get(_DELIVERY, ""), body)

    async def _heard(self, event: str, delivery: str, body: bytes) -> Response:
        """Something that GitHub says."""
        if event != "push":
            told = (
                "this is Landfall" if event == "ping" else f"nothing is done on {event or 'no event'}: only push is listened to"
            )
            return _told(200 if event == "ping" else 202, told, delivery)
        try:
            push = json.loads(body)
            repository, ref, deleted = str(push["repository"]["full_name"]), str(push["ref"]), bool(push.get("deleted"))
        except (ValueError, KeyError, TypeError):
            return _told(400, "this is no push event")
        if deleted or not ref.startswith(_HEADS):
            return _told(202, "nothing follows what was pushed", delivery)
        count = await self._pushed(repository, ref.removeprefix(_HEADS))
        return _told(202, f"{count} Deployments follow {repository} at {ref.removeprefix(_HEADS)}", delivery)


def signed(secret: bytes, body: bytes, signature: str) -> bool:
    """Whether a signature is of a body, compared in constant time."""
    wanted = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
    return hmac.compare_digest(wanted.encode(), signature.encode())


def _told(status: int, message: str, delivery: str = "") -> Response:
    return JSONResponse({"message": message, **({"delivery": delivery} if delivery else {})}, status_code=status)
