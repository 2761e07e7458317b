"""Verifies who sent a request: tokens of service accounts, bound to the intake's audience."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from landfall.intake.answers import refused
from landfall.kube.client import Object
from landfall.kube.errors import KubeError
from landfall.manifests.parts import AUDIENCE

POD = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
_BELIEVED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Holder:
    """A service account, as `system:serviceaccount:NAMESPACE:NAME`, and what its token is bound to."""

    user: str
    bound: Mapping[str, Sequence[str]] = field(default_factory=dict)


class TokenVerifier(Protocol):
    """Verifies tokens."""

    async def holder(self, token: str) -> Holder | None:
        """The holder of a token; None if it is invalid or for another audience. Raises KubeError if it cannot be verified."""


class ObjectCreator(Protocol):
    """What a TokenReview needs of the API server."""

    async def create(self, kind: str, body: Object) -> Object:
        """Create an object. Raises KubeError."""


class TokenReviews:
    """Verifies tokens by TokenReview, which requires a ClusterRole."""

    def __init__(self, kube: ObjectCreator) -> None:
        self._kube = kube

    async def holder(self, token: str) -> Holder | None:
        """The holder of a token. Raises KubeError."""
        spec = {"token": token, "audiences": [AUDIENCE]}
        review = await self._kube.create(
            "TokenReview", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        )
        status = review.get("status", {})
        if not status.get("authenticated") or AUDIENCE not in status.get("audiences", []):
            return None
        user = status.get("user", {})
        return Holder(str(user.get("username", "")), user.get("extra", {}))


class Gateway:
    """The gateway's service account, as namespace/name; empty if there is no gateway. A verified token is cached for 10 s, because the gateway sends several requests per second."""

    def __init__(self, judge: TokenVerifier, account: str, ticks: Callable[[], float] = time.monotonic) -> None:
        self._judge = judge
        self._ticks = ticks
        self._believed = ("", 0.0)
        namespace, _, name = account.partition("/")
        self._user = f"system:serviceaccount:{namespace}:{name}" if name else ""

    async def refused(self, request: Request) -> Response | None:
        """The error response for any other caller."""
        authorization, moment = request.headers.get("Authorization", ""), self._ticks()
        token, until = self._believed
        if moment < until and hmac.compare_digest(authorization.encode(), token.encode()):
            return None
        try:
            sender = await holder(self._judge, request)
        except KubeError:
            return refused(503, "the token cannot be verified now")
        if sender is None or not self._user or sender.user != self._user:
            return refused(401, "this token does not belong to the gateway")
        self._believed = (authorization, moment + _BELIEVED_SECONDS)
        return None


async def holder(judge: TokenVerifier, request: Request) -> Holder | None:
    """The sender of a request. Raises KubeError if it cannot be verified."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    return await judge.holder(token) if token else None
