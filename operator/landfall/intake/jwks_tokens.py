"""Verifies tokens with the cluster's published keys, for an operator without a ClusterRole, which TokenReview requires.

Like a TokenReview, it also checks that the pod that a token is bound to still exists.
Contract: service account tokens and their issuer's discovery, as Kubernetes documents them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import jwt

from landfall.intake.token_review import POD, POD_UID, Holder
from landfall.kube.client import Object
from landfall.kube.errors import ForbiddenError, KubeError
from landfall.manifests.parts import AUDIENCE

_DISCOVERY, _KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
_BELIEVED_SECONDS = 3600.0
_PAUSE_SECONDS = 10.0  # minimum time between lookups of an unknown key
_LEEWAY_SECONDS = 10
_NEEDED = ("exp", "iat", "iss", "sub", "aud")


class Cluster(Protocol):
    """What the verification needs of the API server."""

    async def published(self, path: str) -> Object:
        """Read a document. Raises KubeError."""

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Read an object. Raises KubeError."""


class PublishedKeys:
    """Verifies tokens of pods."""

    def __init__(self, kube: Cluster, ticks: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._ticks = ticks
        self._issuer = ""
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked = -_BELIEVED_SECONDS

    async def holder(self, token: str) -> Holder | None:
        """The holder of a token; None if it is invalid, for another audience, or of a deleted pod. Raises KubeError."""
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": list(_NEEDED)},
            )
        except jwt.InvalidTokenError:
            return None
        return await self._alive(claims)

    async def _alive(self, all_claims: dict[str, Any]) -> Holder | None:
        claims = all_claims.get("kubernetes.io", {})
        pod = claims.get("pod", {})
        if not pod:
            return None
        try:
            pod_object = await self._kube.get("Pod", claims["namespace"], pod["name"])
        except ForbiddenError:  # a namespace that the operator does not manage
            return None
        if pod_object is None or pod_object["metadata"]["uid"] != pod["uid"]:
            return None
        return Holder(str(all_claims["sub"]), {POD: [pod["name"]], POD_UID: [pod["uid"]]})

    async def _key(self, identifier: str) -> jwt.PyJWK | None:
        since = self._ticks() - self._asked
        if since >= _BELIEVED_SECONDS or (identifier not in self._keys and since >= _PAUSE_SECONDS):
            await self._read()
        return self._keys.get(identifier)

    async def _read(self) -> None:
        issuer, published = (await self._kube.published(_DISCOVERY))["issuer"], await self._kube.published(_KEYS)
        try:
            key_set = jwt.PyJWKSet.from_dict(published)
        except jwt.PyJWKSetError as error:
            raise KubeError(0, f"the keys of service account tokens cannot be read: {error}") from error
        self._issuer, self._keys = str(issuer), {str(key.key_id): key for key in key_set.keys}
        self._asked = self._ticks()
